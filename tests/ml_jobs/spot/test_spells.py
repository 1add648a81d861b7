"""What is read from a history, and what the table of costs makes of it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_jobs.spot.costs import NONE, ON_DEMAND, SPOT, chain, costs
from ml_jobs.spot.forecast import lasting, mean_length
from ml_jobs.spot.simulate import Problem, optimum
from ml_jobs.spot.spells import AGES, CLASSES, PRIOR, WEIGHT, age, age_class, as_bytes, hazards

HISTORIES = st.lists(st.booleans(), max_size=300)


def test_classes_of_age_double_and_cover_every_age() -> None:
    assert [age_class(first) for first in AGES] == list(range(CLASSES))
    assert [age_class(first - 1) for first in AGES[1:]] == list(range(CLASSES - 1))
    assert age_class(10_000) == CLASSES - 1


def test_no_history_is_the_prior() -> None:
    assert hazards(b"") == pytest.approx((*PRIOR, *PRIOR), abs=5e-4)


def test_what_ended_and_what_lasted_is_counted() -> None:
    """Two steps with spot, three without, one with, which is not over."""
    found = hazards(bytes([1, 1, 0, 0, 0, 1]))
    away, there = found[:CLASSES], found[CLASSES:]
    assert there[0] == pytest.approx((WEIGHT * PRIOR[0] + 0) / (WEIGHT + 1), abs=1e-3)
    assert there[1] == pytest.approx((WEIGHT * PRIOR[1] + 1) / (WEIGHT + 1), abs=1e-3)
    assert away[2] == pytest.approx((WEIGHT * PRIOR[2] + 1) / (WEIGHT + 1), abs=1e-3)
    assert away[3:] == pytest.approx(PRIOR[3:], abs=1e-3)


@given(HISTORIES, st.booleans())
def test_the_age_of_the_present_spell_counts_the_step_at_hand(history: list[bool], now: bool) -> None:
    found = age(as_bytes(history), now)
    whole = [*history, now]
    assert all(kind is now for kind in whole[-found:])
    assert found == len(whole) or whole[-found - 1] is not now


@given(HISTORIES)
def test_chances_are_chances(history: list[bool]) -> None:
    found = hazards(as_bytes(history))
    assert all(0 < chance < 1 for chance in found)
    assert np.allclose(chain(found).sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("steps", [2, 10, 40, 300])
def test_a_mean_length_is_had_by_scaling_the_prior(steps: int) -> None:
    assert mean_length(lasting(steps)) == pytest.approx(steps, rel=1e-3)


@settings(deadline=None, max_examples=20)
@given(HISTORIES, st.sampled_from([0.0, 0.3, 1.2]))
def test_more_slack_or_less_work_never_costs_more(history: list[bool], overhead: float) -> None:
    table = costs(hazards(as_bytes(history)), overhead, 0.32, 60, 24)
    for running in (NONE, SPOT, ON_DEMAND):
        for spell in (0, CLASSES - 1, CLASSES, 2 * CLASSES - 1):
            by_work = [table.at(50, running, spell, work) for work in range(26, 55)]
            assert all(less <= more + 1e-3 for less, more in pairwise(by_work))
            by_time = [table.at(left, running, spell, 30) for left in range(28, 54)]
            assert all(later <= sooner + 1e-3 for sooner, later in pairwise(by_time))


def test_without_spot_the_rest_costs_its_work_and_with_it_for_ever_the_spot_price() -> None:
    never, always = (1e-6,) * CLASSES, (1e-6,) * CLASSES
    table = costs((*never, *always), 0.0, 0.25, 60, 24)
    assert table.at(50, ON_DEMAND, CLASSES - 1, 40.0) == pytest.approx(40, rel=1e-3)
    assert table.at(50, SPOT, 2 * CLASSES - 1, 40.0) == pytest.approx(10, rel=1e-3)


@pytest.mark.parametrize(
    ("available", "expected"),
    [([False] * 20, 10 + 1), ([True] * 20, 0.25 * 11), ([True] * 5 + [False] * 15, 0.25 * 5 + 5 + 2)],
)
def test_a_clairvoyant_pays_what_can_be_told_by_hand(available: list[bool], expected: float) -> None:
    """Ten steps of work, a start costs one; USD per hour are USD per step here. The last: four steps of work by spot,
    a step more lost to the second start."""
    problem = Problem(10 * 3600, 20 * 3600, 3600, 3600, spot_price=0.25, on_demand_price=1.0)
    assert optimum(available, problem) == pytest.approx(expected)
