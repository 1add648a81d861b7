"""What a stack's pools mean for a job: prices, the overhead of a restart, the length of a step."""

from __future__ import annotations

from dataclasses import dataclass

from catalog.errors import UserError, mistake
from ml_jobs.contract import Capacity, JobSpec, Pool, StackContract
from ml_jobs.launch.jobs import adjusted
from ml_jobs.launch.pools import possible
from ml_jobs.spot.observe import Market

MOST_STEPS = 400
SHORTEST_S, LONGEST_S = 10.0, 600.0
"""A step is a 400th of the deadline, within these."""
LOAD_S = 60.0
"""Assumed for joining the peers and loading a checkpoint, beyond the time that a pool takes to start."""


@dataclass(frozen=True, slots=True)
class Pools:
    """The pool of either kind that runs a job."""

    spot: Pool
    on_demand: Pool


def pools(job: JobSpec, stack: StackContract) -> Pools | None:
    """None where the job leaves no choice: it may take one kind only, or the stack has pools of one kind only."""
    if job.capacity is not Capacity.SPOT_PREFERRED:
        return None
    fitting = possible(job, stack)
    spot = [pool for pool in fitting if pool.is_spot]
    on_demand = [pool for pool in fitting if not pool.is_spot]
    return Pools(spot[0], on_demand[0]) if spot and on_demand else None


def market(job: JobSpec, found: Pools, *, step_s: float | None = None) -> Market:
    """Prices of the whole gang. Raises UserError where a deadline, an amount of work or a price is missing."""
    if job.deadline_s is None or job.estimated_work_s is None:
        missing = "deadline_s" if job.deadline_s is None else "estimated_work_s"
        raise UserError(
            f"job {job.name} has no {missing}, so there is nothing to plan",
            "Give both, as in --deadline 70h --work 48h.",
        )
    prices = []
    for pool in (found.spot, found.on_demand):
        if pool.usd_per_hour is None:
            raise UserError(
                f"pool {pool.name} ({pool.instance_type}) has no known price",
                "Set it in the stack (usd_per_hour of the pool), or give --spot-price and --on-demand-price.",
            )
        prices.append(pool.usd_per_hour * job.resources.nodes)
    overhead_s = max(found.spot.start_s, found.on_demand.start_s) + LOAD_S
    if job.estimated_work_s + overhead_s > job.deadline_s:
        raise mistake(
            f"deadline of job {job.name}",
            job.deadline_s,
            f"at least {job.estimated_work_s + overhead_s:g} s: the work ({job.estimated_work_s:g} s) and one start "
            f"({overhead_s:g} s)",
            "Give it more time, or more ranks and less work each.",
        )
    step = step_s or min(max(job.deadline_s / MOST_STEPS, SHORTEST_S), LONGEST_S)
    return Market(step, job.deadline_s, overhead_s, prices[0], prices[1])


def sent_to(job: JobSpec, capacity: Capacity) -> JobSpec:
    """The job as it is sent to one kind of capacity."""
    return adjusted(job, capacity=capacity)
