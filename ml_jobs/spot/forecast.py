"""What a job will cost before it is sent: the planner, run against many markets like the one that is known."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from ml_jobs.spot.observation import Capacity
from ml_jobs.spot.planner import decide
from ml_jobs.spot.simulate import Outcome, Problem, replay
from ml_jobs.spot.spells import CLASSES, PRIOR, Hazards, age_class, as_bytes, hazards, width
from ml_jobs.spot.spells import age as age_at

STEPS = 160
"""Steps that a forecast has at most: it samples many markets, and decisions within a few minutes are alike."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Costs in USD, times in hours: the mean, and the range that 8 of 10 markets lie in."""

    expected_usd: float
    low_usd: float
    high_usd: float
    on_demand_usd: float
    spot_usd: float
    finished_h: float
    spot_h: float
    on_demand_h: float
    waiting_h: float
    preemptions: float
    markets: int

    @property
    def saved(self) -> float:
        """Share of the on-demand cost that is not paid."""
        return 1 - self.expected_usd / self.on_demand_usd if self.on_demand_usd else 0.0


def forecast(
    problem: Problem,
    history: Sequence[bool] = (),
    *,
    mtbf_s: float | None = None,
    markets: int = 60,
    seed: int = 0,
) -> Forecast:
    """Expected cost and course of `problem`. Deterministic for a seed.

    Markets are drawn from what `history` (of steps of `problem.step_s`) says with the planner's prior; `mtbf_s`, the
    mean time between preemptions, stands in where there is no history.
    """
    block = max(1, round(problem.deadline_s / problem.step_s / STEPS))
    coarse = Problem(
        problem.work_s, problem.deadline_s, problem.restart_overhead_s, problem.step_s * block,
        problem.spot_price, problem.on_demand_price,
    )  # fmt: skip
    seen = as_bytes(history)[::block]
    known = hazards(seen)
    if not seen and mtbf_s:
        known = (*known[:CLASSES], *lasting(mtbf_s / coarse.step_s))
    steps = int(coarse.deadline_s / coarse.step_s + 1e-6)
    chance = random.Random(seed)
    outcomes = [replay(decide, series(known, steps, chance, seen), coarse) for _ in range(markets)]
    return _told(outcomes, coarse)


def _told(outcomes: Sequence[Outcome], problem: Problem) -> Forecast:
    paid = sorted(outcome.cost_usd for outcome in outcomes)
    count = len(outcomes)

    def hours(capacity: Capacity) -> float:
        return sum(outcome.hours(capacity, problem.step_s) for outcome in outcomes) / count

    finished = [problem.deadline_s if outcome.finished_s is None else outcome.finished_s for outcome in outcomes]
    work_h = (problem.work_s + problem.restart_overhead_s) / 3600
    return Forecast(
        expected_usd=sum(paid) / count,
        low_usd=paid[int(0.1 * (count - 1))],
        high_usd=paid[int(0.9 * (count - 1) + 0.999)],
        on_demand_usd=problem.on_demand_price * work_h,
        spot_usd=problem.spot_price * work_h,
        finished_h=sum(finished) / count / 3600,
        spot_h=hours(Capacity.SPOT),
        on_demand_h=hours(Capacity.ON_DEMAND),
        waiting_h=hours(Capacity.NONE),
        preemptions=sum(outcome.preemptions for outcome in outcomes) / count,
        markets=count,
    )


def series(known: Hazards, steps: int, chance: random.Random, history: bytes = b"") -> list[bool]:
    """A series of availability drawn from the chances that spells end: the history's last spell goes on, or there is
    a new one, of either kind in proportion to their lengths."""
    away, there = mean_length(known[:CLASSES]), mean_length(known[CLASSES:])
    is_there = bool(history[-1]) if history else chance.random() < there / (there + away)
    drawn: list[bool] = []
    age = age_at(history[:-1], is_there) if history else 0
    while len(drawn) < steps:
        age += 1
        drawn.append(is_there)
        if chance.random() < known[CLASSES * is_there + age_class(age)]:
            is_there, age = not is_there, 0
    return drawn


def mean_length(ends: Sequence[float]) -> float:
    """Mean length of a spell, in steps, whose chance to end is given for each class of age."""
    mean, lasts = 0.0, 1.0
    for index, end in enumerate(ends):
        span = width(index)
        if span is None:
            return mean + lasts / end
        for _ in range(span):
            mean += lasts
            lasts *= 1 - end
    return mean


def lasting(steps: float) -> tuple[float, ...]:
    """The prior's chances, all multiplied so that a spell lasts `steps` steps in the mean; 1 step at least."""
    low, high = 1e-6, 1 / PRIOR[0]
    for _ in range(60):
        middle = (low * high) ** 0.5
        if mean_length([min(1.0, middle * end) for end in PRIOR]) > steps:
            low = middle
        else:
            high = middle
    return tuple(min(1.0, high * end) for end in PRIOR)
