"""When a run on on-demand asks for spot again although nobody knows that it is there.

To ask is to stop the run and to submit it to spot: what is refused costs one restart. So a run asks when that is worth
it by the chance that somebody tells, or by what its history says of spot, and after refusals less and less often.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ml_jobs.spot.costs import chain
from ml_jobs.spot.spells import CLASSES, age, age_class, as_bytes, hazards

TRIED = "tried"
"""The event of a run that leaves on-demand for spot on a chance."""
APART = 10.0
"""Restart overheads that on-demand runs before a try; twice as many after each that was refused."""


def belief(history: Sequence[bool], known: int) -> float:
    """The chance that spot is there in the step after `history`, whose first `known` steps alone are known.

    By the chain that those steps teach: from the last answer towards the share of time that spot is there at all.
    """
    seen = as_bytes(history[:known])
    chances = chain(hazards(seen)).astype(float)
    spells = np.zeros(2 * CLASSES)
    if seen:
        last = bool(seen[-1])
        spells[CLASSES * last + age_class(age(seen[:-1], last))] = 1.0
        spells = spells @ np.linalg.matrix_power(chances, len(history) - known + 1)
    else:  # nothing is known: any time is as good as any other
        spells[:] = 1 / len(spells)
        spells = spells @ np.linalg.matrix_power(chances, 4096)
    return float(spells[CLASSES:].sum())


def rests_until(events: Iterable[Mapping[str, Any]], overhead_s: float, since: float) -> float:
    """Until when (POSIX seconds) on-demand that was started at `since` is not left for a try. Pure.

    Longer after each try that spot has not answered by running.
    """
    refused = 0
    for event in events:
        if event.get("type") == TRIED:
            refused += 1
        elif event.get("type") == "started" and event.get("is_spot"):
            refused = 0
    return since + APART * overhead_s * float(2**refused)
