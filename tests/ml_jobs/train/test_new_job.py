"""`skywright new job`: what it writes passes its own test, and it writes over nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from catalog.errors import UserError
from infra.cli import new


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def typed(*words):
    app = typer.Typer()
    app.add_typer(new.app, name="new")
    return CliRunner().invoke(app, ["new", "job", *words])


def test_a_new_job_passes_its_own_test(folder):
    done = typed("grape-finder")
    assert done.exit_code == 0, done.exception
    assert done.output.splitlines()[-1].startswith("-> python -m pytest test_grape_finder.py")
    assert sorted(path.name for path in folder.iterdir()) == ["grape_finder.py", "test_grape_finder.py"]
    linter = [sys.executable, "-m", "ruff", "check", "--no-cache", "--select", "E,F,I,B,UP", "--line-length", "120"]
    linted = subprocess.run(linter, capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_grape_finder.py"]
    tested = subprocess.run(command, capture_output=True, text=True, check=False)
    assert tested.returncode == 0 and "1 passed" in tested.stdout, tested.stdout
    sources = (folder / "grape_finder.py").read_text()
    assert not [
        cloud for cloud in ("aws", "gcp", "azure", "kubernetes", "sagemaker", "vertex") if cloud in sources.lower()
    ]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Grapes", "NAME is 'Grapes'; allowed: up to 40 lower case letters"),
        ("g" * 41, "allowed: up to 40 lower case letters"),
        ("../x", "allowed: up to 40 lower case letters"),
        ("class", "anything but a word of Python's own"),
        ("torch", "which is an installed module: torch"),
        ("random", "which is an installed module: random"),
        ("mine", "test_mine.py is there already"),
    ],
)
def test_wrong_names_and_files_that_are_there_are_refused(folder, name, told):
    Path("test_mine.py").write_text("# mine\n")
    failed = typed(name)
    assert isinstance(failed.exception, UserError) and told in str(failed.exception)
    assert [path.name for path in folder.iterdir()] == ["test_mine.py"]
    assert Path("test_mine.py").read_text() == "# mine\n"
