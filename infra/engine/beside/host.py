"""Pulumi's language host for Python, for machines where the official one can't be had.

It needs the standard library, grpc, pulumi and the modules beside it: the installer copies them all beside the engine,
and it runs under the interpreter of whatever project the engine works on. Its parts:

    host.py serve [ENGINE]   the gRPC service that the engine starts as `pulumi-language-python`; prints its port
    host.py dynamic ...      the provider of dynamic resources, started as `pulumi-resource-pulumi-python`
    host.py perform          one job (JSON on standard input), for a project with another interpreter than the host's
    host.py keep MODULE ...  a nursery (see there) for all engines whose environment names its socket, which it prints

Programs and plugins run in children forked from a process that has imported pulumi but started no gRPC (forking
behind gRPC's threads deadlocks), which saves each of them the start of an interpreter. All of them end with the engine.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from infra.engine.beside.skywright_child import EXIT_SHOWN, Job, end_with_parent, perform
    from infra.engine.beside.skywright_nursery import KeptNursery, Nursery, Task, keep
else:
    # A script's folder comes first in the path, unless PYTHONSAFEPATH is set. No program shall find what lies there.
    if sys.flags.safe_path:
        sys.path.insert(0, str(Path(__file__).parent))
    from skywright_child import EXIT_SHOWN, Job, end_with_parent, perform
    from skywright_nursery import KeptNursery, Nursery, Task, keep

    del sys.path[0]


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


def serve(engine: str) -> NoReturn:
    """Answer the engine until it is gone or interrupts."""
    import pulumi  # noqa: F401  (before the fork: every child has it then)

    parent = os.getppid()
    kept = os.environ.get("SKYWRIGHT_NURSERY")
    nursery = KeptNursery(kept) if kept else Nursery(parent)
    end_with_parent(parent)

    import grpc
    from google.protobuf import empty_pb2, json_format
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
            try:
                task = None if python else nursery.start(job, stdout, stderr)
            except OSError:  # a kept nursery is gone
                task = None
            task = task or start_under(python or Path(sys.executable), job, stdout, stderr)
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
        server.wait_for_termination(0.5)  # returns often: a signal that came just before a longer wait would be late


def quiet(number: int, frame: FrameType | None) -> None:
    """The engine interrupts its plugins when it is done with them: no news, nothing to clean up."""
    os._exit(0)


def main(argv: list[str]) -> None:
    command, *rest = argv or ["serve"]
    if command == "serve":
        signal.signal(signal.SIGINT, quiet)
        serve(rest[-1] if rest else "")
    if command == "keep":
        keep(["pulumi", *rest])
    end_with_parent(os.getppid())
    if command == "dynamic":
        argv = ["pulumi-resource-pulumi-python", *rest]
        sys.exit(perform({"cwd": str(Path.cwd()), "argv": argv, "module": "pulumi.dynamic"}))
    if command == "perform":
        sys.exit(perform(json.loads(sys.stdin.buffer.read())))
    sys.exit(f"host.py: {command!r} is none of serve, dynamic, perform, keep")


if __name__ == "__main__":
    main(sys.argv[1:])
