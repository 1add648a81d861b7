"""What a stack's pools mean for a job: prices, the overhead of a restart, the length of a step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from catalog.errors import UserError, mistake
from ml_jobs.contract import Capacity, JobSpec, Pool, StackContract
from ml_jobs.launch.jobs import adjusted
from ml_jobs.launch.pools import possible
from ml_jobs.spot.observe import Market

MOST_STEPS = 400
SHORTEST_S, LONGEST_S = 10.0, 600.0
"""A step is a 400th of the deadline, within these."""
LOAD_S = 180.0
"""Assumed for an instance to come, join the peers and load a checkpoint, where no pool says how long one takes."""
JOIN_S = 60.0
"""Assumed of that for joining and loading, where a pool does."""
ASSUMED_SHARE = 0.4
"""Of on-demand's price, where spot's isn't known: clouds publish discounts of up to 60 to 90 %, most days give less."""


@dataclass(frozen=True, slots=True)
class Pools:
    """The pool of either kind that runs a job."""

    spot: Pool
    on_demand: Pool


def pools(job: JobSpec, stack: StackContract) -> Pools | None:
    """None where the job leaves no choice: it may take one kind only, or the stack has pools of one kind only."""
    return split(possible(job, stack), job)


def split(fitting: Sequence[Pool], job: JobSpec) -> Pools | None:
    """The first pool of either kind."""
    spot = [pool for pool in fitting if pool.is_spot]
    on_demand = [pool for pool in fitting if not pool.is_spot]
    if job.capacity is not Capacity.SPOT_PREFERRED or not spot or not on_demand:
        return None
    return Pools(spot[0], on_demand[0])


def start_of(found: Pools) -> float | None:
    """How long the slower of both takes to start, in seconds; None where neither says (0 in the contract)."""
    return max(found.spot.start_s, found.on_demand.start_s) or None


def market(
    job: JobSpec,
    found: Pools,
    *,
    spot_price: float | None = None,
    on_demand_price: float | None = None,
    shortest_s: float = SHORTEST_S,
    load_s: float = LOAD_S,
) -> Market:
    """Prices of the whole gang; those given, per instance hour, go before the pools'.

    Raises UserError where a deadline, an amount of work or on-demand's price is missing, or the work can't fit.
    """
    if job.deadline_s is None or job.estimated_work_s is None:
        missing = "deadline_s" if job.deadline_s is None else "estimated_work_s"
        raise UserError(
            f"job {job.name} has no {missing}, so there is nothing to plan",
            "Give both, as in --deadline 70h --work 48h.",
        )
    demand = found.on_demand.usd_per_hour if on_demand_price is None else on_demand_price
    if demand is None:
        raise UserError(
            f"pool {found.on_demand.name} ({found.on_demand.instance_type}) has no known price",
            "Give it: --on-demand-price USD, of an instance hour; or set the pool's usd_per_hour in the stack.",
        )
    spot = found.spot.usd_per_hour if spot_price is None else spot_price
    overhead_s = load_s
    if (start_s := start_of(found)) is not None:
        overhead_s = start_s + min(load_s, JOIN_S)
    needed_s = job.estimated_work_s + overhead_s
    if needed_s > job.deadline_s:
        raise mistake(
            f"deadline of job {job.name}",
            f"{job.deadline_s:g} s",
            f"at least {needed_s:g} s: {job.estimated_work_s:g} s of work and one start of {overhead_s:g} s",
            "Give it more time, or more ranks and less work each.",
        )
    return Market(
        step_s=min(max(job.deadline_s / MOST_STEPS, shortest_s), LONGEST_S),
        deadline_s=job.deadline_s,
        restart_overhead_s=overhead_s,
        spot_price=(ASSUMED_SHARE * demand if spot is None else spot) * job.resources.nodes,
        on_demand_price=demand * job.resources.nodes,
    )


def terms(job: JobSpec, stack: StackContract) -> Market | None:
    """What the planner needs; None where it has nothing to choose or no deadline to keep.

    Without a known price on-demand counts as 1: it is ratios that decide. Raises UserError for what can't be.
    """
    found = pools(job, stack)
    if found is None or job.deadline_s is None or job.estimated_work_s is None:
        return None
    known = found.on_demand.usd_per_hour
    return market(job, found, on_demand_price=1.0 if known is None else known)


def sent_to(job: JobSpec, capacity: Capacity) -> JobSpec:
    """The job as it is sent to one kind of capacity."""
    return adjusted(job, capacity=capacity)
