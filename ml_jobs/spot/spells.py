"""How long spot lasts and how long it stays away, learned from its history.

Availability is a semi-Markov chain: a spell of either kind ends with a chance that depends on its age, in classes that
double in width. Measured spot markets have many short spells and a few long ones (cv above 1), which a chance that
ignores age would take for each other. What has been seen is weighed against a prior as if that had been seen `WEIGHT`
times in each class; the prior is the same for both kinds: a chance that falls with the root of the age.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby, pairwise

AGES = (1, 2, 3, 5, 9, 17, 33)
"""The first age, in steps, of each class; the last one is open."""
CLASSES = len(AGES)
WEIGHT = 8.0
LEAST = 0.001
"""Chances are told apart to a thousandth, so that like histories share a table of costs; none is 0."""
PRIOR = tuple(0.3 / age**0.5 for age in AGES)

Hazards = tuple[float, ...]
"""The chance, per class of age, that a spell ends before the next step: spells without spot first, then with it."""

_CLASS = [max(index for index, first in enumerate(AGES) if first <= max(age, 1)) for age in range(AGES[-1] + 1)]
_WIDTHS = tuple(later - first for first, later in pairwise(AGES))


def age_class(age: int) -> int:
    return _CLASS[min(age, AGES[-1])]


def width(index: int) -> int | None:
    """How many ages a class has; None for the open one."""
    return _WIDTHS[index] if index < len(_WIDTHS) else None


def as_bytes(history: Sequence[bool]) -> bytes:
    """One byte a step, 0 or 1."""
    return bytes(map(bool, history))


def age(history: bytes, now: bool) -> int:
    """How many steps the present spell has lasted, the step at hand included."""
    return 1 + len(history) - len(history.rstrip(b"\x01" if now else b"\x00"))


@lru_cache(maxsize=256)
def hazards(history: bytes) -> Hazards:
    """What the history says of both kinds of spells, with the prior. The first spell counts as if it began there."""
    ended = [[0] * CLASSES, [0] * CLASSES]
    lasted = [[0] * CLASSES, [0] * CLASSES]
    spells = [(kind, sum(1 for _ in steps)) for kind, steps in groupby(history)]
    for number, (kind, length) in enumerate(spells):
        is_over = number + 1 < len(spells)
        seen = length if is_over else length - 1  # what follows the last step is not known yet
        for index, first in enumerate(AGES):
            if first > seen:
                break
            span = width(index)
            lasted[kind][index] += seen - first + 1 if span is None else min(span, seen - first + 1)
        if is_over:
            ended[kind][age_class(length)] += 1
    return tuple(
        max(LEAST, round((ended[kind][index] + WEIGHT * PRIOR[index]) / (lasted[kind][index] + WEIGHT), 3))
        for kind in (0, 1)
        for index in range(CLASSES)
    )
