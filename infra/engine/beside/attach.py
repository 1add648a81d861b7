"""The first stage of a plugin in Python, without a new interpreter.

The language host of the same engine keeps a process that has imported pulumi (or one outlives the engine, and
SKYWRIGHT_NURSERY names its socket); a child of it is up in milliseconds. This stage asks for one, lends it its output
and lives as long as it does. Without such a process (`destroy` runs no program), or when that one runs under another
interpreter, the plugin starts by itself. Only modules that cost next to nothing are imported.

    attach.py ARGS...            the provider of dynamic resources (copied beside host.py, started with -S)
    attach.py -m MODULE ARGS...  a module, as `python -P -u -m` runs it; the engine's interrupt is handed on to it
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys

START_S = 30.0
"""For the answer that the child is there; it takes milliseconds, except on a machine that is overloaded."""


def meeting_point(engine_pid: int) -> str:
    """The socket of the language host that `engine_pid` started. skywright_nursery.py holds the same rule."""
    return f"{os.environ.get('TMPDIR') or '/tmp'}/skywright-host-{os.getuid()}/{engine_pid}.sock"


def main(args: list[str]) -> int:
    engine = os.getppid()
    module = args[1] if args[:1] == ["-m"] else None
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # until it is known whom it is for
    channel = socket.socket(socket.AF_UNIX)
    try:
        channel.settimeout(START_S)
        channel.connect(os.environ.get("SKYWRIGHT_NURSERY") or meeting_point(engine))
        ask(channel, module, args[2:] if module else args)
        said = channel.recv(64)
    except OSError:
        said = b""
    if not said:
        channel.close()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        host = os.path.join(os.path.dirname(__file__), "host.py")  # noqa: PTH118, PTH120  (pathlib costs 10 ms)
        itself = ["-P", "-u", *args] if module else ["-u", host, "dynamic", *args]
        os.execv(sys.executable, [sys.executable, *itself])
    if module:
        # It finishes what it has begun, and we stay until then: the engine takes us for it.
        child = int(said.split()[0])
        signal.signal(signal.SIGINT, lambda number, frame: os.kill(child, signal.SIGINT))
    else:
        # The engine is done: the child sees this process's end and ends too.
        signal.signal(signal.SIGINT, lambda number, frame: os._exit(0))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    channel.settimeout(0.25)
    while os.getppid() == engine:
        try:
            if not (more := channel.recv(64)):
                break
            said += more
        except TimeoutError:
            continue
    lines = said.decode().split()
    return int(lines[1]) if len(lines) > 1 else 1


def ask(channel: socket.socket, module: str | None, args: list[str]) -> None:
    """Send what the child shall run, and this process's standard output and error for it to write to."""
    home = os.path.realpath(os.path.dirname(os.path.dirname(sys.executable)))  # noqa: PTH120
    job = {
        "module": module or "pulumi.dynamic",
        "is_safe": module is not None,
        "argv": [module or "pulumi-resource-pulumi-python", *args],
        "cwd": os.getcwd(),  # noqa: PTH109
        "environ": dict(os.environ),
        "home": home,
    }
    body = json.dumps(job).encode()
    socket.send_fds(channel, [len(body).to_bytes(8, "big")], [1, 2])
    channel.sendall(body)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
