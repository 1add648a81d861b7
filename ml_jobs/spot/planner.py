"""Spot, on-demand or wait: the cheapest decision of those that keep the deadline whatever spot does."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import replace

from catalog.errors import mistake
from ml_jobs.spot.costs import NONE, ON_DEMAND, SPOT, costs
from ml_jobs.spot.observation import Capacity, Observation
from ml_jobs.spot.spells import CLASSES, age, age_class, as_bytes, hazards

MOST_STEPS = 640
"""Steps that a table of costs has at most; shorter steps are planned in blocks."""
LEARNS_AT = (0, 6, 12, 24, 36, 48, 72, 96, 144, 192, 240, 288, 336, 384, 480, 600)
"""Lengths of history at which what it says is weighed anew: often while it is new. Beyond, every 120 steps."""
EPSILON = 1e-11
"""Steps: above the rounding of sums, below what any clock tells apart."""
WORTH = 1e-3
"""On-demand steps that spot must save over on-demand, and waiting over either: of equals the one that gets on."""

_RUNNING = {Capacity.NONE: NONE, Capacity.SPOT: SPOT, Capacity.ON_DEMAND: ON_DEMAND}


def decide(seen: Observation) -> Capacity:
    """What to run in the coming step. Pure and deterministic.

    A job whose deadline on-demand can meet now is done by then, whatever spot does: what could take that away is not
    chosen. Where only the spot capacity that runs can still meet it, that goes on. Once nothing can, what
    makes most progress runs. Raises UserError for an observation that can't be.
    """
    _check(seen)
    if seen.remaining_work_s <= 0:
        return Capacity.NONE
    job = _rest(seen)
    options = job.options(seen.spot_available)
    if len(options) == 1:
        return options[0]
    return _cheapest(seen, job, options)


def gain(seen: Observation, chance: float) -> float:
    """On-demand steps that a run on on-demand is expected to save by asking for spot now, there with this chance.

    Staying is counted as on-demand to the end, and a refusal as one more start of it. Minus infinity where a step
    without any work would endanger the deadline. Raises UserError for an observation that can't be.
    """
    _check(seen)
    job = _rest(seen)
    if seen.remaining_work_s <= 0 or seen.on_demand_price <= 0 or Capacity.NONE not in job.options(False):
        return -math.inf
    granted = _expected(replace(seen, spot_available=True), job)(Capacity.SPOT)
    refused = job.work + job.overhead
    return job.needs(Capacity.ON_DEMAND) - chance * granted - (1 - chance) * refused


def _check(seen: Observation) -> None:
    times = (seen.elapsed_s, seen.remaining_work_s, seen.restart_overhead_s, seen.pending_overhead_s,
             seen.spot_price, seen.on_demand_price)  # fmt: skip
    if min(times) >= 0 and seen.step_s > 0 and math.isfinite(sum(times) + seen.step_s + seen.deadline_s):
        return
    for name in ("step_s", "elapsed_s", "remaining_work_s", "deadline_s", "restart_overhead_s", "pending_overhead_s",
                 "spot_price", "on_demand_price"):  # fmt: skip
        value = getattr(seen, name)
        if not math.isfinite(value) or (value < 0 and name != "deadline_s") or (name == "step_s" and value == 0):
            raise mistake(f"observation.{name}", value, "a finite number above 0" if name == "step_s" else "0 or more")


def _rest(seen: Observation) -> _Rest:
    step = seen.step_s
    return _Rest(
        left=(seen.deadline_s - seen.elapsed_s) / step,
        work=seen.remaining_work_s / step,
        overhead=seen.restart_overhead_s / step,
        pending=seen.pending_overhead_s / step,
        running=Capacity.NONE if seen.running is Capacity.SPOT and not seen.spot_available else seen.running,
    )


class _Rest:
    """What is left of a job, in steps."""

    __slots__ = ("in_whole_steps", "left", "overhead", "pending", "running", "work")

    def __init__(self, *, left: float, work: float, overhead: float, pending: float, running: Capacity) -> None:
        self.work, self.overhead, self.pending, self.running = work, overhead, pending, running
        # Whoever counts in whole steps finds the deadline met too, where that can be had.
        whole = math.floor(left + EPSILON)
        self.in_whole_steps = math.ceil(self.needs(Capacity.ON_DEMAND) - EPSILON) <= whole
        self.left = float(whole) if self.in_whole_steps else left

    def needs(self, capacity: Capacity) -> float:
        """Steps until the work is done if `capacity` runs from now on, what it has to pay first included."""
        return self.work + (self.pending if capacity is self.running else self.overhead)

    def options(self, spot_available: bool) -> list[Capacity]:
        """What may run in this step; at least one."""
        keeps = self.running is Capacity.SPOT
        if self.needs(Capacity.ON_DEMAND) > self.left + EPSILON:  # on-demand is too late
            return [Capacity.SPOT] if keeps else [Capacity.ON_DEMAND]
        options = [Capacity.ON_DEMAND]
        if spot_available and self._fits_after(self._after_spot()):
            options.append(Capacity.SPOT)
        if self._fits_after(self.work):
            options.append(Capacity.NONE)
        return options

    def _after_spot(self) -> float:
        """Work left after a step on spot; the deadline may fall into it."""
        pays = self.pending if self.running is Capacity.SPOT else self.overhead
        return self.work - max(0.0, min(1.0, self.left) - pays)

    def _fits_after(self, work: float) -> bool:
        """Whether on-demand, started one step from now, is done in time."""
        if work <= EPSILON:
            return True
        needed = work + self.overhead
        return (math.ceil(needed - EPSILON) if self.in_whole_steps else needed - EPSILON) <= self.left - 1


def _cheapest(seen: Observation, job: _Rest, options: list[Capacity]) -> Capacity:
    if seen.on_demand_price <= 0:
        return Capacity.ON_DEMAND
    expected = _expected(seen, job)
    best, least = options[0], math.inf
    for capacity in options:
        cost = expected(capacity)
        if cost < least - WORTH:
            best, least = capacity, cost
    return best


def _expected(seen: Observation, job: _Rest) -> Callable[[Capacity], float]:
    """What the rest of the job is expected to cost, in on-demand steps, by what runs in the coming step."""
    price = seen.spot_price / seen.on_demand_price
    history = as_bytes(seen.history)
    learned = _learns_at(len(history))
    all_left = job.left + len(history) - learned  # as it was when the history was weighed: one table until the next
    block = max(1, math.ceil(all_left / MOST_STEPS))
    table = costs(
        hazards(history[:learned:block]),
        round(job.overhead / block, 3),
        round(price, 3),
        math.ceil(all_left / block),
        _rounded_up((job.left - job.work) / block),
    )
    spell = age_class(math.ceil(age(history, seen.spot_available) / block)) + CLASSES * seen.spot_available
    left = int((job.left - 1) / block)

    def expected(capacity: Capacity) -> float:
        if capacity is Capacity.NONE:
            paid, work = 0.0, job.work
        else:
            paid, work = price if capacity is Capacity.SPOT else 1.0, job.needs(capacity) - 1
        return paid + block * table.at(left, _RUNNING[capacity], spell, work / block)

    return expected


def _learns_at(length: int) -> int:
    if length < LEARNS_AT[-1]:
        return LEARNS_AT[bisect_right(LEARNS_AT, length) - 1]
    return length - length % 120


def _rounded_up(slack: float) -> int:
    """To 6, 12, 24, 36, 48 and so on: slack shrinks, and one table serves a while."""
    if slack <= 12:
        return 6 if slack <= 6 else 12
    return 12 * math.ceil(slack / 12)
