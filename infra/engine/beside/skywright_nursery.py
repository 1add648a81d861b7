"""Processes for jobs, forked from one that has imported pulumi and the project's `preload` but started no gRPC."""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import io
import json
import os
import re
import select
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Iterable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn, Protocol

if TYPE_CHECKING:
    from infra.engine.beside.skywright_child import COLLECTED_AFTER, Job, end_with_parent, perform
    from infra.engine.beside.skywright_lessons import Lessons
else:
    from skywright_child import COLLECTED_AFTER, Job, end_with_parent, perform
    from skywright_lessons import Lessons


class Task(Protocol):
    """A running job."""

    def wait(self) -> int:
        """Its exit status; negative after a signal, also when it died without one."""

    def kill(self) -> None:
        """End it now; nothing happens when it has ended."""


class Nursery:
    """A process forked before gRPC starts; it forks a child for each job.

    Jobs come from the host, through a socket pair, and from attach.py, through a socket named by the engine's pid.
    """

    def __init__(self, engine_pid: int) -> None:
        self._ours, theirs = socket.socketpair()
        self._lock = threading.Lock()
        host = os.getpid()
        if os.fork() == 0:
            self._ours.close()
            listener, path = listen(engine_pid)
            end_at_signal(signal.SIGINT, path)
            warm(Path.cwd())
            os._exit(tend(host, listener, path, theirs))
        theirs.close()

    def start(self, job: Job, stdout: int, stderr: int) -> Task:
        """Start a job whose output goes to these file descriptors."""
        status, theirs = os.pipe()
        request = json.dumps(job).encode()
        with self._lock:
            socket.send_fds(self._ours, [len(request).to_bytes(8, "big")], [stdout, stderr, theirs])
            self._ours.sendall(request)
        os.close(theirs)
        return Forked(status)


