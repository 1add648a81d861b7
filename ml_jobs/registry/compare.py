"""A version's evaluation against the production version's: better, worse or equal, metric by metric. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

PRIMARY = "primary"
HIGHER_IS_BETTER = "higher_is_better"

_LOWER = ("loss", "error", "mae", "mse", "rmse", "mape", "brier", "perplexity", "latency", "seconds", "_s", "_ms")
_HIGHER = ("accuracy", "precision", "recall", "f1", "auc", "r2", "score", "recall", "iou", "bleu", "throughput")


class Verdict(str, Enum):
    BETTER = "better"
    WORSE = "worse"
    EQUAL = "equal"
    CHANGED = "changed"
    """Differs, but nobody said which direction is the good one."""
    NEW = "new"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Row:
    metric: str
    current: float | None
    candidate: float | None
    verdict: Verdict
    is_primary: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """`regression` says in one line why the candidate needs an override; None when it needs none."""

    rows: tuple[Row, ...]
    regression: str | None


def direction(metric: str, evaluation: Mapping[str, Any]) -> bool | None:
    """Whether higher is better; None when neither the evaluation nor the metric's name says so."""
    if metric == evaluation.get(PRIMARY) and isinstance(evaluation.get(HIGHER_IS_BETTER), bool):
        return bool(evaluation[HIGHER_IS_BETTER])
    name = metric.lower()
    if any(name.endswith(word) or word in name.split("_") for word in _LOWER):
        return False
    if any(word in name for word in _HIGHER):
        return True
    return None


def compare(candidate: Mapping[str, Any], current: Mapping[str, Any] | None) -> Comparison:
    """`candidate`'s evaluation against `current`'s (None: nothing is in production, nothing can regress).

    It is a regression when the primary metric got worse, is not a finite number any more, is missing, or is another
    metric or direction than before, so that the two can't be compared.
    """
    before = current or {}
    primary = candidate.get(PRIMARY)
    names = sorted(set(_metrics(candidate)) | set(_metrics(before)), key=lambda name: (name != primary, name))
    rows = tuple(_row(name, candidate, before, is_primary=name == primary) for name in names)
    return Comparison(rows, None if current is None else _regression(candidate, current))


def _metrics(evaluation: Mapping[str, Any]) -> dict[str, float]:
    return {
        name: float(value)
        for name, value in evaluation.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def _row(name: str, candidate: Mapping[str, Any], current: Mapping[str, Any], *, is_primary: bool) -> Row:
    new, old = _metrics(candidate).get(name), _metrics(current).get(name)
    if old is None or new is None:
        return Row(name, old, new, Verdict.NEW if old is None else Verdict.GONE, is_primary)
    return Row(name, old, new, _verdict(new, old, direction(name, candidate)), is_primary)


def _verdict(new: float, old: float, is_higher_better: bool | None) -> Verdict:
    if new == old or (math.isnan(new) and math.isnan(old)):
        return Verdict.EQUAL
    if not math.isfinite(new):
        return Verdict.WORSE
    if not math.isfinite(old):
        return Verdict.BETTER
    if is_higher_better is None:
        return Verdict.CHANGED
    return Verdict.BETTER if (new > old) == is_higher_better else Verdict.WORSE


def _regression(candidate: Mapping[str, Any], current: Mapping[str, Any]) -> str | None:
    primary, before = candidate.get(PRIMARY), current.get(PRIMARY)
    if before is None:
        return None
    if primary != before:
        return f"the primary metric was {before!r} and is {primary!r}: the two can't be compared"
    if direction(primary, candidate) != direction(primary, current):
        return f"the good direction of {primary} is another than in production"
    new, old = _metrics(candidate).get(primary), _metrics(current).get(primary)
    if new is None or not math.isfinite(new):
        return f"{primary} is {'missing' if new is None else new}; in production it is {old}"
    if old is not None and _verdict(new, old, direction(primary, candidate)) in (Verdict.WORSE, Verdict.CHANGED):
        return f"{primary} falls from {old:g} to {new:g}" if new < old else f"{primary} rises from {old:g} to {new:g}"
    return None
