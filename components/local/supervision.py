"""Running supervisord: one per stack, its programs in a folder, its socket open to the owner alone."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
import tempfile
import threading
import time
import xmlrpc.client
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from catalog.errors import SkywrightError

_thread_lock = threading.Lock()

DAEMON = """\
[supervisord]
logfile={root}/supervisor/supervisord.log
logfile_maxbytes=5MB
logfile_backups=1
pidfile={root}/supervisor/supervisord.pid
childlogdir={root}/logs
directory={root}
umask=077
identifier=skywright
[unix_http_server]
file={socket}
chmod=0600
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[include]
files={root}/supervisor/conf.d/*.conf
"""

PROGRAM = """\
[program:{name}]
command={python} -m {module} {config}
directory={root}
autorestart=true
startsecs=1
startretries=3
stopsignal=TERM
stopwaitsecs={stop_s}
killasgroup=true
redirect_stderr=true
stdout_logfile={root}/logs/{name}.log
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=1
environment=PYTHONUNBUFFERED="1",OMP_NUM_THREADS="1",MLFLOW_DISABLE_TELEMETRY="true",DO_NOT_TRACK="true"
"""


def socket_path(root: Path) -> Path:
    """A short path: the kernel takes at most 108 characters, and projects lie deep."""
    digest = hashlib.sha256(str(root).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"skywright-{os.getuid()}" / f"{digest}.sock"


def rpc(root: Path) -> Any:
    """supervisord's XML-RPC interface. Connects at the first call."""
    from supervisor.xmlrpc import SupervisorTransport

    transport = SupervisorTransport(None, None, f"unix://{socket_path(root)}")
    return xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport).supervisor


def is_running(root: Path) -> bool:
    try:
        return bool(rpc(root).getState()["statename"] == "RUNNING")
    except (OSError, xmlrpc.client.Error):
        return False


@contextmanager
def exclusively(root: Path) -> Iterator[None]:
    """One change of the supervisor's programs at a time, over threads and processes."""
    folder = root / "supervisor"
    folder.mkdir(parents=True, exist_ok=True)
    with _thread_lock, open(folder / ".lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def start(root: Path) -> None:
    """Start the stack's supervisord unless it runs; what it kept before it died is started with it."""
    with exclusively(root):
        if is_running(root):
            return
        socket = socket_path(root)
        for folder in (root / "supervisor" / "conf.d", root / "logs", root / "run", root / "services", root / "state"):
            folder.mkdir(parents=True, exist_ok=True)
        socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if socket.parent.stat().st_uid != os.getuid():
            raise SkywrightError(f"{socket.parent} belongs to somebody else", "Set TMPDIR to a folder of your own.")
        config = root / "supervisor" / "supervisord.conf"
        config.write_text(DAEMON.format(root=root, socket=socket))
        keep = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "USER", "LOGNAME", "LD_LIBRARY_PATH")
        started = subprocess.run(
            [sys.executable, "-m", "supervisor.supervisord", "-c", str(config)],
            env={key: os.environ[key] for key in keep if key in os.environ},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, start_new_session=True, check=False,
        )  # fmt: skip
        if started.returncode:
            detail = (started.stderr or started.stdout).strip().splitlines()[-1:] or ["no message"]
            raise SkywrightError(f"supervisord does not start: {detail[0]}", f"See {root}/supervisor/supervisord.log.")
        _wait(lambda: is_running(root), 15, f"supervisord answers on {socket}", root)


def stop(root: Path) -> None:
    """End supervisord and all that it runs; nothing of it is left when this returns."""
    with exclusively(root):
        pid = pid_of(root)
        with suppress(OSError, xmlrpc.client.Error):
            rpc(root).shutdown()
        if pid:
            _wait(lambda: not _alive(pid), 60, "supervisord ends", root)
        socket_path(root).unlink(missing_ok=True)


def pid_of(root: Path) -> int | None:
    try:
        return int(rpc(root).getPID())
    except (OSError, xmlrpc.client.Error):
        return None


def run_program(root: Path, name: str, module: str, config: Path, *, stop_s: int) -> None:
    """Have supervisord run this program anew with its present config."""
    text = PROGRAM.format(name=name, python=sys.executable, module=module, config=config, root=root, stop_s=stop_s)
    with exclusively(root):
        (root / "supervisor" / "conf.d" / f"{name}.conf").write_text(text)
        (root / "run" / f"{name}.starts").write_text("")  # starts that nobody asked for are counted from here
        server = rpc(root)
        _remove(server, name)
        server.reloadConfig()
        with _fault_is_fine("ALREADY_ADDED"):
            server.addProcessGroup(name)
        with _fault_is_fine("ALREADY_STARTED"):
            server.startProcess(name, False)


def halt(root: Path, name: str) -> None:
    """Stop the program and keep it declared."""
    with exclusively(root), _fault_is_fine("NOT_RUNNING", "BAD_NAME"):
        rpc(root).stopProcess(name, True)


def remove_program(root: Path, name: str) -> None:
    """Stop the program, gracefully, and forget it. Fine when it is gone already, or supervisord is."""
    with exclusively(root):
        with suppress(OSError):
            server = rpc(root)
            _remove(server, name)
            server.reloadConfig()
        for leftover in ("supervisor/conf.d/{}.conf", "run/{}.starts", "services/{}.json"):
            (root / leftover.format(name)).unlink(missing_ok=True)
        with suppress(OSError):
            rpc(root).reloadConfig()


def state_of(root: Path, name: str) -> str:
    """supervisord's word for the program: RUNNING, STARTING, BACKOFF, STOPPED, EXITED, FATAL; ABSENT when unknown."""
    try:
        return str(rpc(root).getProcessInfo(name)["statename"])
    except (OSError, xmlrpc.client.Error):
        return "ABSENT"


def unplanned_restarts(root: Path, name: str) -> int:
    """How often supervisord had to start the program again since it was last declared."""
    try:
        return max(0, len((root / "run" / f"{name}.starts").read_text().splitlines()) - 1)
    except OSError:
        return 0


def last_words(root: Path, name: str) -> str:
    """The last line that the program logged."""
    try:
        lines = (root / "logs" / f"{name}.log").read_text(errors="replace").strip().splitlines()
    except OSError:
        lines = []
    return lines[-1] if lines else "it logged nothing"


def _remove(server: Any, name: str) -> None:
    with _fault_is_fine("NOT_RUNNING", "BAD_NAME"):
        server.stopProcess(name, True)
    with _fault_is_fine("BAD_NAME", "STILL_RUNNING"):
        server.removeProcessGroup(name)


@contextmanager
def _fault_is_fine(*names: str) -> Iterator[None]:
    from supervisor.xmlrpc import Faults

    try:
        yield
    except xmlrpc.client.Fault as fault:
        if fault.faultCode not in [getattr(Faults, name) for name in names]:
            raise SkywrightError(f"supervisord refuses: {fault.faultString}") from None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _wait(holds: Callable[[], bool], seconds: float, what: str, root: Path) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise SkywrightError(f"waited {seconds:g} s until {what}", f"See {root}/supervisor/supervisord.log.")
        time.sleep(0.05)
