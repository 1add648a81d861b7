"""How much work a run keeps under failures, beside the best that a fixed interval could keep. Simulated: pure."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from ml_jobs.runtime.interval import SaveCosts, interval_s

STEP_S = 1.0


def goodput(
    *,
    failures: int,
    mtbf: float,
    cost: float,
    save: float,
    restart: float,
    wait: Callable[[SaveCosts], float],
    seed: int,
) -> float:
    """Useful over held time. Failures come at exponential times; a save blocks for about `cost` seconds and stands
    about `save` later, work going on meanwhile; what stands not yet is lost with the failure, and so is `restart`.
    """
    chance = random.Random(seed)
    held = useful = 0.0
    for _ in range(failures):
        left = chance.expovariate(1 / mtbf)
        held += left
        costs, now, done = SaveCosts(), restart, 0.0  # a process starts without knowing what a save takes
        stands, pending = 0.0, None
        since = 0.0
        while now < left:
            if pending is not None and now >= pending[0]:
                stands, pending = pending[1], None
            is_due = since >= wait(costs) if costs.is_known else done > 0
            if pending is None and is_due:
                noise = chance.uniform(0.7, 1.3)
                now += cost * noise
                pending, since = (now + save * noise, done), 0.0
                costs.add(cost_s=cost * noise, save_s=save * noise)
                continue
            now, done, since = now + STEP_S, done + STEP_S, since + STEP_S
        useful += pending[1] if pending is not None and pending[0] <= left else stands
    return useful / held


@pytest.mark.parametrize(
    ("cost", "save", "mtbf", "restart"), [(0.5, 5, 3600, 30), (2, 30, 3600, 60), (0.1, 2, 900, 10), (0.02, 0.5, 300, 5)]
)
@pytest.mark.parametrize("wrong", [1.0, 2.0])
def test_goodput_is_at_least_98_percent_of_youngs_optimum(cost, save, mtbf, restart, wrong):
    """Also when the stack's mean time between failures is off by a factor of two."""
    same = {"failures": 150, "mtbf": mtbf, "cost": cost, "save": save, "restart": restart, "seed": 1}
    young = math.sqrt(2 * cost * mtbf)
    best = max(goodput(**same, wait=lambda _, by=by: by * young) for by in (0.5, 0.7, 1.0, 1.4, 2.0))
    ours = goodput(
        **same,
        wait=lambda costs: interval_s(cost_s=costs.cost_s, mtbf_s=mtbf * wrong, max_overhead=0.02, save_s=costs.save_s),
    )
    assert ours >= 0.98 * best, (ours, best)


def test_the_model_tells_a_bad_interval_from_a_good_one():
    same = {"failures": 150, "mtbf": 3600.0, "cost": 2.0, "save": 30.0, "restart": 60.0, "seed": 1}
    best = goodput(**same, wait=lambda _: 120.0)
    assert goodput(**same, wait=lambda _: 1800.0) < 0.9 * best and goodput(**same, wait=lambda _: 30.0) < 0.98 * best
