"""One stack of each cloud through its whole life on the real engine, by the command that users type."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.rehearsal import rehearsing
from infra.rehearsal.report import Proof, Report, StepResult

REPO = Path(__file__).resolve().parents[2]
STEPS = [
    "preview", "up", "up again", "another accelerator", "a release", "review", "a canary, interrupted", "drift",
    "destroy",
]  # fmt: skip


@pytest.mark.timeout(900)
@pytest.mark.parametrize("stack", ["aws-dev", "azure-dev", "gcp-dev", "kubernetes-dev"])
def test_a_stack_comes_changes_recovers_and_goes(stack: str, tmp_path: Path) -> None:
    before = (REPO / "stacks" / f"Pulumi.{stack}.yaml").read_bytes()
    export = tmp_path / "export.json"
    report = rehearsing.rehearse(REPO, REPO / "stacks" / f"Pulumi.{stack}.yaml", tmp_path / "bed", export=export)
    assert [(step.name, step.is_good, step.said) for step in report.steps if not step.is_good] == []
    assert [step.name for step in report.steps] == STEPS
    # Of a development stack no more than the operators' charts may stay behind.
    rest = {proof.type for proof in report.proofs if proof.tier != "accepted"}
    assert rest <= {"kubernetes:helm.sh/v3:Release"}, rest
    assert not any(proof.unjudged for proof in report.proofs if proof.type not in rest)
    assert (REPO / "stacks" / f"Pulumi.{stack}.yaml").read_bytes() == before
    exported = json.loads(export.read_text())
    assert exported["preview"]["steps"] and exported["export"]["deployment"]["resources"]


def test_a_mistake_in_the_stack_ends_a_rehearsal_before_it_begins(tmp_path: Path) -> None:
    folder = tmp_path / "clone"
    (folder / "stacks").mkdir(parents=True)
    for name in ("infra", "components", "ml_jobs", "catalog", "policies", "Pulumi.yaml"):
        (folder / name).symlink_to(REPO / name)
    text = (REPO / "stacks" / "Pulumi.aws-dev.yaml").read_text().replace("us-east-1", "us-east-9")
    (folder / "stacks" / "Pulumi.aws-dev.yaml").write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "infra.cli", "rehearse", "aws-dev"], cwd=folder, capture_output=True, text=True,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200"}, timeout=60,
    )  # fmt: skip
    assert done.returncode == 78 and "us-east-9" in done.stderr and "Traceback" not in done.stderr


def _proof(tier: str, kind: str = "a:b:C") -> Proof:
    return Proof("n", kind, tier, "judge", declared=3, carried=2)


def test_a_report_counts_what_was_accepted_and_is_bad_when_a_step_is() -> None:
    good = StepResult("up", True, 1.0, "ok")
    report = Report("s", "aws", (good,), (_proof("accepted"), _proof("accepted"), _proof("rehearsed", "a:b:D")))
    assert report.is_good and report.accepted_share == pytest.approx(2 / 3)
    rows = [(row["type"], row["number"], row["inputs"]) for row in report.by_type()]
    assert rows == [("a:b:C", 2, "4 of 6"), ("a:b:D", 1, "2 of 3")]
    assert not Report("s", "aws", (good, StepResult("x", False, 1.0, "no")), ()).is_good
    assert not Report("s", "aws", (), ()).is_good
    assert json.loads(json.dumps(report.plain()))["accepted_share"] == 0.6667
