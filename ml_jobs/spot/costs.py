"""What the rest of a job is expected to cost under the best decisions, by dynamic programming.

The unit of time is a step and that of cost an on-demand step. The state is the steps left, the slack (steps left less
work left), the spell (kind and class of age) and what runs. Work keeps the slack, waiting takes one step of it and a
start takes the restart overhead: so a table over slack needs no axis for work, and only the slacks that can still come.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ml_jobs.spot.spells import CLASSES, Hazards, width

NONE, SPOT, ON_DEMAND = 0, 1, 2
LATE = 5.0
"""Cost of a step beyond the deadline. Decisions that could come to that are not offered; this only bends the edge."""
POINTS = 72
"""About how many slacks a table has."""


@dataclass(frozen=True, slots=True)
class Costs:
    """`expected[steps left, what runs, spell, slack]`, before it is known whether spot is there in the next step."""

    expected: npt.NDArray[np.float32]
    spacing: float

    def at(self, steps_left: int, running: int, spell: int, work: float) -> float:
        """With `work` steps of work (and pending overhead) left and the present spell as it is now."""
        if work <= 0:
            return 0.0
        slack = steps_left - work
        late = 0.0
        if slack < 0:
            late, slack = -slack * LATE, 0.0
        row = self.expected[min(steps_left, len(self.expected) - 1), running, spell]
        place = slack / self.spacing
        index = min(int(place), len(row) - 2)
        share = place - index
        return float(row[index] * (1 - share) + row[index + 1] * share) + late


def chain(hazards: Hazards) -> npt.NDArray[np.float32]:
    """Chances from spell to spell, (2 CLASSES, 2 CLASSES): spells without spot first. Rows sum to 1."""
    chances = np.zeros((2 * CLASSES, 2 * CLASSES), np.float32)
    for kind in (0, 1):
        for index in range(CLASSES):
            here = kind * CLASSES + index
            ends = hazards[here]
            span = width(index)
            grows = 0.0 if span is None else 1 / span
            chances[here, (1 - kind) * CLASSES] += ends
            chances[here, here] += (1 - ends) * (1 - grows)
            if grows:
                chances[here, here + 1] += (1 - ends) * grows
    return chances


@lru_cache(maxsize=16)
def costs(hazards: Hazards, overhead: float, price: float, steps: int, slack: int) -> Costs:
    """The table for up to `steps` steps and `slack` steps of slack. `price`: spot's share of on-demand's."""
    spacing = max(1.0, slack / POINTS)
    slacks = np.arange(math.ceil(slack / spacing) + 1, dtype=np.float32) * np.float32(spacing)
    after_wait, wait_late = _shift(slacks, 1.0, spacing)
    after_start, start_late = _shift(slacks, overhead, spacing)
    shifts = np.concatenate([after_wait, after_start], axis=1)
    chances = chain(hazards)
    points, spells = len(slacks), len(chances)
    expected = np.zeros((steps + 1, 3, spells, points), np.float32)
    best = np.empty((3, spells, points), np.float32)
    share = np.float32(price)
    for left in range(1, steps + 1):
        then = expected[left - 1]
        moved = then.reshape(-1, points) @ shifts
        waited = moved[:, :points].reshape(then.shape)[NONE] + wait_late
        started = moved[:, points:].reshape(then.shape) + start_late
        on_demand = 1 + started[ON_DEMAND]
        np.minimum(waited, on_demand, out=best[NONE])
        np.minimum(waited, 1 + then[ON_DEMAND], out=best[ON_DEMAND])
        spot = share + started[SPOT, CLASSES:]
        for running in (NONE, ON_DEMAND):
            np.minimum(best[running, CLASSES:], spot, out=best[running, CLASSES:])
        best[SPOT] = best[NONE]
        np.minimum(best[SPOT, CLASSES:], share + then[SPOT, CLASSES:], out=best[SPOT, CLASSES:])
        best[:, :, math.ceil(left / spacing) :] = 0  # as much slack as steps: no work left
        np.matmul(chances, best, out=expected[left])
    return Costs(expected, spacing)


def _shift(slacks: npt.NDArray[np.float32], by: float, spacing: float) -> tuple[Any, Any]:
    """What takes costs by slack to those with `by` steps of slack less: a matrix, and what being late adds."""
    points = len(slacks)
    place = np.clip(slacks - np.float32(by), 0, None) / np.float32(spacing)
    index = np.minimum(place.astype(int), points - 2)
    share = (place - index).astype(np.float32)
    matrix = np.zeros((points, points), np.float32)
    columns = np.arange(points)
    matrix[index, columns] += 1 - share
    matrix[index + 1, columns] += share
    return matrix, np.clip(np.float32(by) - slacks, 0, None) * np.float32(LATE)
