"""The process that outlives engines: their programs and plugins are forked from it, with what it has learned."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import psutil
import pytest
from pulumi.runtime.proto import language_pb2 as messages
from pulumi.runtime.proto import language_pb2_grpc as services

from infra.engine.launchers import BESIDE
from tests.engine.host_bed import ENVIRONMENT, environment, info, plugin, start

FINISHES = """
import signal, sys, time

def finish(number, frame):
    print("finished", flush=True)
    sys.exit(7)

signal.signal(signal.SIGINT, finish)
print(*sys.argv[1:], sys.prefix, flush=True)
time.sleep(60)
"""


class Kept:
    """A nursery that this test owns, with `modules` of its own to be found by `attach.py -m`."""

    def __init__(self, folder: Path, *modules: str) -> None:
        self.environ = ENVIRONMENT | {"TMPDIR": str(folder), "PYTHONPATH": str(folder / "modules")}
        (folder / "modules").mkdir()
        self.process = subprocess.Popen(
            [sys.executable, BESIDE / "host.py", "keep", *modules],
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.socket = Path(self.process.stdout.readline().strip())

    def attach(self, module: str, *args: str, python: Path = Path(sys.executable)) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [python, "-S", BESIDE / "attach.py", "-m", module, *args],
            env=self.environ | {"SKYWRIGHT_NURSERY": str(self.socket)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        self.process.terminate()
        self.process.communicate(timeout=30)


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    nursery = Kept(tmp_path)
    yield nursery
    nursery.end()


@pytest.fixture
def run(bin_dir: Path, folder: Path, kept: Kept) -> Callable[[str], str]:
    """`run(code)`: what a policy pack with this code prints, under a host of its own."""

    def run(code: str) -> str:
        process = start(bin_dir, folder, SKYWRIGHT_NURSERY=str(kept.socket), TMPDIR=kept.environ["TMPDIR"])
        assert process.stdout is not None
        with grpc.insecure_channel(f"127.0.0.1:{int(process.stdout.readline())}") as channel:
            out, err, status = plugin(services.LanguageRuntimeStub(channel), folder, code)
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=30)
        assert (err, status) == (b"", 0)
        return out.decode().strip()

    return run


def test_what_one_run_imported_the_next_finds_there(run: Callable[[str], str]) -> None:
    code = "import sys\nprint('wave' in sys.modules)\nimport wave\n"
    assert [run(code), run(code)] == ["False", "True"]


@pytest.mark.parametrize("name", ["mine", "wave"])
def test_a_programs_own_modules_are_read_anew(run: Callable[[str], str], folder: Path, name: str) -> None:
    for text in ("first", "and second"):
        (folder / "deep" / "program" / f"{name}.py").write_text(f"text = {text!r}\n")
        assert run(f"import {name}\nprint({name}.text)\n") == text


def test_a_programs_own_package_keeps_none_of_ours_out(run: Callable[[str], str], folder: Path) -> None:
    package = folder / "deep" / "program" / "wave"
    package.mkdir()
    (package / "__init__.py").write_text("")
    for text in ("first", "and second"):
        (package / "part.py").write_text(f"text = {text!r}\n")
        assert run("import wave.part\nprint(wave.part.text)\n") == text


def test_a_package_that_loads_at_its_first_use_is_whole(run: Callable[[str], str], tmp_path: Path) -> None:
    part = tmp_path / "modules" / "slow" / "part"
    part.mkdir(parents=True)
    (part.parent / "__init__.py").write_text("import pulumi._utils\npart = pulumi._utils.lazy_import('slow.part')\n")
    (part / "__init__.py").write_text("from .thing import *\nfrom . import other\n")
    (part / "thing.py").write_text("from . import other\nclass Thing: ...\n")
    (part / "other.py").write_text("")
    assert run("import slow\n") == ""
    assert [run("import slow\nprint(slow.part.Thing.__name__)\n") for _ in range(2)] == ["Thing", "Thing"]


def test_its_children_are_forked_from_it(run: Callable[[str], str], kept: Kept) -> None:
    parents = {run("import os\nprint(os.getppid())\n") for _ in range(2)}
    assert parents == {str(kept.process.pid)}


def test_without_it_the_host_starts_what_it_shall_run(run: Callable[[str], str], kept: Kept) -> None:
    kept.kill()
    assert run("print('there')\n") == "there"


def test_a_host_under_another_interpreter_starts_what_it_shall_run(run: Callable[[str], str], folder: Path) -> None:
    (folder / ".venv").unlink()
    environment(folder / ".venv")
    assert run("import sys\nprint(sys.prefix)\n") == str(folder / ".venv")


def test_a_child_ends_with_the_host_that_asked_for_it(
    bin_dir: Path, folder: Path, kept: Kept, eventually: Callable[..., None]
) -> None:
    process = start(bin_dir, folder, SKYWRIGHT_NURSERY=str(kept.socket))
    assert process.stdout is not None
    with grpc.insecure_channel(f"127.0.0.1:{int(process.stdout.readline())}") as channel:
        (folder / "deep" / "program" / "__main__.py").write_text("import time\ntime.sleep(60)\n")
        request = messages.RunPluginRequest(pwd=str(folder), args=["127.0.0.1:1"], info=info(folder), kind="analyzer")
        call = services.LanguageRuntimeStub(channel).RunPlugin(request, timeout=60)
        eventually(kept.children, "the plugin is there")
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        eventually(lambda: not kept.children(), "the plugin ended")
        call.cancel()


def test_it_ends_with_its_owner_and_leaves_no_socket(tmp_path: Path, eventually: Callable[..., None]) -> None:
    code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, sys.argv[1], 'keep'], stdout=subprocess.PIPE, text=True)\n"
        "print(child.pid, child.stdout.readline(), flush=True)\n"
        "time.sleep(60)\n"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", code, BESIDE / "host.py"],
        env=ENVIRONMENT | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert owner.stdout is not None
    pid, socket = owner.stdout.readline().split()
    assert Path(socket).exists()
    owner.kill()
    owner.communicate()
    eventually(lambda: not psutil.pid_exists(int(pid)), "it ended")
    assert not Path(socket).exists()


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_module_gets_its_arguments_the_engines_interrupt_and_its_exit_status_through(
    kept: Kept, tmp_path: Path, *, is_kept: bool
) -> None:
    (tmp_path / "modules" / "finishes.py").write_text(FINISHES)
    if not is_kept:
        kept.kill()
    process = kept.attach("finishes", "127.0.0.1:1", "--more")
    assert process.stdout is not None
    assert process.stdout.readline() == f"127.0.0.1:1 --more {sys.prefix}\n"
    assert bool(is_kept and kept.children()) == is_kept
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (7, "finished\n", "")


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_module_is_not_looked_for_in_the_folder_where_it_starts(
    kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_kept: bool
) -> None:
    if not is_kept:
        kept.kill()
    (tmp_path / "modules" / "whose.py").write_text("print('ours')\n")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "whose.py").write_text("print('theirs')\n")
    monkeypatch.chdir(tmp_path / "elsewhere")
    out, err = kept.attach("whose").communicate(timeout=30)
    assert (out, err) == ("ours\n", "")


def test_another_interpreters_module_is_refused_and_starts_by_itself(kept: Kept, tmp_path: Path) -> None:
    other = environment(tmp_path / "other")
    (tmp_path / "modules" / "tells.py").write_text("import os, sys\nprint(sys.prefix, os.getppid())\n")
    process = kept.attach("tells", python=other / "bin" / "python")
    out, err = process.communicate(timeout=30)
    assert (out, err) == (f"{other} {os.getpid()}\n", "")


def test_what_its_owner_names_is_there_from_the_start(tmp_path: Path) -> None:
    nursery = Kept(tmp_path, "wave", "no_such_module")
    (tmp_path / "modules" / "tells.py").write_text("import sys\nprint('wave' in sys.modules)\n")
    out, err = nursery.attach("tells").communicate(timeout=30)
    nursery.end()
    assert (out, err) == ("True\n", "")
