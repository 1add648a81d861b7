"""Placement: the rules as tables, and what holds whatever is asked."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_jobs.contract import Capacity, Pool
from ml_jobs.holds import Effect, Hold
from ml_jobs.local.scheduler.placement import Ask, Slot, blocking, candidates, decide

SPOT = Pool(name="spot", instance_type="local", is_spot=True, count=2, max_count=3, usd_per_hour=0.3)
FIRM = Pool(name="firm", instance_type="local", count=2, max_count=2, usd_per_hour=1)
BIG = Pool(name="big", instance_type="local", count=4, max_count=1, accelerator="V100", usd_per_hour=3)
POOLS = (FIRM, SPOT, BIG)


def ask(job, **fields):
    return Ask(**{"job": job, "team": "default", "order": 1, "waiting_since": 0.0, **fields})


def slots(spot="fff", firm="ff"):
    """f: free, x: away or under notice, a letter: the job that runs there."""
    return [
        Slot(f"{pool}-{index}", pool, state != "x", None if state in "fx" else state)
        for pool, states in (("spot", spot), ("firm", firm), ("big", "f"))
        for index, state in enumerate(states)
    ]


def started(plan):
    return {start.job: start.slots for start in plan.starts}


def hold(effect, scope="stack"):
    return Hold(id="h1", scope=scope, effect=effect, reason="because", by="ledger", at=0)


@pytest.mark.parametrize(
    ("fields", "free", "now", "where"),
    [
        ({}, {}, 0, "spot-0"),
        ({}, {"spot": "xxx"}, 0, None),
        ({}, {"spot": "xxx"}, 29.9, None),
        ({}, {"spot": "xxx"}, 30, "firm-0"),
        ({}, {}, 1000, "spot-0"),
        ({"capacity": Capacity.SPOT_ONLY}, {"spot": "xxx"}, 1000, None),
        ({"capacity": Capacity.ON_DEMAND_ONLY}, {}, 0, "firm-0"),
        ({"deadline_at": 100, "remaining_s": 60}, {"spot": "xxx"}, 9.9, None),
        ({"deadline_at": 100, "remaining_s": 60}, {"spot": "xxx"}, 10, "firm-0"),
        ({"deadline_at": 100, "remaining_s": 60}, {}, 10, "firm-0"),
        ({"deadline_at": 100, "remaining_s": 60}, {"firm": "ab"}, 10, "spot-0"),
        ({"nodes": 3}, {}, 0, "spot-0"),
        ({"nodes": 3}, {"spot": "ffa"}, 1000, None),
        ({"nodes": 2}, {"spot": "fxa"}, 30, "firm-0"),
        ({"ranks": 4}, {}, 1000, None),
        ({"ranks": 4, "accelerator": "v100"}, {}, 0, "big-0"),
        ({"not_before": 5}, {}, 4.9, None),
        ({"not_before": 5}, {}, 5, "spot-0"),
    ],
)
def test_where_one_job_goes(fields, free, now, where):
    plan = decide(now, [ask("j", **fields)], slots(**free), POOLS, spot_fallback_s=30)
    assert (started(plan).get("j") or (None,))[0] == where
    assert ("j" in plan.waiting) == (where is None)


def test_higher_priority_goes_first_and_equal_ones_by_submission():
    asks = [ask("old", order=1), ask("new", order=2), ask("urgent", order=3, priority=5)]
    assert list(started(decide(0, asks, slots("fxx"), POOLS))) == ["urgent"]
    assert list(started(decide(0, asks[:2], slots("fxx"), POOLS))) == ["old"]


def test_smaller_jobs_pass_one_that_does_not_fit_until_it_has_waited_long_enough():
    asks = [ask("wide", nodes=3, capacity=Capacity.SPOT_ONLY), ask("small", order=2, waiting_since=50)]
    before = decide(59, asks, slots("ffa"), POOLS, patience_s=60, spot_fallback_s=1e6)
    assert started(before) == {"small": ("spot-0",)}
    assert before.wake_at == 60
    after = decide(60, asks, slots("ffa"), POOLS, patience_s=60, spot_fallback_s=1e6)
    assert started(after) == {}
    assert "spot is kept for wide" in after.waiting["small"]
    assert started(decide(60, asks, slots("fff"), POOLS, patience_s=60)) == {"wide": ("spot-0", "spot-1", "spot-2")}


def test_what_is_kept_in_one_pool_stops_nobody_in_another():
    asks = [ask("wide", nodes=3, capacity=Capacity.SPOT_ONLY), ask("firm", order=2, capacity=Capacity.ON_DEMAND_ONLY)]
    assert started(decide(99, asks, slots("ffa"), POOLS, patience_s=60)) == {"firm": ("firm-0",)}


@pytest.mark.parametrize(
    ("given_hold", "fields", "runs"),
    [
        (hold(Effect.BLOCK_NEW), {}, False),
        (hold(Effect.BLOCK_NEW), {"has_started": True}, True),
        (hold(Effect.BLOCK_NEW, "team:default"), {}, False),
        (hold(Effect.BLOCK_NEW, "team:other"), {}, True),
        (hold(Effect.STOP_SPOT), {"has_started": True}, False),
        (hold(Effect.STOP_SPOT), {"has_started": True, "capacity": Capacity.ON_DEMAND_ONLY}, True),
        (hold(Effect.SCALE_TO_ZERO), {}, True),
    ],
)
def test_holds_keep_back_what_they_say(given_hold, fields, runs):
    plan = decide(1000, [ask("j", **fields)], slots(), POOLS, [given_hold])
    assert bool(plan.starts) == runs
    if not runs:
        assert plan.waiting == {"j": "held: because (h1)"}


def test_stop_spot_stops_running_spot_jobs_and_those_alone():
    plan = decide(0, [], slots("abf", "cf"), POOLS, [hold(Effect.STOP_SPOT)])
    assert set(plan.stops) == {"a", "b"}
    assert decide(0, [], slots("abf", "cf"), POOLS, [hold(Effect.STOP_SPOT, "team:other")]).stops == {}


def test_the_plan_says_when_the_clock_alone_would_change_it():
    waits = decide(0, [ask("j", deadline_at=100, remaining_s=60)], slots("xxx"), POOLS, spot_fallback_s=30)
    assert waits.wake_at == 10
    assert decide(0, [ask("j", not_before=7)], slots(), POOLS).wake_at == 7
    assert decide(0, [], slots(), POOLS).wake_at == math.inf


ASKS = st.lists(
    st.builds(
        Ask,
        job=st.uuids().map(str),
        team=st.sampled_from(["red", "blue"]),
        order=st.integers(0, 9),
        waiting_since=st.floats(0, 100),
        nodes=st.integers(1, 4),
        ranks=st.integers(1, 4),
        accelerator=st.sampled_from([None, "V100"]),
        capacity=st.sampled_from(Capacity),
        priority=st.integers(-2, 2),
        deadline_at=st.none() | st.floats(0, 200),
        remaining_s=st.floats(0, 100),
        has_started=st.booleans(),
        not_before=st.sampled_from([0.0, 150.0]),
    ),
    max_size=8,
    unique_by=lambda each: each.job,
)
STATES = st.tuples(st.text("fxab", min_size=3, max_size=3), st.text("fxcd", min_size=2, max_size=2))
HOLDS = st.lists(
    st.builds(hold, st.sampled_from([Effect.BLOCK_NEW, Effect.STOP_SPOT]), st.sampled_from(["stack", "team:red"])),
    max_size=2,
)


@settings(max_examples=300, deadline=None)
@given(ASKS, STATES, HOLDS, st.floats(0, 120))
def test_whatever_is_asked_slots_gangs_priorities_and_holds_are_respected(asks, states, holds, now):
    standing = slots(*states)
    plan = decide(now, asks, standing, POOLS, holds, patience_s=50)
    usable = {slot.id: slot.pool for slot in standing if slot.is_usable and slot.job is None}
    taken = [slot for start in plan.starts for slot in start.slots]
    assert set(taken) <= set(usable) and max(Counter(taken).values(), default=1) == 1, "a slot is taken once, when free"
    by_job = {each.job: each for each in asks}
    assert len(plan.starts) == len(started(plan)), "no job starts twice"
    for start in plan.starts:
        job = by_job[start.job]
        assert {usable[slot] for slot in start.slots} == {start.pool} and len(start.slots) == job.nodes
        assert start.pool in {pool.name for pool in candidates(job, POOLS)}
        assert job.not_before <= now
        assert job.has_started or not blocking(holds, Effect.BLOCK_NEW, job.team)
        if job.capacity is not Capacity.ON_DEMAND_ONLY:
            assert not blocking(holds, Effect.STOP_SPOT, job.team)
    assert set(by_job) == set(started(plan)) | set(plan.waiting), "every job starts or is told why it waits"
    assert plan == decide(now, list(reversed(asks)), standing, POOLS, holds, patience_s=50) or len(
        {(each.priority, each.order) for each in asks}
    ) < len(asks)


@given(
    st.lists(st.tuples(st.integers(-2, 2), st.integers(0, 99)), min_size=1, max_size=9, unique=True), st.integers(0, 3)
)
def test_of_equal_asks_the_first_by_priority_and_submission_get_what_is_free(places, free):
    asks = [ask(f"{priority}/{order}", priority=priority, order=order) for priority, order in places]
    plan = decide(0, asks, slots("f" * free + "x" * (3 - free), "xx"), POOLS)
    expected = [f"{priority}/{order}" for priority, order in sorted(places, key=lambda place: (-place[0], place[1]))]
    assert list(started(plan)) == expected[:free]
