"""The real engine, run by infra.engine.run and by hand, on a scratch project."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from catalog.errors import SkywrightError
from infra.engine import launchers
from infra.engine.run import EngineFailed

from .conftest import FILES, Project


def files(*names: str, text: str = "one", forbidden: str = "") -> str:
    lines = [f"File({n!r}, {n!r}, {text!r}, is_forbidden={n == forbidden})" for n in names]
    code = FILES + "import pathlib\nhere = pathlib.Path(pulumi.get_root_directory())\n"
    for name, line in zip(names, lines, strict=True):
        code += (
            f"pulumi.export({name!r}, {line.replace(f'{name!r}, {name!r}', f'{name!r}, str(here / {name!r})')}.path)\n"
        )
    return code


def test_the_whole_life_of_a_stack(project: Project) -> None:
    project.program(files("a"))
    engine = project.engine()
    assert engine.outputs() == {}

    assert engine.up().changes == {"create": 2}
    assert (project.folder / "a").read_text() == "one"
    assert engine.outputs() == {"a": str(project.folder / "a")}
    assert engine.up().is_unchanged

    (project.folder / "a").unlink()
    assert engine.refresh().changes.get("delete") == 1
    assert engine.up().changes.get("create") == 1
    assert (project.folder / "a").exists()

    project.program(files("a", text="two"))
    assert engine.preview().changes.get("update") == 1
    assert (project.folder / "a").read_text() == "one"
    engine.up()
    assert (project.folder / "a").read_text() == "two"

    engine.destroy()
    assert not (project.folder / "a").exists()
    assert engine.export()["deployment"].get("resources", []) == []
    engine.remove()
    assert not engine.exists()


def test_pulumi_typed_by_hand_works_on_the_same_stack_without_an_activated_environment(project: Project) -> None:
    project.program(files("a"))
    project.engine().up()

    previewed = project.pulumi("preview", "--stack", "test", "--json")
    assert previewed.returncode == 0, previewed.stdout + previewed.stderr
    assert json.loads(previewed.stdout)["changeSummary"] == {"same": 2}
    (project.folder / "a").unlink()
    for words in (["refresh", "--yes"], ["up", "--yes"]):
        done = project.pulumi(*words, "--stack", "test")
        assert done.returncode == 0, done.stdout + done.stderr
    assert (project.folder / "a").exists()
    done = project.pulumi("destroy", "--yes", "--stack", "test")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (project.folder / "a").exists()


def test_the_shell_lines_lead_a_shell_to_the_same_stack_and_to_the_policies(project: Project) -> None:
    project.program(files("a", forbidden="a"))
    project.policies()
    project.engine().ensure_stack()
    script = f"""
        eval "$({sys.executable} -m infra.cli engine where --shell --stack test)"
        pulumi up --yes --stack test --non-interactive
    """
    done = subprocess.run(
        ["sh", "-c", script],
        cwd=project.folder,
        env={**os.environ, "PULUMI_HOME": str(project.home)},
        capture_output=True,
        text=True,
    )
    assert "nothing-forbidden" in done.stdout, done.stdout + done.stderr
    assert done.returncode != 0
    assert not (project.folder / "a").exists()


def test_a_violation_in_the_preview_creates_nothing(project: Project) -> None:
    project.program(files("a", "b", forbidden="b"))
    project.policies()
    engine = project.engine()
    with pytest.raises(EngineFailed) as failed:
        engine.up()
    assert [v.split(":")[0] for v in failed.value.outcome.violations] == ["nothing-forbidden on b"]
    assert "nothing-forbidden on b" in str(failed.value)
    assert "\n" not in str(failed.value)
    assert engine.export()["deployment"].get("resources", []) == []
    assert not (project.folder / "a").exists()
    assert not (project.folder / "b").exists()

    assert project.engine(has_policies=False).up().changes == {"create": 3}


def test_a_mistake_of_the_user_is_one_line(project: Project) -> None:
    mistake = "stacks/Pulumi.x.yaml: skywright:cloud is 'moon'; allowed: aws, gcp. Did you mean aws?"
    project.program(f"import pulumi\nraise pulumi.RunError({mistake!r})")
    lines: list[str] = []
    with pytest.raises(SkywrightError) as failed:
        project.engine().up(lines.append)
    assert str(failed.value) == f"up of stack test failed: {mistake.rstrip('.')}."
    assert [line.strip() for line in lines if line.startswith("    error: ")] == [f"error: {mistake}"]
    assert not any("Traceback" in line or "unhandled" in line for line in lines)

    project.program(f"from catalog.errors import UserError\nraise UserError({mistake!r})")
    lines.clear()
    with pytest.raises(SkywrightError):
        project.engine().preview(lines.append)
    assert not any("Traceback" in line or "unhandled" in line for line in lines)


def test_a_bug_of_the_program_is_shown_once_with_its_own_frames(project: Project) -> None:
    project.program("def broken():\n    return 1 / 0\n\nbroken()\n")
    lines: list[str] = []
    with pytest.raises(SkywrightError, match="the program failed: ZeroDivisionError: division by zero"):
        project.engine().up(lines.append)
    text = "\n".join(lines)
    assert text.count("Traceback (most recent call last)") == 1
    assert text.count("ZeroDivisionError") == 1
    assert "in broken" in text
    assert "runpy" not in text
    assert not any(path.name in text for path in launchers.copied())


def test_a_killed_up_leaves_a_lock_that_only_its_own_machine_clears(project: Project, eventually) -> None:
    project.program(files("a"))
    engine = project.engine()
    engine.ensure_stack()
    (project.folder / "a.wait").touch()
    up = subprocess.Popen(
        ["pulumi", "up", "--yes", "--skip-preview", "--stack", "test", "--non-interactive"],
        executable=project.found.cli,
        cwd=project.folder,
        env=project.environ(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    eventually((project.folder / "a.reached").exists, "the create began")
    (lock,) = engine.locks()
    assert lock.pid == up.pid
    assert not lock.is_stale
    assert engine.cancel_stale_lock() == 0
    plugins = psutil.Process(up.pid).children(recursive=True)
    assert plugins

    os.kill(up.pid, signal.SIGKILL)
    up.wait()
    eventually(lambda: not any(alive(plugin) for plugin in plugins), "the plugins ended with the engine")
    assert not (project.folder / "a").exists(), "an orphan went on creating"

    (project.folder / "a.wait").unlink()
    content = lock.file.read_text()
    lock.file.write_text(content.replace(lock.host, "elsewhere.example"))
    assert engine.cancel_stale_lock() == 0
    with pytest.raises(
        SkywrightError, match=f"another run holds its lock .process {lock.pid} of .* on elsewhere.example"
    ):
        engine.up()

    lock.file.write_text(content)
    assert engine.cancel_stale_lock() == 1
    assert engine.up().changes == {"create": 1, "same": 1}
    assert (project.folder / "a").read_text() == "one"


def test_a_stack_file_keeps_its_form_when_the_stack_is_made(project: Project) -> None:
    project.program("")
    file = project.folder / "Pulumi.test.yaml"
    written = "# A comment\nconfig:\n  scratch:count:   1   # one\n  scratch:on: yes\n"
    file.write_text(written)
    project.engine().up()
    assert file.read_text().startswith(written)
    (added,) = file.read_text().removeprefix(written).splitlines()
    assert added.startswith("encryptionsalt: ")


def test_the_passphrase_is_random_stays_and_is_for_its_owner_alone(project: Project) -> None:
    project.program("import pulumi\npulumi.export('hidden', pulumi.Output.secret('canary-4711'))")
    engine = project.engine()
    engine.up()
    file = project.folder / ".skywright" / "passphrase"
    passphrase = file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(passphrase) >= 32
    assert engine.outputs() == {"hidden": "[secret]"}
    assert engine.outputs(shows_secrets=True) == {"hidden": "canary-4711"}
    state = "".join(p.read_text() for p in (project.folder / ".skywright" / "state").rglob("*.json"))
    assert "canary-4711" not in state
    assert file.read_text() == passphrase


def test_a_stack_that_is_not_there_says_so(project: Project) -> None:
    with pytest.raises(SkywrightError, match="stack test is not up"):
        project.engine().destroy()


def test_an_interpreter_of_the_projects_own_runs_the_program(project: Project, tmp_path: Path) -> None:
    """Another virtual environment than the one the host was started with: the `virtualenv` option decides."""
    other = project.folder / "other"
    (other / "bin").mkdir(parents=True)
    (other / "bin" / "python").write_text(f'#!/bin/sh\nOTHER=yes exec "{sys.executable}" "$@"\n')
    (other / "bin" / "python").chmod(0o755)
    settings = project.folder / "Pulumi.yaml"
    settings.write_text(settings.read_text().replace("virtualenv: .venv", "virtualenv: other"))
    project.program("import os, pulumi\npulumi.export('other', os.environ.get('OTHER'))")
    engine = project.engine()
    engine.up()
    assert engine.outputs() == {"other": "yes"}


def alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
