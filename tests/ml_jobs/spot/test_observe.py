"""Time lines become what the planner sees; one of them was written by a real scheduler under a known market."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_jobs.spot import Capacity, decide
from ml_jobs.spot.observe import Market, observe, told

LIVE = [json.loads(line) for line in (Path(__file__).parent / "live.jsonl").read_text().splitlines()]
"""`live.jsonl`: a job on one spot slot. The market, by seconds: there 3, away 2, there 5, away 5, there."""
BEGAN = LIVE[0]["at"]


def test_a_live_time_line_tells_the_market_that_it_ran_in() -> None:
    """Steps in which a preemption falls were not run through; while nobody asks, the last answer stands."""
    found = told(LIVE, began_at=BEGAN, now=BEGAN + 14.0, step_s=1.0)
    assert "".join("01"[there] for there in found.history) == "11001111100000"
    assert (found.is_available, found.running) == (False, Capacity.NONE)


@pytest.mark.parametrize(
    ("after_s", "running", "is_available", "chosen"),
    [
        (0.1, Capacity.NONE, True, Capacity.SPOT),
        (2.5, Capacity.SPOT, True, Capacity.SPOT),
        (3.5, Capacity.NONE, False, Capacity.NONE),
        (7.0, Capacity.SPOT, True, Capacity.SPOT),
        (12.0, Capacity.NONE, False, Capacity.NONE),
    ],
)
def test_a_live_run_is_replayed_into_decisions(
    after_s: float, running: Capacity, is_available: bool, chosen: Capacity
) -> None:
    """The job was given 60 s for 40 s of work; decisions are those that the scheduler took."""
    market = Market(step_s=1.0, deadline_s=60, restart_overhead_s=1, spot_price=0.3, on_demand_price=1.0)
    seen = observe(LIVE, market, began_at=BEGAN, now=BEGAN + after_s, remaining_work_s=40 - after_s / 2)
    assert (seen.running, seen.spot_available, len(seen.history)) == (running, is_available, int(after_s))
    assert decide(seen) is chosen


@pytest.mark.parametrize(
    ("events", "history", "is_available", "running"),
    [
        ([], "1111", True, Capacity.NONE),
        ([(0.5, "probe", {"granted": False})], "0000", False, Capacity.NONE),
        ([(0.5, "probe", {"granted": False}), (2.5, "probe", {"granted": True})], "0011", True, Capacity.NONE),
        ([(0.2, "probe", {"granted": False}), (0.8, "probe", {"granted": True})], "1111", True, Capacity.NONE),
        ([(0.5, "started", {"is_spot": True})], "1111", True, Capacity.SPOT),
        ([(0.5, "started", {"is_spot": True}), (1.5, "preempted", {})], "1000", False, Capacity.NONE),
        ([(0.5, "started", {"is_spot": True}), (1.5, "stopping", {})], "1111", True, Capacity.NONE),
        ([(0.1, "probe", {"granted": False}), (0.5, "started", {"is_spot": False})], "0000", False,
         Capacity.ON_DEMAND),
        ([(-5.0, "probe", {"granted": False}), (9.0, "preempted", {})], "1111", True, Capacity.NONE),
    ],
)  # fmt: skip
def test_steps_are_filled_by_what_ran_and_by_the_last_answer(
    events: list[tuple[float, str, dict[str, object]]], history: str, is_available: bool, running: Capacity
) -> None:
    line = [{"at": 100 + at, "type": kind, **fields} for at, kind, fields in events]
    found = told(line, began_at=100, now=104, step_s=1)
    assert "".join("01"[there] for there in found.history) == history
    assert (found.is_available, found.running) == (is_available, running)


@given(st.floats(0, 3000), st.floats(0.5, 600))
def test_there_is_one_entry_for_each_whole_step(elapsed_s: float, step_s: float) -> None:
    found = told([{"at": 1.0, "type": "started", "is_spot": True}], began_at=0, now=elapsed_s, step_s=step_s)
    assert len(found.history) == int(elapsed_s / step_s)