class KeptNursery:
    """The nursery of somebody who runs the engine several times: what one run has imported, the next finds there.

    Its owner starts it (`host.py keep`) and names its socket to the engine in SKYWRIGHT_NURSERY.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    def start(self, job: Job, stdout: int, stderr: int) -> Task:
        """Start a job whose output goes to these file descriptors. OSError when the nursery is gone or refuses."""
        channel = socket.socket(socket.AF_UNIX)
        channel.connect(self._path)
        environ = job.get("environ") or dict(os.environ)
        body = json.dumps({**job, "environ": environ, "home": os.path.realpath(sys.prefix)}).encode()
        socket.send_fds(channel, [len(body).to_bytes(8, "big")], [stdout, stderr])
        channel.sendall(body)
        child = Forked(channel.detach())
        if not child.pid:
            raise ConnectionRefusedError
        return child


def keep(modules: list[str]) -> NoReturn:
    """Be a kept nursery: print the socket's path, import, and answer until the process that started this one ends."""
    owner = os.getppid()
    listener, path = listen(os.getpid())
    sys.stdout.write(f"{path or ''}\n")
    sys.stdout.flush()
    if listener is None:
        sys.exit(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's; the owner decides
    end_at_signal(signal.SIGTERM, path)
    warm(Path.cwd(), modules)
    sys.exit(tend(owner, listener, path, lessons=Lessons()))


def tend(
    owner: int,
    listener: socket.socket | None,
    path: Path | None,
    requests: socket.socket | None = None,
    lessons: Lessons | None = None,
) -> int:
    """Fork a child for each job that comes, as long as the process `owner` is there."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    sources = [source for source in (requests, listener) if source is not None]
    heard = [lessons.told] if lessons is not None else []
    while os.getppid() == owner:
        ready, _, _ = select.select([*sources, *heard], [], [], 1.0)
        if lessons is not None:
            lessons.learn()
        descriptors: list[int] = []
        if requests in ready and requests is not None:
            if (job := receive(requests, descriptors)) is None:
                break
            _fork(job, descriptors, sources, lessons)
        elif listener in ready and listener is not None:
            guest, _ = listener.accept()
            with guest, contextlib.suppress(OSError, ValueError):
                guest.settimeout(5)
                job = receive(guest, descriptors)
                if job is not None and job["home"] == os.path.realpath(sys.prefix):
                    guest.setblocking(True)
                    _fork(job, [*descriptors, os.dup(guest.fileno())], [*sources, guest], lessons)
                    descriptors = []
            for descriptor in descriptors:  # a refused guest's: it waits for us to let go of its output
                os.close(descriptor)
    if path is not None:
        path.unlink(missing_ok=True)
    return 0


def _fork(job: Job, descriptors: list[int], sources: list[socket.socket], lessons: Lessons | None) -> None:
    if os.fork() == 0:
        code = 1
        try:
            for source in sources:
                source.close()
            code = _child(job, lessons, *descriptors)
        finally:
            os._exit(code)  # whatever happened: there is one nursery
    for descriptor in descriptors:
        os.close(descriptor)


def _child(job: Job, lessons: Lessons | None, stdout: int, stderr: int, status: int) -> int:
    known = set(sys.modules)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler if "module" in job else signal.SIG_DFL)
    if "home" in job:
        # It belongs to the process that asked, not to the host, which the engine may end before.
        os.setsid()
        threading.Thread(target=_end_with, args=(status,), daemon=True).start()
    else:
        end_with_parent(os.getppid())
    os.write(status, f"{os.getpid()}\n".encode())
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    os.close(stdout)
    os.close(stderr)
    code = 1
    try:
        code = perform(job)
        atexit._run_exitfuncs()
    except BaseException:
        traceback.print_exc()
    if lessons is not None:
        lessons.tell(known)  # before the last word: who waits for it may end us then
    os.write(status, f"{code}\n".encode())
    return code


def _end_with(status: int) -> None:
    """End this process when nobody is left to be told of its end; the pid that it sent may not have been read."""
    try:
        os.read(status, 1)
    finally:
        os._exit(1)


def end_at_signal(number: int, path: Path | None) -> None:
    def end(number: int, frame: FrameType | None) -> NoReturn:
        if path is not None:
            path.unlink(missing_ok=True)
        os._exit(0)

    signal.signal(number, end)


def warm(folder: Path, modules: Iterable[str] = ()) -> None:
    """Import the module that the project's runtime option `preload` names, and these, so that children need not.

    Preview, update and providers are forked later and find it there. What goes wrong here goes wrong in the program
    too, which tells of it. The official host knows no such option and passes over it.
    """
    gc.set_threshold(COLLECTED_AFTER)
    for name in (*_preload(folder), *modules):
        with contextlib.suppress(Exception), contextlib.redirect_stderr(io.StringIO()):
            importlib.import_module(name)
    gc.freeze()  # what is preloaded stays, shared with the children: their collectors pass over it


def _preload(folder: Path) -> list[str]:
    for root in (folder, *folder.parents):
        with contextlib.suppress(OSError):
            text = (root / "Pulumi.yaml").read_text()
            return re.findall(r"^ +preload: *([\w.]+) *$", text, re.MULTILINE)[:1]
    return []


def listen(engine_pid: int) -> tuple[socket.socket | None, Path | None]:
    """The socket on which attach.py asks (its `meeting_point`), in a folder of this user alone; none if that fails."""
    path = Path(os.environ.get("TMPDIR") or "/tmp") / f"skywright-host-{os.getuid()}" / f"{engine_pid}.sock"
    listener = socket.socket(socket.AF_UNIX)
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        owner = path.parent.lstat()
        if owner.st_uid != os.getuid() or owner.st_mode & 0o077:
            return None, None
        path.unlink(missing_ok=True)
        listener.bind(str(path))
        listener.listen()
    except OSError:
        return None, None
    return listener, path


def receive(channel: socket.socket, descriptors: list[int]) -> Job | None:
    """One job, and what it may write to; None when the other side is gone."""
    header, given, _, _ = socket.recv_fds(channel, 8, 3)
    descriptors += given
    if len(header) < 8:
        return None
    body = bytearray()
    while len(body) < int.from_bytes(header, "big"):
        if not (more := channel.recv(int.from_bytes(header, "big") - len(body))):
            return None
        body += more
    job: Job = json.loads(body)
    return job


class Forked:
    """A child of the nursery: its pid and, at its end, its exit status come through a pipe."""

    def __init__(self, status: int) -> None:
        self._status = os.fdopen(status, "r")
        self.pid = int(self._status.readline() or 0)
        self._ended = False

    def wait(self) -> int:
        code = self._status.readline()
        self._ended = True
        self._status.close()
        return int(code) if code else -signal.SIGKILL

    def kill(self) -> None:
        if self.pid and not self._ended:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
