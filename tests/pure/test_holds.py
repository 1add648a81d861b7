"""Holds stand until they are lifted, and limit exactly what they name."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_jobs.holds import Effect, Holds


@pytest.fixture
def holds(tmp_path: Path) -> Holds:
    return Holds(tmp_path / "state" / "holds.jsonl")


def test_without_a_file_nothing_holds(holds: Holds) -> None:
    assert holds.active() == ()
    assert holds.find(Effect.BLOCK_NEW) is None
    assert holds.lift("nothing", reason="r", by="ann") is None
    assert holds.history() == []


@pytest.mark.parametrize(
    ("scope", "asked", "is_found"),
    [
        ("stack", (), True),
        ("stack", ("team:vision",), True),
        ("team:vision", ("team:vision",), True),
        ("team:vision", ("team:speech", "team:vision"), True),
        ("team:vision", ("team:speech",), False),
        ("team:vision", (), False),
        ("endpoint:predict", ("endpoint:predict",), True),
        ("endpoint:predict", ("endpoint:other",), False),
    ],
)
def test_a_hold_limits_its_scope(holds: Holds, scope: str, asked: tuple[str, ...], is_found: bool) -> None:
    hold = holds.set(Effect.BLOCK_NEW, reason="budget", by="ledger", scope=scope)
    assert holds.find(Effect.BLOCK_NEW, *asked) == (hold if is_found else None)
    assert holds.find(Effect.STOP_SPOT, *asked) is None


def test_another_process_sees_a_hold_set_and_lifted(holds: Holds, tmp_path: Path) -> None:
    reader = Holds(tmp_path / "state" / "holds.jsonl")
    hold = holds.set(Effect.ROUTE_TO, reason="bad release", by="ann", scope="endpoint:predict", target="stable")
    assert reader.active() == (hold,)
    assert holds.lift(hold.id, reason="mended", by="bob") == hold
    assert reader.active() == ()
    assert [entry.get("reason") for entry in holds.history()] == [None, "mended"]


def test_the_oldest_hold_of_an_effect_goes_first(holds: Holds) -> None:
    first = holds.set(Effect.SCALE_TO_ZERO, reason="120 %", by="ledger")
    second = holds.set(Effect.SCALE_TO_ZERO, reason="by hand", by="ann")
    assert holds.find(Effect.SCALE_TO_ZERO) == first
    holds.lift(first.id, reason="new month", by="ann")
    assert holds.find(Effect.SCALE_TO_ZERO) == second


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=12))
def test_what_stands_is_what_was_set_and_not_lifted(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[bool, int]]
) -> None:
    holds = Holds(tmp_path_factory.mktemp("holds") / "holds.jsonl")
    standing: list[str] = []
    for is_set, choice in steps:
        if is_set or not standing:
            standing.append(holds.set(Effect.BLOCK_NEW, reason="r", by="ann").id)
        else:
            lifted = standing.pop(choice % len(standing))
            assert holds.lift(lifted, reason="r", by="ann") is not None
        assert [hold.id for hold in holds.active()] == standing
    assert [hold.id for hold in Holds(holds._log.path).active()] == standing
