"""The first stage of `pulumi-resource-pulumi-python`: the provider of dynamic resources, without a new interpreter.

The language host of the same engine keeps a process that has imported pulumi; a child of it is up in milliseconds.
This stage asks for one, lends it its output and lives as long as it does. Without such a host (`destroy` runs no
program), or when that one runs under another interpreter, the provider starts by itself. Only modules that cost next
to nothing are imported.

    attach.py ARGS...   (copied beside host.py, started with -S)
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
    # Interrupted by the engine, which is done: the child sees this process's end and ends too.
    signal.signal(signal.SIGINT, lambda number, frame: os._exit(0))
    channel = socket.socket(socket.AF_UNIX)
    try:
        channel.settimeout(START_S)
        channel.connect(meeting_point(engine))
        ask(channel, args)
        said = channel.recv(64)
    except OSError:
        said = b""
    if not said:
        channel.close()
        host = os.path.join(os.path.dirname(__file__), "host.py")  # noqa: PTH118, PTH120  (pathlib costs 10 ms)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.execv(sys.executable, [sys.executable, "-u", host, "dynamic", *args])
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


def ask(channel: socket.socket, args: list[str]) -> None:
    """Send what the child shall run, and this process's standard output and error for it to write to."""
    home = os.path.realpath(os.path.dirname(os.path.dirname(sys.executable)))  # noqa: PTH120
    job = {
        "module": "pulumi.dynamic",
        "argv": ["pulumi-resource-pulumi-python", *args],
        "cwd": os.getcwd(),  # noqa: PTH109
        "environ": dict(os.environ),
        "home": home,
    }
    body = json.dumps(job).encode()
    socket.send_fds(channel, [len(body).to_bytes(8, "big")], [1, 2])
    channel.sendall(body)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
