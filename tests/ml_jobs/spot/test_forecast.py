"""What a job is told to cost before it is sent, and how policies fare on measured series."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

import pytest

from ml_jobs.spot import decide
from ml_jobs.spot.forecast import forecast, series
from ml_jobs.spot.simulate import Problem, greedy, optimum, replay, score, uniform_progress
from ml_jobs.spot.spells import hazards

SERIES = Path(__file__).parents[2] / "data" / "spot" / "traces.json.gz"
HOUR = 3600
LOOSE = Problem(48 * HOUR, 70 * HOUR, 0.2 * HOUR)
TIGHT = Problem(48 * HOUR, 52 * HOUR, 0.05 * HOUR)


def test_a_market_that_stays_costs_spots_price_and_one_that_is_never_there_on_demands() -> None:
    problem = Problem(5 * HOUR, 8 * HOUR, 0.1 * HOUR)
    steady = forecast(problem, [True] * 3000, markets=10)
    barren = forecast(problem, [False] * 3000, markets=10)
    assert steady.expected_usd == pytest.approx(steady.spot_usd, rel=0.1)
    assert barren.expected_usd == pytest.approx(barren.on_demand_usd, rel=0.1)
    assert steady.on_demand_h == 0 and barren.spot_h < 0.5
    assert steady.saved == pytest.approx(1 - 0.9731 / 3.06, abs=0.05)


def test_a_forecast_is_the_same_every_time_and_within_its_bounds() -> None:
    problem = Problem(10 * HOUR, 15 * HOUR, 0.1 * HOUR)
    told = forecast(problem, markets=12, mtbf_s=2 * HOUR)
    assert told == forecast(problem, markets=12, mtbf_s=2 * HOUR)
    assert told.low_usd <= told.expected_usd <= told.high_usd
    assert told.finished_h <= 15 and told.spot_h + told.on_demand_h >= 10
    assert told.preemptions > 0


def test_drawn_series_are_like_what_they_are_drawn_from() -> None:
    known = hazards(bytes([1] * 12 + [0] * 4) * 80)
    drawn = series(known, 20_000, random.Random(1))
    assert sum(drawn) / len(drawn) == pytest.approx(12 / 16, abs=0.1)


def test_on_measured_series_the_planner_beats_both_rules_and_no_one_beats_the_clairvoyant() -> None:
    """Two series of each place. The whole table is `make bench`'s."""
    places = json.loads(gzip.decompress(SERIES.read_bytes()))["traces"]
    drawn = [[step == "1" for step in item["available"]] for place in places.values() for item in place[::75]]
    for problem in (LOOSE, TIGHT):
        planned = [replay(decide, available, problem) for available in drawn]
        best = max(
            score([replay(policy, available, problem) for available in drawn], problem)
            for policy in (greedy, uniform_progress(problem))
        )
        assert score(planned, problem) > best + 2
        for available, outcome in zip(drawn, planned, strict=True):
            assert outcome.cost_usd >= optimum(available, problem) - 1e-6
