"""What runs already comes under a stack, and the declaration agrees with it (tier: rehearsed, by the real engine)."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalog.errors import UserError
from infra import importing
from infra.rehearsal import bed as beds

PROJECT = Path(__file__).parents[2]


def test_a_lost_state_is_imported_whole_and_nothing_is_left_to_do(tmp_path: Path) -> None:
    with beds.made(PROJECT, PROJECT / "stacks" / "Pulumi.aws-dev.yaml", tmp_path / "bed") as bed:
        engine = bed.engine
        engine.up()
        states = engine.export()["deployment"]["resources"]
        ids = {state["urn"].rsplit("::", 1)[-1]: state["id"] for state in states if state.get("id")}
        there = {(held.token, held.id) for held in bed.account.objects()}
        engine._ask("stack", "rm", "--yes", "--force", "--preserve-config")
        engine.ensure_stack()

        plan = importing.make(engine, {})
        assert 0 < len(plan.missing) < len(plan.entries) / 2  # most ids are told by names
        plan.write(tmp_path / "plan.json")
        with pytest.raises(UserError, match="has no id for"):
            importing.carry_out(engine, tmp_path / "plan.json")
        importing.make(engine, {name: ids[name] for name in plan.missing}).write(tmp_path / "plan.json")
        importing.carry_out(engine, tmp_path / "plan.json")

        assert set(engine.preview().changes) == {"same"}
        assert {(held.token, held.id) for held in bed.account.objects()} == there


def test_an_id_for_nothing_that_is_declared_is_refused(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text('{"resources": 3}')
    with pytest.raises(UserError, match="no list `resources`"):
        importing.Plan.read(tmp_path / "plan.json")
