"""How often to save: Young's formula, bounded by what the job allows saving to cost."""

from __future__ import annotations

import math
from collections import deque
from statistics import median

from ml_jobs.contract import Capacity, JobSpec, StackContract

DEFAULT_MTBF_S = 24 * 3600.0
"""Mean time between failures where no pool says better: about what on-demand instances show."""

DEFAULT_SPOT_MTBF_S = 3600.0
"""The same for spot, where nobody says how long it lasts: too short costs a few saves, too long costs work."""


def interval_s(*, cost_s: float, mtbf_s: float, max_overhead: float, save_s: float) -> float:
    """Seconds between two saves.

    Young: sqrt(2 * cost * mtbf) minimises cost / interval + interval / (2 * mtbf). The cost that counts is what a save
    takes from the loop (the snapshot, and the steps that ran slower beside the writer), not how long the write lasts:
    while it lasts, work goes on. The write bounds the interval from below (one save in flight), and so does
    `max_overhead`, the share of the loop's time that saving may take.
    """
    return max(math.sqrt(2 * cost_s * mtbf_s), cost_s / max_overhead, save_s)


def mtbf_s(spec: JobSpec, contract: StackContract, pool: str | None) -> float:
    """Mean time between preemptions of the pool that the job runs in, or the worst of those it could run in."""
    pools = [candidate for candidate in contract.pools if candidate.name == pool] or [
        candidate
        for candidate in contract.pools
        if candidate.accelerator == spec.resources.accelerator
        and not (spec.capacity is Capacity.ON_DEMAND_ONLY and candidate.is_spot)
        and not (spec.capacity is Capacity.SPOT_ONLY and not candidate.is_spot)
    ]
    means = [p.mtbf_s or (DEFAULT_SPOT_MTBF_S if p.is_spot else DEFAULT_MTBF_S) for p in pools]
    return min(means, default=DEFAULT_MTBF_S)


class SaveCosts:
    """What the last saves took: from the loop (`cost_s`) and to be written (`save_s`). Medians of five."""

    def __init__(self) -> None:
        self._costs: deque[float] = deque(maxlen=5)
        self._saves: deque[float] = deque(maxlen=5)

    def add(self, *, cost_s: float, save_s: float) -> None:
        self._costs.append(cost_s)
        self._saves.append(save_s)

    @property
    def is_known(self) -> bool:
        return bool(self._saves)

    @property
    def cost_s(self) -> float:
        return median(self._costs) if self._costs else 0.0

    @property
    def save_s(self) -> float:
        return median(self._saves) if self._saves else 0.0

    @property
    def longest_save_s(self) -> float:
        return max(self._saves, default=1.0)
