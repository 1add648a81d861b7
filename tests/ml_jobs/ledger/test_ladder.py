"""The ladder: every step once, un-reached by a raised limit, released until spending grows into the next."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_jobs.budget.ladder import (
    Action,
    Standing,
    Step,
    apply,
    author,
    decide,
    percent_of,
    recover,
    release,
    wanted,
)
from ml_jobs.holds import Effect

STEPS = (
    Step(50, None),
    Step(80, Effect.BLOCK_NEW),
    Step(100, Effect.STOP_SPOT),
    Step(120, Effect.SCALE_TO_ZERO),
)


def after(spent: float, limit: float = 100, standings: dict[float, Standing] | None = None) -> dict[float, Standing]:
    before = standings or {}
    return apply(before, decide(Decimal(str(spent)), Decimal(str(limit)), STEPS, before), now=1.0)


def effects(standings: dict[float, Standing]) -> list[str]:
    return [step.effect.value for step in wanted(STEPS, standings, "2026-11").values() if step.effect]


@pytest.mark.parametrize(
    ("spent", "reached", "held"),
    [
        (0, [], []),
        (49.99, [], []),
        (50, [50], []),  # tells, holds nothing
        (80, [50, 80], ["block_new"]),
        (119.99, [50, 80, 100], ["block_new", "stop_spot"]),
        (500, [50, 80, 100, 120], ["block_new", "stop_spot", "scale_to_zero"]),
    ],
)
def test_what_is_reached(spent: float, reached: list[float], held: list[str]) -> None:
    standings = after(spent)
    assert sorted(standings) == reached
    assert effects(standings) == held


def test_raising_the_limit_takes_steps_back() -> None:
    assert sorted(after(110, limit=200, standings=after(110))) == [50]


def test_a_removed_step_is_taken_back() -> None:
    assert decide(Decimal(60), Decimal(100), (), {50: Standing(1)}) == [Action("unreach", 50)]


def test_a_release_lasts_until_the_next_step() -> None:
    standings = release(after(85), 80, now=2)
    assert effects(standings) == []
    assert effects(after(99, standings=standings)) == []
    assert effects(after(100, standings=standings)) == ["block_new", "stop_spot"]


def test_releasing_below_a_reached_step_lasts_until_the_step_above_that() -> None:
    standings = release(after(105), 80, now=2)
    assert effects(after(110, standings=standings)) == ["stop_spot"]
    assert effects(after(120, standings=standings)) == ["block_new", "stop_spot", "scale_to_zero"]


def test_a_released_step_that_falls_below_acts_again_when_reached_again() -> None:
    standings = release(after(85), 80, now=2)
    fallen = after(85, limit=200, standings=standings)
    assert effects(after(85, standings=fallen)) == ["block_new"]


@given(st.lists(st.tuples(st.floats(0, 300), st.floats(1, 500)), min_size=1, max_size=12), st.data())
def test_deciding_twice_asks_for_nothing_more(path: list[tuple[float, float]], data: st.DataObject) -> None:
    standings: dict[float, Standing] = {}
    for spent, limit in path:
        standings = after(spent, limit, standings)
        assert decide(Decimal(str(spent)), Decimal(str(limit)), STEPS, standings) == []
        assert sorted(standings) == [
            s.percent for s in STEPS if Decimal(str(spent)) * 100 >= Decimal(str(limit)) * Decimal(str(s.percent))
        ]
        if standings and data.draw(st.booleans()):
            standings = release(standings, data.draw(st.sampled_from(sorted(standings))), now=2)
            assert decide(Decimal(str(spent)), Decimal(str(limit)), STEPS, standings) == []


def test_a_holds_author_names_its_step() -> None:
    assert percent_of(author("2026-11", 12.5), "2026-11") == 12.5
    assert percent_of(author("2026-10", 80), "2026-11") is None
    assert percent_of("ada", "2026-11") is None


def test_standings_come_back_from_the_log_of_holds() -> None:
    def hold(name: str, percent: float, at: float, period: str = "2026-11") -> dict[str, object]:
        return {"hold": {"id": name, "by": author(period, percent), "at": at}}

    log = [
        hold("old", 80, 1, "2026-10"),
        hold("a", 80, 5),
        hold("b", 100, 6),
        hold("c", 120, 7),
        {"hold": {"id": "d", "by": "ada", "at": 8}},
        {"lifted": "a", "by": "ada", "at": 9},
        {"lifted": "c", "by": "ledger", "at": 9},
        {"lifted": "d", "by": "ada", "at": 9},
    ]
    assert recover(log, "2026-11") == {80: Standing(5, 9), 100: Standing(6)}
