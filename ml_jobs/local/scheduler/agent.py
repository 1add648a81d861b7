"""The preloaded parent of all ranks: imports once, starts no thread, forks ranks on request, reports their exits.

`python -m ml_jobs.local.scheduler.agent FD RANK_MAIN [MODULE...]`, the modules being what is imported before ranks are
forked. FD is one end of a socket pair; both sides send JSON lines. In: {"op": "start", key, env, log} and {"op":
"signal", key, signal}. Out: {"event": "ready", missing, at}, {"event": "started", key, pid, at}, {"event": "exited",
key, pid, code, at}, code being negative for a signal.

The agent ends when the scheduler does, and ranks end when the agent does (PR_SET_PDEATHSIG; elsewhere than on Linux by
the socket's end), so nothing outlives who would have to account for it.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import platform
import selectors
import signal
import socket
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any, NoReturn

from ml_jobs.local.process import die_with_parent

SINGLE_THREADED = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",  # pyarrow's allocator starts a thread at import otherwise
    "PYTORCH_NVML_BASED_CUDA_CHECK": "1",  # asking whether CUDA is there must not initialise it before the fork
}
"""The agent's environment: with it, importing the numerical libraries starts no thread, so that forking is safe."""


class Agent:
    """The loop: requests from the scheduler, exits of ranks."""

    def __init__(self, link: socket.socket, rank_main: str) -> None:
        self.link = link
        self.rank_main = rank_main
        self.ranks: dict[int, str] = {}  # pid -> key
        self.buffer = b""
        self.wake_read, self.wake_write = socket.socketpair()
        self.wake_read.setblocking(False)
        self.wake_write.setblocking(False)

    def run(self) -> None:
        """Serve until the scheduler closes the link; then end all ranks."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self.wake_write.fileno(), warn_on_full_buffer=False)
        with selectors.DefaultSelector() as selector:
            selector.register(self.link, selectors.EVENT_READ)
            selector.register(self.wake_read, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fileobj is self.wake_read:
                        with contextlib.suppress(BlockingIOError):
                            self.wake_read.recv(4096)
                    elif not self.receive():
                        self.end_all()
                        return
                self.reap()

    def receive(self) -> bool:
        """Handle what has come; False when the scheduler is gone."""
        try:
            data = self.link.recv(1 << 16)
        except ConnectionError:
            return False
        if not data:
            return False
        *lines, self.buffer = (self.buffer + data).split(b"\n")
        for line in lines:
            request = json.loads(line)
            if request["op"] == "start":
                self.start(request)
            else:
                self.send_signal(request["key"], int(request["signal"]))
        return True

    def send(self, **message: Any) -> None:
        with contextlib.suppress(ConnectionError):  # the scheduler is gone: the next read says so
            self.link.sendall(json.dumps(message).encode() + b"\n")

    def start(self, request: dict[str, Any]) -> None:
        agent_pid = os.getpid()
        pid = os.fork()
        if pid == 0:
            self.become_rank(request, agent_pid)
        with contextlib.suppress(OSError):  # the child does the same; whoever comes first
            os.setpgid(pid, pid)
        self.ranks[pid] = request["key"]
        self.send(event="started", key=request["key"], pid=pid, at=time.time())

    def send_signal(self, key: str, number: int) -> None:
        """To the rank's whole process group. The rank is not reaped yet, so its pid is still its own."""
        for pid, running in self.ranks.items():
            if running == key:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(pid, number)

    def reap(self) -> None:
        """Report ranks that ended, after ending what they left in their process group."""
        for pid in list(self.ranks):
            try:
                ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                ended = None
            if ended is None:
                continue
            at = time.time()
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            self.send(event="exited", key=self.ranks.pop(pid), pid=pid, code=os.waitstatus_to_exitcode(status), at=at)

    def end_all(self) -> None:
        for pid in self.ranks:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)

    def become_rank(self, request: dict[str, Any], agent_pid: int) -> NoReturn:
        """In the child: own group, own log, own environment, no descriptor of the agent's; never returns."""
        code = 1
        try:
            os.setpgid(0, 0)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            if platform.system() == "Linux":
                die_with_parent(signal.SIGKILL)
                if os.getppid() != agent_pid:
                    os._exit(1)
            for end in (self.link, self.wake_read, self.wake_write):
                end.close()
            log = os.open(request["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            os.dup2(log, 1)
            os.dup2(log, 2)
            os.close(log)
            sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
            os.environ.clear()
            os.environ.update(request["env"])
            code = call(self.rank_main)
        except BaseException:
            traceback.print_exc()
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)  # the agent's own exit handlers are not the rank's


def call(rank_main: str) -> int:
    """Run `module:function` as a program would be: its exit status."""
    module, _, function = rank_main.partition(":")
    try:
        result = getattr(importlib.import_module(module), function)()
        code = result if isinstance(result, int) else 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        if isinstance(end.code, str):
            sys.stderr.write(end.code + "\n")
    except BaseException:
        traceback.print_exc()
        return 1
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    return code


def preload(modules: list[str]) -> list[str]:
    """Import what ranks will need; the modules that can't be imported, which ranks then report themselves."""
    missing = []
    for module in modules:
        try:
            importlib.import_module(module)
        except Exception as error:
            missing.append(f"{module}: {error}")
    tasks = Path("/proc/self/task")
    threads = len(list(tasks.iterdir())) if tasks.is_dir() else threading.active_count()
    if threads > 1:
        missing.append(f"them without starting threads: {threads} run, and a fork may hang")
    gc.collect()
    gc.freeze()  # the collector leaves preloaded pages alone, so that ranks go on sharing them
    return missing


def main() -> None:
    if platform.system() == "Linux":
        die_with_parent(signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    link = socket.socket(fileno=int(sys.argv[1]))
    link.set_inheritable(False)
    agent = Agent(link, sys.argv[2])
    agent.send(event="ready", missing=preload(sys.argv[3:]), at=time.time())
    agent.run()


if __name__ == "__main__":
    main()
