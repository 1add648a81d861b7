"""What runs already comes under a stack, and the declaration agrees with it (tier: rehearsed, by the real engine)."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalog.errors import UserError
from infra import importing
from infra.engine.run import Engine
from infra.rehearsal import bed as beds
from infra.rehearsal.steps import Rehearsal

PROJECT = Path(__file__).parents[2]


def test_a_lost_state_is_imported_whole_and_nothing_is_left_to_do(tmp_path: Path) -> None:
    """`skywright rehearse --faults` does so on every cloud."""
    with beds.made(PROJECT, PROJECT / "stacks" / "Pulumi.aws-dev.yaml", tmp_path / "bed") as bed:
        rehearsal = Rehearsal(bed)
        rehearsal.up()
        rehearsal.state_lost()
        assert [step.said for step in rehearsal.results if not step.is_good] == []
        plan = importing.Plan.read(bed.project / "import.json")
        declared = {entry["type"]: entry for entry in plan.entries}
        assert declared["aws:iam/role:Role"]["id"] and "aws ec2 describe-vpcs" in declared["aws:ec2/vpc:Vpc"]["note"]


def test_a_plan_without_all_ids_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    entry = {"type": "aws:ec2/vpc:Vpc", "name": "network-vpc", "id": importing.PLACEHOLDER}
    importing.Plan({"resources": [entry]}).write(tmp_path / "plan.json")
    with pytest.raises(UserError, match="has no id for network-vpc"):
        importing.carry_out(Engine(PROJECT, "aws-dev"), tmp_path / "plan.json")


def test_an_id_for_nothing_that_is_declared_is_refused(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text('{"resources": 3}')
    with pytest.raises(UserError, match="no list `resources`"):
        importing.Plan.read(tmp_path / "plan.json")
