"""What the workflows and the hook do, run with stand-ins for the commands that they call; and a linter's word."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from infra.engine import cache, golang
from tests.ci.test_templates import PROJECT, WORKFLOWS, loaded

ACTIONLINT, ACTIONLINT_VERSION = "github.com/rhysd/actionlint", "v1.7.12"


def script(workflow: str, job: str, name: str) -> str:
    steps = loaded(PROJECT / "ci" / "github" / f"{workflow}.yml")["jobs"][job]["steps"]
    return next(str(step["run"]) for step in steps if step.get("name", "").startswith(name))


class Place:
    """A working folder where `told` keeps how each stand-in was called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.told = folder / "told.txt"
        (folder / "bin").mkdir()

    def stand_in(self, name: str, body: str, where: str = "bin") -> None:
        path = self.folder / where / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'#!/bin/sh\nprintf "%s" "{name}" >> "{self.told}"\n'
                        f'printf " [%s]" "$@" >> "{self.told}"\necho >> "{self.told}"\n{body}\n')  # fmt: skip
        path.chmod(0o755)

    def run(self, text: str, **env: str) -> int:
        """As GitHub runs a step: bash, stopping at the first error."""
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        summary = str(self.folder / "summary.md")
        given = {"PATH": path, "HOME": str(self.folder), "GITHUB_STEP_SUMMARY": summary, **env}
        return subprocess.run(["bash", "-e", "-c", text], cwd=self.folder, env=given, timeout=60).returncode

    def calls(self) -> list[str]:
        return self.told.read_text().splitlines() if self.told.exists() else []


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def comment(place: Place, answer: str) -> list[str]:
    place.stand_in("gh", f'case "$*" in *--paginate*) printf "{answer}";; esac')
    (place.folder / "comments").mkdir()
    (place.folder / "comments" / "aws-dev.md").write_text("<!-- skywright-review: aws-dev -->\n## Review\n")
    text = script("pull-request", "publish", "Comment")
    assert place.run(text, COMMENTS="repos/o/r/issues/7/comments", GITHUB_REPOSITORY="o/r") == 0
    return place.calls()


def test_the_first_review_is_a_new_comment(place: Place) -> None:
    _, call = comment(place, "")
    assert "[POST] [repos/o/r/issues/7/comments] [--field] [body=@comments/aws-dev.md]" in call


def test_the_next_one_takes_its_place(place: Place) -> None:
    _, call = comment(place, "42\\n43\\n")
    assert "[PATCH] [repos/o/r/issues/comments/42] [--field] [body=@comments/aws-dev.md]" in call


def test_a_preview_is_published_where_there_is_one(place: Place) -> None:
    for folder, stack in (("review", "aws-dev"), ("review", "aws-prod"), ("preview", "aws-prod")):
        made = place.folder / "found" / f"{folder}-{stack}"
        made.mkdir(parents=True)
        for format in ("markdown", "sarif"):
            (made / f"{stack}.{format}").write_text(folder)
    assert place.run(script("pull-request", "publish", "Take")) == 0
    assert (place.folder / "comments" / "aws-dev.md").read_text() == "review"
    assert (place.folder / "comments" / "aws-prod.md").read_text() == "preview"
    assert (place.folder / "sarif" / "aws-prod.sarif").read_text() == "preview"


@pytest.mark.parametrize(("status", "is_told"), [(0, False), (255, True)])
def test_drift_is_told_and_is_no_failure_of_the_run(place: Place, status: int, is_told: bool) -> None:
    place.stand_in("skywright", "", ".venv/bin")
    place.stand_in("pulumi", f"echo '~ aws:s3/bucket:Bucket storage-data'; exit {status}")
    assert place.run(script("nightly", "drift", "Compare"), STACK="aws-dev") == 0
    told = place.folder / "told" / "drift-aws-dev.md"
    assert told.exists() is is_told
    assert not is_told or "storage-data" in told.read_text()


@pytest.mark.parametrize(("status", "text"), [(0, None), (1, "the report"), (2, "could not be reviewed")])
def test_what_the_review_of_the_night_finds_is_told(place: Place, status: int, text: str | None) -> None:
    writes = 'for word in "$@"; do file=$word; done; echo "the report" > "$file";' if status < 2 else ""
    place.stand_in("skywright", f"{writes} exit {status}", ".venv/bin")
    assert place.run(script("nightly", "review", "Review"), STACK="aws-dev") == 0
    told = place.folder / "told" / "review-aws-dev.md"
    assert told.exists() is (text is not None)
    assert text is None or text in told.read_text()


@pytest.mark.parametrize(
    ("known", "found", "done", "call"),
    [
        ("", "drift", "true", "[issue] [create]"),
        ("9", "drift", "true", "[issue] [edit] [9]"),
        ("9", "", "true", "[issue] [close] [9]"),
        ("9", "", "false", "[issue] [edit] [9]"),
        ("", "", "true", None),
    ],
)
def test_one_issue_says_what_stands(place: Place, known: str, found: str, done: str, call: str | None) -> None:
    place.stand_in("gh", f'case "$*" in *"issue list"*) echo "{known}";; esac')
    if found:
        (place.folder / "told").mkdir()
        (place.folder / "told" / "drift.md").write_text(found)
    assert place.run(script("nightly", "tell", "One issue"), DONE=done, RUN="https://run") == 0
    _, *others = place.calls()
    assert len(others) == (call is not None)
    assert call is None or call in others[0]


@pytest.mark.parametrize(
    ("files", "reviewed"),
    [
        (["stacks/Pulumi.a.yaml"], ["a"]),
        (["stacks/Pulumi.a.yaml", "stacks/Pulumi.gone.yaml"], ["a"]),
        (["stacks/Pulumi.b.yaml", "policies/enforcement.yaml"], ["a", "b"]),
        ([], []),
    ],
)
def test_the_hook_reviews_what_changed(place: Place, files: list[str], reviewed: list[str]) -> None:
    (place.folder / "stacks").mkdir()
    for name in ("a", "b"):
        (place.folder / "stacks" / f"Pulumi.{name}.yaml").write_text("config: {}\n")
    place.stand_in("skywright", 'case "$2" in a) exit 1;; *) exit 2;; esac')
    status = place.run(f"{PROJECT}/ci/review-stacks {' '.join(files)}")
    assert [call.split()[2] for call in place.calls()] == [f"[{name}]" for name in reviewed]
    assert status == {(): 0, ("a",): 1, ("a", "b"): 2}[tuple(reviewed)]


def test_the_hook_that_is_offered_is_the_script() -> None:
    (hook,) = yaml.safe_load((PROJECT / ".pre-commit-hooks.yaml").read_text())
    script = PROJECT / str(hook["entry"])
    assert hook["language"] == "script" and os.access(script, os.X_OK)


def test_actionlint_finds_nothing() -> None:
    """Built once, of an exact version, into the cache that the engine's programs lie in."""
    program = cache.folder("test-tools") / f"actionlint-{ACTIONLINT_VERSION}"
    if not program.exists():
        go_mod = f"module tools\n\ngo 1.24\n\nrequire {ACTIONLINT} {ACTIONLINT_VERSION}\n"
        made = golang.Program("actionlint", f"{ACTIONLINT}/cmd/actionlint", go_mod, (1, 24), disk_gib=0.5)
        program.parent.mkdir(parents=True, exist_ok=True)
        golang.build(made, program, program.with_suffix(".source"), lambda *_: None)
    done = subprocess.run([program, *WORKFLOWS], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
