"""What a job's capacity costs an hour, as far as its stack's contract tells."""

from __future__ import annotations

from catalog.errors import UserError
from ml_jobs.contract import JobSpec, StackContract
from ml_jobs.launch.pools import possible


def usd_per_hour(spec: JobSpec, contract: StackContract, pool: str | None) -> float | None:
    """USD an hour of all nodes, on `pool` or where all possible pools cost the same; None where that is not known."""
    named = [candidate for candidate in contract.pools if candidate.name == pool]
    try:
        prices = {candidate.usd_per_hour for candidate in named or possible(spec, contract)}
    except UserError:
        return None
    price = prices.pop() if len(prices) == 1 else None
    return None if price is None else price * spec.resources.nodes
