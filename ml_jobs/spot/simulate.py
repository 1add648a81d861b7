"""A job on a spot market that is known: what a policy makes of it, in cost and in time.

The rules are those of the "can't be late" benchmark (https://github.com/FrontierCS/Frontier-CS), in steps: capacity
that is new (another kind than what ran, or spot after a preemption) sets the pending restart overhead, which does not
add up; a step pays that first and then does work; capacity is paid by the whole step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ml_jobs.spot.observation import Capacity, Observation

Policy = Callable[[Observation], Capacity]


@dataclass(frozen=True, slots=True)
class Problem:
    """Times in seconds, prices in USD per hour."""

    work_s: float
    deadline_s: float
    restart_overhead_s: float
    step_s: float = 600
    spot_price: float = 0.9731
    on_demand_price: float = 3.06


@dataclass(frozen=True, slots=True)
class Outcome:
    """`finished_s`: when the work was done, None if the deadline passed before. `ran`: what ran in each step."""

    cost_usd: float
    finished_s: float | None
    preemptions: int
    ran: tuple[Capacity, ...] = field(repr=False)

    def hours(self, capacity: Capacity, step_s: float) -> float:
        return self.ran.count(capacity) * step_s / 3600


def replay(policy: Policy, available: Sequence[bool], problem: Problem, *, is_forced: bool = False) -> Outcome:
    """Run `policy` against a series of availability; steps beyond its end have no spot.

    `is_forced`: on-demand is taken out of the policy's hands once the rest of the work and one overhead no
    longer fit, as the benchmark does; without it a policy answers for the deadline alone.
    """
    step = problem.step_s
    elapsed = cost = pending = 0.0
    left = problem.work_s
    running, preemptions = Capacity.NONE, 0
    ran: list[Capacity] = []
    while left > 1e-6:
        if elapsed + 1e-9 >= problem.deadline_s:
            return Outcome(cost, None, preemptions, tuple(ran))
        number = len(ran)
        has_spot = number < len(available) and bool(available[number])
        if running is Capacity.SPOT and not has_spot:
            running, pending, preemptions = Capacity.NONE, 0.0, preemptions + 1
        seen = Observation(
            elapsed_s=elapsed,
            step_s=step,
            remaining_work_s=left,
            deadline_s=problem.deadline_s,
            restart_overhead_s=problem.restart_overhead_s,
            pending_overhead_s=pending,
            running=running,
            spot_available=has_spot,
            spot_price=problem.spot_price,
            on_demand_price=problem.on_demand_price,
            history=available[:number],
        )
        chosen = policy(seen)
        if is_forced and _is_forced(seen):
            chosen = Capacity.ON_DEMAND
        if chosen is Capacity.SPOT and not has_spot:
            chosen = Capacity.NONE
        ran.append(chosen)
        if chosen is Capacity.NONE:
            running, pending = Capacity.NONE, 0.0
            elapsed += step
            continue
        if chosen is not running:
            running, pending = chosen, problem.restart_overhead_s
        paid = min(pending, step)
        pending -= paid
        used = min(step, paid + left)
        left -= used - paid
        price = problem.spot_price if chosen is Capacity.SPOT else problem.on_demand_price
        cost += price * step / 3600
        elapsed += used if left <= 1e-6 else step
    return Outcome(cost, elapsed if elapsed <= problem.deadline_s + 1e-6 else None, preemptions, tuple(ran))


def _is_forced(seen: Observation) -> bool:
    if seen.running is Capacity.SPOT and seen.spot_available and seen.pending_overhead_s <= 0:
        return False
    needed = math.ceil((seen.remaining_work_s + seen.restart_overhead_s) / seen.step_s - 1e-9) * seen.step_s
    return needed >= seen.deadline_s - seen.elapsed_s - 1e-6


def score(outcomes: Sequence[Outcome], problem: Problem) -> float:
    """100: all on spot; 0: all on-demand. A missed deadline loses all of it."""
    if any(outcome.finished_s is None for outcome in outcomes):
        return -math.inf
    hours = problem.work_s / 3600
    dearest, cheapest = problem.on_demand_price * hours, problem.spot_price * hours
    return 100 * (dearest - sum(outcome.cost_usd for outcome in outcomes) / len(outcomes)) / (dearest - cheapest)


def greedy(seen: Observation) -> Capacity:
    """Spot when it is there, else nothing, until only on-demand meets the deadline."""
    if _is_forced(seen):
        return Capacity.ON_DEMAND
    return Capacity.SPOT if seen.spot_available else Capacity.NONE


def uniform_progress(problem: Problem) -> Policy:
    """Keep the pace that spreads the work evenly until the deadline (Wu et al., "Can't Be Late", NSDI 2024).

    Spot when it is there; without it nothing while ahead of the pace, on-demand while behind. On-demand that runs goes
    on until two overheads ahead, so that a short spell of spot costs no two starts.
    """
    pace = problem.work_s / problem.deadline_s

    def policy(seen: Observation) -> Capacity:
        if _is_forced(seen):
            return Capacity.ON_DEMAND
        ahead_s = problem.work_s - seen.remaining_work_s - seen.elapsed_s * pace
        if seen.running is Capacity.ON_DEMAND and ahead_s < 2 * seen.restart_overhead_s:
            return Capacity.ON_DEMAND
        if seen.spot_available:
            return Capacity.SPOT
        return Capacity.ON_DEMAND if ahead_s < 0 else Capacity.NONE

    return policy


def optimum(available: Sequence[bool], problem: Problem) -> float:
    """The least cost in USD that a clairvoyant could have had on this series. Work is resolved to a tenth of a step."""
    import numpy as np

    tenths = 10
    steps = int(problem.deadline_s / problem.step_s + 1e-6)
    overhead = round(problem.restart_overhead_s / problem.step_s * tenths)
    most = math.ceil(problem.work_s / problem.step_s * tenths - 1e-6) + overhead
    work = np.arange(most + 1)
    on_going = np.maximum(work - tenths, 0)
    on_new = np.minimum(np.maximum(work + overhead - tenths, 0), most)
    hours = problem.step_s / 3600
    none = spot = on_demand = np.where(work > 0, np.inf, 0.0)
    for number in reversed(range(steps)):
        has_spot = number < len(available) and bool(available[number])
        demand_new = on_demand[on_new] + problem.on_demand_price * hours
        demand_on = on_demand[on_going] + problem.on_demand_price * hours
        spot_new = spot[on_new] + problem.spot_price * hours if has_spot else np.inf
        spot_on = spot[on_going] + problem.spot_price * hours if has_spot else np.inf
        fresh = np.minimum(np.minimum(none, demand_new), spot_new)
        now_demand = np.minimum(np.minimum(none, demand_on), spot_new)
        now_spot = np.minimum(fresh, spot_on)
        none, spot, on_demand = (np.where(work > 0, row, 0.0) for row in (fresh, now_spot, now_demand))
    return float(none[most - overhead])
