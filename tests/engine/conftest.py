"""A scratch Pulumi project on a file backend, and the engine to run it, which `make` installs before the tests."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infra.engine import environment, launchers
from infra.engine.find import Found, find
from infra.engine.run import Engine

REPOSITORY = Path(__file__).resolve().parents[2]

BARE_PATH = "/usr/local/bin:/usr/bin:/bin"
"""What a login shell has: no activated environment."""

POLICY = """
from pulumi_policy import EnforcementLevel, PolicyPack, ResourceValidationPolicy


def check(args, report):
    if args.props.get("is_forbidden"):
        report("is_forbidden is set")


PolicyPack(
    "scratch",
    policies=[
        ResourceValidationPolicy(
            name="nothing-forbidden", description="None is forbidden.", enforcement_level=EnforcementLevel.MANDATORY,
            validate=check,
        )
    ],
)
"""

FILES = """
import os
import time

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, ResourceProvider


class Files(ResourceProvider):
    def create(self, props):
        while os.path.exists(props["path"] + ".wait"):
            open(props["path"] + ".reached", "w").close()
            time.sleep(0.05)
        with open(props["path"], "w") as file:
            file.write(props["text"])
        return CreateResult(props["path"], {**props})

    def read(self, id, props):
        if not os.path.exists(id):
            return ReadResult(None, {})
        return ReadResult(id, {**props, "text": open(id).read()})

    def diff(self, id, olds, news):
        return DiffResult(changes=olds.get("text") != news["text"])

    def update(self, id, olds, news):
        with open(id, "w") as file:
            file.write(news["text"])
        return pulumi.dynamic.UpdateResult({**news})

    def delete(self, id, props):
        if os.path.exists(id):
            os.remove(id)


class File(Resource):
    path: pulumi.Output[str]

    def __init__(self, name, path, text, is_forbidden=False):
        super().__init__(Files(), name, {"path": path, "text": text, "is_forbidden": is_forbidden})
"""


@dataclass
class Project:
    """A project of its own in a temporary folder, with a `.venv` that is this test run's."""

    folder: Path
    found: Found
    home: Path

    def program(self, code: str) -> None:
        (self.folder / "program" / "__main__.py").write_text(textwrap.dedent(code))

    def policies(self, code: str = POLICY) -> None:
        pack = self.folder / "policies"
        pack.mkdir(exist_ok=True)
        (pack / "PulumiPolicy.yaml").write_text(
            "description: of a test\nruntime:\n  name: python\n  options:\n    virtualenv: ../.venv\n"
        )
        (pack / "__main__.py").write_text(code)

    def engine(self, stack: str = "test", **options: Any) -> Engine:
        return Engine(self.folder, stack, environ={"PULUMI_HOME": str(self.home)}, **options)

    def environ(self, stack: str = "test") -> dict[str, str]:
        """That of a shell which has evaluated `skywright engine where --shell`, with no environment activated."""
        bare = {"PATH": BARE_PATH, "HOME": str(self.home.parent), "PULUMI_HOME": str(self.home)}
        backend = environment.backend_of(self.folder, stack, environ=bare)
        environment.prepare(backend)
        return bare | environment.variables(backend, self.found, environ=bare)

    def pulumi(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """`pulumi` typed by hand."""
        return subprocess.run(
            ["pulumi", *words, "--non-interactive", "--color", "never"],
            executable=self.found.cli,
            cwd=self.folder,
            env=self.environ() | variables,
            capture_output=True,
            text=True,
            timeout=120,
        )


@pytest.fixture(autouse=True)
def no_settings_of_the_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("PULUMI_") or name in ("SKYWRIGHT_STACK", "SKYWRIGHT_CONTRACT"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def found() -> Found:
    """The engine of this machine; without one this fails with the command that installs it."""
    return find()


@pytest.fixture
def project(tmp_path: Path, found: Found) -> Project:
    """A scratch project, its state on a file backend below it."""
    folder = tmp_path / "project"
    (folder / "program").mkdir(parents=True)
    (folder / "components").mkdir()
    (folder / "Pulumi.yaml").write_text(
        "name: scratch\nmain: program\n"
        "runtime:\n  name: python\n  options:\n    toolchain: pip\n    virtualenv: .venv\n"
    )
    (folder / ".venv").symlink_to(sys.prefix)
    home = tmp_path / "home" / ".pulumi"
    home.mkdir(parents=True)
    return Project(folder, found, home)


@pytest.fixture
def bin_dir(tmp_path: Path) -> Path:
    """The launchers as the installer puts them, beside a CLI that does nothing."""
    cli = tmp_path / "cli"
    cli.write_text("#!/bin/sh\n")
    launchers.put(tmp_path / "bin", cli)
    return tmp_path / "bin"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project whose environment lies in its `.venv`; its program folder is two levels down."""
    folder = tmp_path / "project"
    (folder / "deep" / "program").mkdir(parents=True)
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


@pytest.fixture
def eventually() -> Callable[..., None]:
    """`eventually(condition, what)`: poll until it holds; fail after the deadline."""

    def wait(condition: Callable[[], object], what: str, *, deadline_s: float = 60) -> None:
        end = time.monotonic() + deadline_s
        while not condition():
            assert time.monotonic() < end, f"not within {deadline_s:g} s: {what}"
            time.sleep(0.02)

    return wait
