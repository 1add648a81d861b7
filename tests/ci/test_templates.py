"""The workflow templates against GitHub's own schema, and the commands that they call against ours (tier: schema)."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from infra.cli.main import build

PROJECT = Path(__file__).parents[2]
WORKFLOWS = sorted((PROJECT / "ci" / "github").glob("*.yml"))
each_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


def loaded(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def steps(path: Path) -> Iterator[dict[str, Any]]:
    for job in loaded(path)["jobs"].values():
        yield from job["steps"]


def scripts(path: Path) -> list[str]:
    return [step["run"] for step in steps(path) if "run" in step]


def test_there_is_one_for_each_moment() -> None:
    assert [path.stem for path in WORKFLOWS] == ["merge", "nightly", "pull-request"]


@each_workflow
@pytest.mark.parametrize("schema", ["vendor.github-workflows", "custom.github-workflows-require-timeout"])
def test_the_schema_of_workflows_takes_it(path: Path, schema: str) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@each_workflow
def test_nothing_is_allowed_that_no_job_asks_for(path: Path) -> None:
    workflow = loaded(path)
    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        assert "write-all" not in str(job["permissions"])
        assert job["permissions"].get("contents", "read") == "read"


@each_workflow
def test_whoever_may_write_runs_nothing_of_the_change(path: Path) -> None:
    for name, job in loaded(path)["jobs"].items():
        writes = {key for key, value in job["permissions"].items() if value == "write"} - {"id-token"}
        is_checked_out = any("actions/checkout" in step.get("uses", "") for step in job["steps"])
        assert not (writes and is_checked_out), name
        assert not (writes and "id-token" in job["permissions"]), name


@each_workflow
def test_scripts_are_shell_and_take_nothing_from_whoever_proposed_the_change(path: Path) -> None:
    for script in scripts(path):
        assert "${{" not in script
        assert subprocess.run(["bash", "-n"], input=script, text=True).returncode == 0, script


@each_workflow
def test_no_key_is_stored_and_actions_have_a_version(path: Path) -> None:
    text = path.read_text()
    assert set(re.findall(r"secrets\.(\w+)", text)) <= {"PULUMI_CONFIG_PASSPHRASE", "SKYWRIGHT_GCP_API_KEY"}
    assert all(re.search(r"@v\d+$", step["uses"]) for step in steps(path) if "uses" in step)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_command_and_option_is_one_of_ours(path: Path) -> None:
    texts = [text.replace("\\\n", " ") for text in scripts(path)]
    called = [line for text in texts for line in text.replace(";", "\n").splitlines() if "bin/skywright " in line]
    assert called
    root: Any = get_command(build())
    for line in called:
        words = re.split(r"bin/skywright ", line, maxsplit=1)[1].replace(")", " ").split()
        command: Any = root
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]
        assert command is not root, line
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known, line
