"""What the planner sees, and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


class Capacity(str, Enum):
    """What runs in a step."""

    NONE = "none"
    SPOT = "spot"
    ON_DEMAND = "on_demand"


@dataclass(frozen=True, slots=True)
class Observation:
    """A job at the start of a step. Times in seconds, prices in USD per hour.

    `elapsed_s` and `deadline_s` count from the job's start; `step_s` is how long the decision holds.
    `remaining_work_s`: useful work still to do, overheads excluded. `restart_overhead_s` is lost at each start on new
    capacity; `pending_overhead_s`: what the capacity now running still has to pay of it. `running`: what ran until now,
    NONE after a preemption. `spot_available`: in the step to be decided. `history`: spot availability at every earlier
    step, oldest first.
    """

    elapsed_s: float
    step_s: float
    remaining_work_s: float
    deadline_s: float
    restart_overhead_s: float
    pending_overhead_s: float
    running: Capacity
    spot_available: bool
    spot_price: float
    on_demand_price: float
    history: Sequence[bool]
