"""Pulumi's language host for Python, for machines where the official one can't be had.

The file is complete in itself (standard library, grpc, pulumi): the installer copies it beside the engine, and it runs
under the interpreter of whatever project the engine works on. Its parts:

    host.py serve [ENGINE]   the gRPC service that the engine starts as `pulumi-language-python`; prints its port
    host.py dynamic ...      the provider of dynamic resources, started as `pulumi-resource-pulumi-python`
    host.py perform          one job (JSON on standard input), for a project with another interpreter than the host's

Programs and plugins run in children forked from a process that has imported pulumi but started no gRPC (forking
behind gRPC's threads deadlocks), which saves each of them the start of an interpreter. All of them end with the engine.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import importlib
import importlib.metadata
import io
import json
import logging
import os
import re
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from types import FrameType, TracebackType
from typing import Any, NoReturn, Protocol

EXIT_SHOWN = 32
"""A program's exit status when the user has already seen why it failed."""

Job = dict[str, Any]
"""What a child shall run: {"cwd", "argv", "environ" | None} and either "module" or "program" (with its settings)."""


class Task(Protocol):
    """A running job."""

    def wait(self) -> int:
        """Its exit status; negative after a signal, also when it died without one."""

    def kill(self) -> None:
        """End it now; nothing happens when it has ended."""


# --- in the child: one job -------------------------------------------------------------------------------------------


