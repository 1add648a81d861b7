"""The language host by a real gRPC client, without the engine, and its launchers under a bare environment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import psutil
import pulumi
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import language_pb2 as messages
from pulumi.runtime.proto import language_pb2_grpc as services
from pulumi.runtime.proto import provider_pb2_grpc as provider_services

from tests.engine.host_bed import ENVIRONMENT, environment, info, plugin, start


@pytest.fixture
def host(bin_dir: Path, folder: Path) -> Iterator[Any]:
    process = start(bin_dir, folder / "deep" / "program")
    assert process.stdout is not None
    with grpc.insecure_channel(f"127.0.0.1:{int(process.stdout.readline())}") as channel:
        yield services.LanguageRuntimeStub(channel)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def test_it_introduces_itself_and_takes_its_interpreter_from_the_project(host: Any, folder: Path) -> None:
    host.Handshake(messages.LanguageHandshakeRequest(engine_address="127.0.0.1:1"), timeout=20)
    assert host.GetPluginInfo(empty_pb2.Empty(), timeout=20).version == pulumi_version()
    packages = host.GetRequiredPackages(messages.GetRequiredPackagesRequest(info=info(folder)), timeout=20)
    assert list(packages.packages) == []
    about = host.About(messages.AboutRequest(info=info(folder)), timeout=20)
    assert Path(about.executable).is_relative_to(folder / ".venv")
    assert about.version == sys.version.split()[0]


def test_it_lists_what_is_installed(host: Any, folder: Path) -> None:
    def names(transitive: bool) -> dict[str, str]:
        request = messages.GetProgramDependenciesRequest(info=info(folder), transitiveDependencies=transitive)
        return {d.name: d.version for d in host.GetProgramDependencies(request, timeout=30).dependencies}

    everything = names(transitive=True)
    assert everything["pulumi"] == pulumi_version()
    direct = names(transitive=False)
    assert direct.items() < everything.items()
    assert "grpcio" in everything
    assert "grpcio" not in direct, "grpcio came with pulumi"


def test_nothing_to_install_is_said(host: Any, folder: Path) -> None:
    answers = host.InstallDependencies(messages.InstallDependenciesRequest(info=info(folder)), timeout=20)
    assert b"nothing to install" in b"".join(answer.stdout for answer in answers)


def test_a_plugin_has_its_own_environment_folder_output_and_exit_status(host: Any, folder: Path) -> None:
    code = (
        "import json, os, sys\n"
        "print(json.dumps({'cwd': os.getcwd(), 'mark': os.environ.get('MARK'), 'argv': sys.argv}))\n"
        "print('to stderr', file=sys.stderr)\n"
        "sys.exit(3)\n"
    )
    out, err, status = plugin(host, folder, code, MARK="set")
    told = json.loads(out)
    program = str(folder / "deep" / "program")
    assert told["cwd"] == program
    assert told["mark"] == "set"
    assert told["argv"][1:] == ["127.0.0.1:1", program]
    assert err == b"to stderr\n"
    assert status == 3


def test_a_plugin_finds_its_own_modules_and_never_the_hosts(host: Any, bin_dir: Path, folder: Path) -> None:
    for name in ("host", "attach"):
        (folder / "deep" / "program" / f"{name}.py").write_text("whose = 'mine'\n")
    code = "import json, sys, attach, host\nprint(json.dumps([sys.path, attach.whose, host.whose]))\n"
    out, err, status = plugin(host, folder, code)
    assert (err, status) == (b"", 0)
    path, *whose = json.loads(out)
    assert whose == ["mine", "mine"]
    assert str(bin_dir) not in path


def test_a_plugin_that_dies_ends_its_stream_with_a_failure(host: Any, folder: Path) -> None:
    _, _, status = plugin(host, folder, "import os\nos.kill(os.getpid(), 9)\n")
    assert status == -9
    out, _, status = plugin(host, folder, "print('still there')\n")
    assert (out, status) == (b"still there\n", 0)


def test_cancel_ends_what_runs(host: Any, folder: Path, eventually: Any) -> None:
    code = "import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(600)\n"
    (folder / "deep" / "program" / "__main__.py").write_text(code)
    request = messages.RunPluginRequest(pwd=str(folder), args=["127.0.0.1:1"], info=info(folder), kind="analyzer")
    stream = host.RunPlugin(request, timeout=60)
    pid = int(next(stream).stdout)
    host.Cancel(empty_pb2.Empty(), timeout=20)
    assert list(stream)[-1].exitcode == -9
    eventually(lambda: not psutil.pid_exists(pid), "the plugin is gone")


def test_a_program_without_an_engine_fails_with_a_reason(host: Any, folder: Path) -> None:
    (folder / "deep" / "program" / "__main__.py").write_text("import sys\nsys.exit(5)\n")
    request = messages.RunRequest(
        project="p",
        stack="s",
        pwd=str(folder),
        monitor_address="127.0.0.1:1",
        parallel=1,
        dryRun=True,
        info=info(folder),
    )
    answer = host.Run(request, timeout=60)
    assert answer.error or answer.bail


def test_an_interrupt_ends_it_quietly_with_all_its_children(bin_dir: Path, folder: Path, eventually: Any) -> None:
    process = start(bin_dir, folder)
    assert process.stdout is not None
    process.stdout.readline()
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "", "")
    eventually(lambda: not any(child.is_running() for child in children), "no child is left")


@pytest.mark.parametrize("launcher", ["pulumi-language-python", "pulumi-resource-pulumi-python"])
def test_it_ends_with_the_process_that_started_it(bin_dir: Path, folder: Path, eventually: Any, launcher: str) -> None:
    parent_code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.argv[1], '127.0.0.1:1'], stdout=subprocess.PIPE, start_new_session=True)\n"
        "child.stdout.readline()\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", parent_code, bin_dir / launcher], cwd=folder, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    plugin_process = psutil.Process(int(parent.stdout.readline()))
    family = [plugin_process, *plugin_process.children(recursive=True)]
    parent.kill()
    parent.wait()
    eventually(lambda: not any(member.is_running() for member in family), "the plugin ended with its parent")


def provider(bin_dir: Path, cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [bin_dir / "pulumi-resource-pulumi-python", "127.0.0.1:1"],
        cwd=cwd,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def answers(process: subprocess.Popen[str]) -> None:
    """The provider of dynamic resources serves on the port that it printed."""
    assert process.stdout is not None
    with grpc.insecure_channel(f"127.0.0.1:{int(process.stdout.readline())}") as channel:
        assert provider_services.ResourceProviderStub(channel).GetPluginInfo(empty_pb2.Empty(), timeout=20).version


def test_the_provider_of_dynamic_resources_is_forked_by_the_host_of_the_same_engine(
    bin_dir: Path, folder: Path, eventually: Any
) -> None:
    host = start(bin_dir, folder)
    assert host.stdout is not None
    host.stdout.readline()
    (nursery,) = psutil.Process(host.pid).children()
    process = provider(bin_dir, folder)
    answers(process)
    (child,) = nursery.children()

    os.killpg(host.pid, signal.SIGINT)
    host.communicate(timeout=30)
    assert child.is_running(), "it belongs to the provider's process, not to the host"
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "", "")
    eventually(lambda: not child.is_running(), "the provider ended with the process that the engine started")


def test_without_a_host_or_under_another_interpreter_the_provider_starts_by_itself(
    bin_dir: Path, folder: Path, tmp_path: Path
) -> None:
    process = provider(bin_dir, folder)
    answers(process)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=30)

    other = tmp_path / "other"
    environment(other / ".venv")
    host = start(bin_dir, folder)
    assert host.stdout is not None
    host.stdout.readline()
    (nursery,) = psutil.Process(host.pid).children()
    process = provider(bin_dir, other)
    answers(process)
    assert nursery.children() == []
    for each in (process, host):
        os.killpg(each.pid, signal.SIGINT)
        each.communicate(timeout=30)


@pytest.mark.parametrize("given", ["relative", "absolute", "Pulumi.yaml"])
def test_the_launcher_finds_the_environment_that_the_project_names(bin_dir: Path, tmp_path: Path, given: str) -> None:
    folder = tmp_path / "elsewhere"
    (folder / "program").mkdir(parents=True)
    (folder / "env").symlink_to(sys.prefix)
    variables = {}
    if given == "Pulumi.yaml":
        (folder / "Pulumi.yaml").write_text('runtime:\n  options:\n    virtualenv: "env" # ours\n')
    else:
        variables["PULUMI_RUNTIME_VIRTUALENV"] = "env" if given == "relative" else str(folder / "env")
    process = start(bin_dir, folder / "program", **variables)
    assert process.stdout is not None
    with grpc.insecure_channel(f"127.0.0.1:{int(process.stdout.readline())}") as channel:
        about = services.LanguageRuntimeStub(channel).About(messages.AboutRequest(), timeout=20)
    assert Path(about.executable).is_relative_to(folder / "env")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def test_it_finds_its_own_modules_when_scripts_do_not_look_beside_themselves(bin_dir: Path, folder: Path) -> None:
    process = start(bin_dir, folder, PYTHONSAFEPATH="1")
    assert process.stdout is not None
    with grpc.insecure_channel(f"127.0.0.1:{int(process.stdout.readline())}") as channel:
        out, err, status = plugin(services.LanguageRuntimeStub(channel), folder, "print('there')\n")
    assert (out, err, status) == (b"there\n", b"", 0)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def test_the_launcher_says_where_it_looked(bin_dir: Path, tmp_path: Path) -> None:
    out, err = start(bin_dir, tmp_path).communicate(timeout=30)
    assert out == ""
    assert err == f"no Python environment for {tmp_path}: no .venv there or above; run 'make install' in the project\n"


def pulumi_version() -> str:
    from importlib.metadata import version

    assert pulumi.__file__
    return version("pulumi")
