"""Which of a stack's pools runs a job."""

from __future__ import annotations

from catalog.errors import UserError, did_you_mean
from ml_jobs.contract import Capacity, JobSpec, Pool, StackContract


def possible(job: JobSpec, stack: StackContract) -> list[Pool]:
    """The pools that can run `job`, spot before on-demand as its capacity says, then the smallest that fits.

    Raises UserError that names what the stack has, when there is none.
    """
    asked = job.resources
    fitting = [
        pool
        for pool in stack.pools
        if pool.accelerator == asked.accelerator and pool.count >= asked.count and pool.max_count >= asked.nodes
    ]
    found = [pool for pool in fitting if _is_allowed(pool, job.capacity)]
    if found:
        return sorted(found, key=lambda pool: (not pool.is_spot, pool.count, pool.usd_per_hour or 0, pool.name))
    raise UserError(
        f"job {job.name} asks for {asked.nodes} x {_unit(asked.accelerator, asked.count)} on "
        f"{job.capacity.value.replace('_', ' ')} capacity; stack {stack.stack} has: "
        f"{', '.join(map(_told, stack.pools)) or 'no pools'}",
        _remedy(job, stack, fitting),
    )


def _is_allowed(pool: Pool, capacity: Capacity) -> bool:
    if capacity is Capacity.SPOT_ONLY:
        return pool.is_spot
    return not (capacity is Capacity.ON_DEMAND_ONLY and pool.is_spot)


def _unit(accelerator: str | None, count: int) -> str:
    return f"{count} {accelerator or ('CPU rank' if count == 1 else 'CPU ranks')}"


def _told(pool: Pool) -> str:
    market = "spot" if pool.is_spot else "on-demand"
    return f"{pool.name} (up to {pool.max_count} x {_unit(pool.accelerator, pool.count)}, {market})"


def _remedy(job: JobSpec, stack: StackContract, fitting: list[Pool]) -> str:
    if fitting:
        return "Give the job another capacity, as in --capacity spot_preferred, or the stack such a pool."
    kinds = sorted({pool.accelerator for pool in stack.pools if pool.accelerator})
    hint = did_you_mean(job.resources.accelerator, kinds) if job.resources.accelerator else ""
    return hint or "Ask for less with --ranks and --nodes, or add a pool to skywright:training.pools."