def perform(job: Job) -> int:
    """Run a job in this process, to be called once; its exit status."""
    if job.get("environ") is not None:
        os.environ.clear()
        os.environ.update(job["environ"])
    os.chdir(job["cwd"])
    sys.argv = list(job["argv"])
    try:
        return run_program(job["program"]) if "program" in job else run_module(job["module"])
    except SystemExit as stop:
        if stop.code is None or isinstance(stop.code, int):
            return stop.code or 0
        sys.stderr.write(f"{stop.code}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def run_module(name: str) -> int:
    """`python -u -m NAME`: unbuffered, the working folder first in the path."""
    sys.stdout = io.TextIOWrapper(io.FileIO(1, "wb", closefd=False), write_through=True)
    sys.path[0] = str(Path.cwd())
    try:
        runpy.run_module(name, run_name="__main__", alter_sys=True)
    except Exception:
        traceback.print_exc()
        return 1
    return 0


def run_program(program: dict[str, Any]) -> int:
    """A Pulumi program against the engine's monitor. 32 when it failed and the engine was told why."""
    import pulumi
    import pulumi.runtime

    path = str(program["path"])
    sys.path[0] = path if Path(path).is_dir() else str(Path(path).parent)
    pulumi.runtime.set_all_config(program["config"], program["secret_keys"])
    pulumi.runtime.configure(pulumi.runtime.Settings(**program["settings"]))
    # A program that fails leaves futures that nobody awaits: asyncio's complaints about them would bury the reason.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    # As many calls to the engine at once as the official host allows.
    pool = ThreadPoolExecutor(max_workers=4 * min(max(program["settings"]["parallel"], 1), 64))
    loop.set_default_executor(pool)

    def main() -> None:
        runpy.run_path(path, run_name="__main__")

    try:
        loop.run_until_complete(pulumi.runtime.run_in_stack(main))
    except Exception as error:
        pulumi.log.error(explain(error))
        return EXIT_SHOWN
    finally:
        pool.shutdown(wait=True)
        loop.close()
    return 0


def explain(error: BaseException) -> str:
    """What the user reads: one line for a mistake that they can mend, else the traceback from their own code on."""
    import pulumi

    known = any(
        (kind.__module__, kind.__name__) == ("catalog.errors", "SkywrightError") for kind in type(error).__mro__
    )
    if known or isinstance(error, pulumi.RunError):
        return str(error)
    lines = traceback.format_exception(type(error), error, user_frames(error.__traceback__))
    return "Program failed with an unhandled exception:\n" + "".join(lines)


def user_frames(frames: TracebackType | None) -> TracebackType | None:
    """The traceback without the frames above the user's program; all of it when the program is nowhere in it."""
    import pulumi

    ours = (
        __file__,
        runpy.__file__,
        "<frozen runpy>",
        str(Path(pulumi.__file__).parent),
        str(Path(asyncio.__file__).parent),
    )
    frame = frames
    while frame is not None and frame.tb_frame.f_code.co_filename.startswith(ours):
        frame = frame.tb_next
    return frame or frames


def end_with_parent(parent: int) -> None:
    """End this process, whatever it does, soon after `parent` (the process that started it) is gone."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.25)
        os._exit(1)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()


# --- between the service and its children ----------------------------------------------------------------------------


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
            os._exit(self._serve(theirs, host, engine_pid))
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

    @staticmethod
    def _serve(requests: socket.socket, host: int, engine_pid: int) -> int:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        listener, path = listen(engine_pid)

        def end(number: int = 0, frame: FrameType | None = None) -> NoReturn:
            if path is not None:
                path.unlink(missing_ok=True)
            os._exit(0)

        signal.signal(signal.SIGINT, end)
        warm(Path.cwd())
        sources = [requests, listener] if listener is not None else [requests]
        while True:
            ready, _, _ = select.select(sources, [], [])
            descriptors: list[int] = []
            if requests in ready:
                if (job := receive(requests, descriptors)) is None or os.getppid() != host:
                    end()
                Nursery._fork(job, descriptors, sources)
            elif listener is not None:
                guest, _ = listener.accept()
                with guest, contextlib.suppress(OSError, ValueError):
                    guest.settimeout(5)
                    job = receive(guest, descriptors)
                    if job is not None and job["home"] == os.path.realpath(sys.prefix):
                        guest.setblocking(True)
                        Nursery._fork(job, [*descriptors, os.dup(guest.fileno())], [*sources, guest])
                        descriptors = []
                for descriptor in descriptors:  # a refused guest's: it waits for us to let go of its output
                    os.close(descriptor)

    @staticmethod
    def _fork(job: Job, descriptors: list[int], sources: list[socket.socket]) -> None:
        if os.fork() == 0:
            for source in sources:
                source.close()
            os._exit(Nursery._child(job, *descriptors))
        for descriptor in descriptors:
            os.close(descriptor)

    @staticmethod
    def _child(job: Job, stdout: int, stderr: int, status: int) -> int:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler if "module" in job else signal.SIG_DFL)
        if "home" in job:
            # It belongs to the process that asked, not to the host, which the engine may end before.
            os.setsid()
            threading.Thread(target=lambda: (os.read(status, 1), os._exit(1)), daemon=True).start()
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
        os.write(status, f"{code}\n".encode())
        return code


def warm(folder: Path) -> None:
    """Import the module that the project's runtime option `preload` names, so that children need not.

    Preview, update and providers are forked later and find it there. What goes wrong here goes wrong in the program
    too, which tells of it. The official host knows no such option and passes over it.
    """
    for root in (folder, *folder.parents):
        with contextlib.suppress(OSError):
            named = re.search(r"^ +preload: *([\w.]+) *$", (root / "Pulumi.yaml").read_text(), re.MULTILINE)
            if named is not None:
                with contextlib.suppress(Exception), contextlib.redirect_stderr(io.StringIO()):
                    importlib.import_module(named[1])
            return


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


def start_under(python: Path, job: Job, stdout: int, stderr: int) -> Task:
    """Start a job under another interpreter."""
    child = subprocess.Popen(
        [str(python), "-u", __file__, "perform"], stdin=subprocess.PIPE, stdout=stdout, stderr=stderr
    )
    assert child.stdin is not None
    with child.stdin as pipe:
        pipe.write(json.dumps(job).encode())
    return child


def project_python(root: str, options: dict[str, Any]) -> Path | None:
    """The interpreter that a project's `virtualenv` option names (from its root upwards); None: the host's own."""
    if not (named := options.get("virtualenv")):
        return None
    for folder in (Path(root), *Path(root).parents):
        home = folder / str(named)
        if (home / "bin" / "python").exists():
            return None if home.resolve() == Path(sys.prefix).resolve() else home / "bin" / "python"
    return None


def read_lines(descriptor: int, kind: str, lines: Queue[tuple[str, bytes] | None]) -> None:
    """Pass on what comes, as it comes; None at the end."""
    while chunk := os.read(descriptor, 65536):
        lines.put((kind, chunk))
    os.close(descriptor)
    lines.put(None)


# --- the service -----------------------------------------------------------------------------------------------------


def serve(engine: str) -> NoReturn:
    """Answer the engine until it is gone or interrupts."""
    import pulumi  # noqa: F401  (before the fork: every child has it then)

    parent = os.getppid()
    nursery = Nursery(parent)
    end_with_parent(parent)

    import grpc  # type: ignore[import-untyped]
    from google.protobuf import empty_pb2, json_format  # type: ignore[import-untyped]
    from pulumi.runtime.proto import language_pb2 as messages
    from pulumi.runtime.proto import language_pb2_grpc as services
    from pulumi.runtime.proto import plugin_pb2

    class Host(services.LanguageRuntimeServicer):
        def __init__(self) -> None:
            self.engine = engine
            self.tasks: set[Task] = set()

        def Handshake(self, request: Any, context: Any) -> Any:
            self.engine = request.engine_address or self.engine
            return messages.LanguageHandshakeResponse()

        def GetPluginInfo(self, request: Any, context: Any) -> Any:
            return plugin_pb2.PluginInfo(version=importlib.metadata.version("pulumi"))

        def GetRequiredPackages(self, request: Any, context: Any) -> Any:
            return messages.GetRequiredPackagesResponse()

        def Run(self, request: Any, context: Any) -> Any:
            program = {
                "path": os.path.normpath(
                    Path(request.info.program_directory or request.pwd) / request.info.entry_point
                ),
                "config": dict(request.config),
                "secret_keys": list(request.configSecretKeys),
                "settings": {
                    "monitor": request.monitor_address,
                    "engine": self.engine,
                    "project": request.project,
                    "stack": request.stack,
                    "organization": request.organization,
                    "root_directory": request.info.root_directory,
                    "parallel": request.parallel,
                    "dry_run": request.dryRun,
                },
            }
            argv = [program["path"], *request.args]
            task = self.start({"cwd": request.pwd, "argv": argv, "program": program}, request.info, 1, 2)
            context.add_callback(task.kill)
            code = task.wait()
            self.tasks.discard(task)
            if code in (0, EXIT_SHOWN):
                return messages.RunResponse(bail=code == EXIT_SHOWN)
            how = f"was ended by signal {-code}" if code < 0 else f"exited with status {code}"
            return messages.RunResponse(error=f"the program {how} and gave no reason")

        def RunPlugin(self, request: Any, context: Any) -> Iterator[Any]:
            directory = request.info.program_directory
            is_analyzer = request.kind == "analyzer"
            job: Job = {
                "module": "pulumi.policy" if is_analyzer else "pulumi.run.plugin",
                "cwd": directory if is_analyzer else request.pwd,
                "argv": [request.kind, *request.args, directory],
                "environ": dict(entry.split("=", 1) for entry in request.env if "=" in entry) or None,
            }
            lines: Queue[tuple[str, bytes] | None] = Queue()
            (out, child_out), (err, child_err) = os.pipe(), os.pipe()
            task = self.start(job, request.info, child_out, child_err)
            os.close(child_out)
            os.close(child_err)
            context.add_callback(task.kill)
            for descriptor, kind in ((out, "stdout"), (err, "stderr")):
                threading.Thread(target=read_lines, args=(descriptor, kind, lines), daemon=True).start()
            for _ in range(2):
                while (line := lines.get()) is not None:
                    is_stdout, chunk = line[0] == "stdout", line[1]
                    yield (
                        messages.RunPluginResponse(stdout=chunk)
                        if is_stdout
                        else messages.RunPluginResponse(stderr=chunk)
                    )
            yield messages.RunPluginResponse(exitcode=task.wait())
            self.tasks.discard(task)

        def start(self, job: Job, info: Any, stdout: int, stderr: int) -> Task:
            python = project_python(info.root_directory, json_format.MessageToDict(info.options))
            task = start_under(python, job, stdout, stderr) if python else nursery.start(job, stdout, stderr)
            self.tasks.add(task)
            return task

        def About(self, request: Any, context: Any) -> Any:
            return messages.AboutResponse(executable=sys.executable, version=sys.version.split()[0])

        def GetProgramDependencies(self, request: Any, context: Any) -> Any:
            found = {d.name.lower(): d.version for d in importlib.metadata.distributions()}
            if not request.transitiveDependencies:
                for d in importlib.metadata.distributions():
                    for need in d.requires or []:
                        found.pop(
                            "".join(c if c.isalnum() or c in "._-" else " " for c in need).split()[0].lower(), None
                        )
            infos = [messages.DependencyInfo(name=name, version=version) for name, version in sorted(found.items())]
            return messages.GetProgramDependenciesResponse(dependencies=infos)

        def InstallDependencies(self, request: Any, context: Any) -> Iterator[Any]:
            directory = Path(request.info.program_directory or request.directory)
            folders = (directory, Path(request.info.root_directory or directory))
            wanted = next((f / "requirements.txt" for f in folders if (f / "requirements.txt").exists()), None)
            if wanted is None:
                yield messages.InstallDependenciesResponse(stdout=b"no requirements.txt: nothing to install\n")
                return
            uv = shutil.which("uv")
            pip = [uv, "pip", "install", "--python", sys.executable] if uv else [sys.executable, "-m", "pip", "install"]
            done = subprocess.run([*pip, "-r", str(wanted)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            yield messages.InstallDependenciesResponse(stdout=done.stdout)
            if done.returncode:
                context.abort(grpc.StatusCode.INTERNAL, f"installing {wanted} failed with status {done.returncode}")

        def Cancel(self, request: Any, context: Any) -> Any:
            for task in list(self.tasks):
                task.kill()
            return empty_pb2.Empty()

    server = grpc.server(
        ThreadPoolExecutor(max_workers=16),
        options=[("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)],
    )
    services.add_LanguageRuntimeServicer_to_server(Host(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    while True:
        signal.pause()


def quiet(number: int, frame: FrameType | None) -> None:
    """The engine interrupts its plugins when it is done with them: no news, nothing to clean up."""
    os._exit(0)


def main(argv: list[str]) -> None:
    command, *rest = argv or ["serve"]
    if command == "serve":
        signal.signal(signal.SIGINT, quiet)
        serve(rest[-1] if rest else "")
    end_with_parent(os.getppid())
    if command == "dynamic":
        argv = ["pulumi-resource-pulumi-python", *rest]
        sys.exit(perform({"cwd": str(Path.cwd()), "argv": argv, "module": "pulumi.dynamic"}))
    if command == "perform":
        sys.exit(perform(json.loads(sys.stdin.buffer.read())))
    sys.exit(f"host.py: {command!r} is none of serve, dynamic, perform")


if __name__ == "__main__":
    main(sys.argv[1:])
