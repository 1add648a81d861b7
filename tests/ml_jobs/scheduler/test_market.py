"""The market: tables of what it says, and properties that hold for every market."""

from __future__ import annotations

import math
from itertools import islice, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_jobs.local.scheduler.market import Always, Model, Outage, Timeline, Trace, outages

NOTICES = st.one_of(st.floats(0, 100), st.lists(st.floats(0, 100), min_size=1, max_size=3).map(tuple))
TRACES = st.builds(
    Trace,
    kind=st.just("trace"),
    available=st.text("01", min_size=1, max_size=12),
    gap_s=st.floats(0.5, 100),
    start_s=st.floats(0, 500),
    notice_s=NOTICES,
)
MODELS = st.builds(
    Model,
    kind=st.just("model"),
    seed=st.integers(0, 99),
    mean_up_s=st.floats(1, 500),
    mean_down_s=st.floats(1, 500),
    shape=st.floats(0.5, 5),
    notice_s=NOTICES,
)
MARKETS = st.one_of(st.builds(Always, notice_s=NOTICES), TRACES, MODELS)


@pytest.mark.parametrize(
    ("at", "state", "until"),
    [(0, "up", 17), (16.9, "up", 17), (17, "notice", 20), (19.9, "notice", 20), (20, "away", 30), (29, "away", 30),
     (30, "up", 57), (57, "notice", 60), (60, "away", 70)],
)  # fmt: skip
def test_a_trace_is_replayed_round_and_round(at, state, until):
    condition = Timeline(Trace(kind="trace", available="1101", gap_s=10, notice_s=3), 0).at(at)
    assert (condition.state, condition.until) == (state, until)


def test_a_trace_may_begin_within():
    timeline = Timeline(Trace(kind="trace", available="1101", gap_s=10, start_s=25), 0)
    assert [timeline.at(t).state for t in (0, 4.9, 5, 34.9, 35)] == ["away", "away", "up", "up", "away"]


def test_constant_traces_never_change():
    assert Timeline(Trace(kind="trace", available="11", gap_s=1), 0).at(1e9).until == math.inf
    assert Timeline(Trace(kind="trace", available="0", gap_s=1), 0).at(5) == Timeline(
        Trace(kind="trace", available="00", gap_s=1), 3
    ).at(5)
    assert not Timeline(Trace(kind="trace", available="0", gap_s=1), 0).available(1e9)
    assert Timeline(Always(notice_s=30), 0).at(1e9).state == "up"


def test_notices_are_given_in_turn_and_a_long_one_begins_no_earlier_than_the_slot():
    market = Trace(kind="trace", available="10", gap_s=10, notice_s=(0, 2, 60))
    timeline = Timeline(market, 0)
    assert [outage.notice_s for outage in islice(outages(market, 0), 4)] == [0, 2, 60, 0]
    assert timeline.at(9.9).state == "up"
    assert timeline.at(27.9).state == "up" and timeline.at(28).state == "notice"
    assert timeline.at(39.9).state == "away" and timeline.at(40).state == "notice"


def test_slots_of_a_model_differ_and_each_is_the_same_every_time():
    market = Model(kind="model", seed=7, mean_up_s=60, mean_down_s=20)
    first, second, again = (list(islice(outages(market, slot), 50)) for slot in (0, 1, 0))
    assert first == again != second
    up = [later.start - earlier.end for earlier, later in pairwise(islice(outages(market, 0), 3000))]
    assert sum(up) / len(up) == pytest.approx(60, rel=0.1)


@settings(deadline=None)
@given(MARKETS, st.integers(0, 5))
def test_outages_are_ordered_and_never_touch(market, slot):
    found: list[Outage] = list(islice(outages(market, slot), 30))
    assert all(outage.start < outage.end for outage in found)
    assert all(earlier.end < later.start for earlier, later in pairwise(found))


@settings(max_examples=200, deadline=None)
@given(MARKETS, st.integers(0, 5), st.floats(0, 2000), st.floats(0, 2000))
def test_a_condition_holds_until_it_says_and_preemptions_are_where_it_ends(market, slot, at, later):
    timeline = Timeline(market, slot)
    first, second = sorted((at, later))
    timeline.at(second)  # asking ahead must not change what was true before
    condition = timeline.at(first)
    assert condition == Timeline(market, slot).at(first)
    assert condition.until > first
    assert (condition.state != "away") == timeline.available(first)
    if second < condition.until:
        assert timeline.at(second).state == condition.state
        lost = [outage for outage in timeline.preemptions(first, second) if outage.start > first]
        assert not lost
    elif condition.state == "notice":
        assert condition.until - first <= condition.notice_s + 1e-6
        assert timeline.at(condition.until).state == "away"
        assert timeline.preemptions(first, second + 1e-9)[0].start == condition.until
