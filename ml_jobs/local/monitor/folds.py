"""Stored samples folded into one number. Pure.

A counter that falls was restarted: it counts from zero. Times in seconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf

from ml_jobs.local.monitor.catalogue import Source

QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True, slots=True)
class Series:
    """One labelled series, oldest sample first; a counter's begins with the last one before the window, if any."""

    labels: Mapping[str, str]
    points: Sequence[tuple[float, float]]


Samples = Mapping[str, Sequence[Series]]
"""Prometheus name -> its series."""


@dataclass(frozen=True, slots=True)
class Growth:
    """How much a counter grew between two samples: it ended at `at` and took `seconds`."""

    at: float
    seconds: float
    amount: float


def growth(series: Series, start: float, end: float) -> list[Growth]:
    return [
        Growth(at, at - before_at, value - before if value >= before else value)
        for (before_at, before), (at, value) in pairwise(series.points)
        if start < at <= end and at > before_at
    ]


def fold(source: Source, aggregation: str, samples: Samples, start: float, end: float) -> float | None:
    """The samples of the window `start`..`end` as one number; None when there is none to fold."""
    found = samples.get(source.name, ())
    if source.kind == "histogram":
        return _histogram(source, aggregation, samples, start, end)
    if source.kind == "gauge":
        return aggregate(aggregation, [v for series in found for at, v in series.points if start < at <= end])
    if source.kind == "gauge_sum":
        at_once: dict[float, float] = {}
        for series in found:
            for at, value in series.points:
                if start < at <= end:
                    at_once[at] = at_once.get(at, 0.0) + value
        return aggregate(aggregation, list(at_once.values()))
    return _counter(source, aggregation, found, start, end)


def _counter(source: Source, aggregation: str, found: Sequence[Series], start: float, end: float) -> float | None:
    amounts: dict[float, float] = {}
    wrong: dict[float, float] = {}
    spans: dict[float, float] = {}
    for series in found:
        for grown in growth(series, start, end):
            amounts[grown.at] = amounts.get(grown.at, 0.0) + grown.amount
            spans[grown.at] = max(spans.get(grown.at, 0.0), grown.seconds)
            if is_error(series.labels.get("code", "")):
                wrong[grown.at] = wrong.get(grown.at, 0.0) + grown.amount
    if source.kind == "count":
        return aggregate(aggregation, list(amounts.values()))
    if source.kind == "rate":
        if aggregation == "avg":
            return sum(amounts.values()) / sum(spans.values()) if spans else None
        return aggregate(aggregation, [amounts[at] / spans[at] for at in amounts])
    asked = {at: amount for at, amount in amounts.items() if amount > 0}
    if aggregation == "avg":
        return sum(wrong.get(at, 0.0) for at in asked) / sum(asked.values()) if asked else None
    return aggregate(aggregation, [wrong.get(at, 0.0) / amount for at, amount in asked.items()])


def is_error(code: str) -> bool:
    """Whether an answer's code blames the service: anything but 2xx, 3xx, 4xx."""
    return code[:1] not in ("2", "3", "4")


def _histogram(source: Source, aggregation: str, samples: Samples, start: float, end: float) -> float | None:
    buckets: dict[float, float] = {}
    for series in samples.get(f"{source.name}_bucket", ()):
        bound = float(series.labels["le"])
        buckets[bound] = buckets.get(bound, 0.0) + sum(g.amount for g in growth(series, start, end))
    if not buckets or buckets[max(buckets)] <= 0:
        return None
    if aggregation in QUANTILES:
        return bucket_quantile(QUANTILES[aggregation], buckets)
    if aggregation == "min":
        return bucket_quantile(0.0, buckets)
    if aggregation == "max":
        return bucket_quantile(1.0, buckets)
    seconds = sum(g.amount for series in samples.get(f"{source.name}_sum", ()) for g in growth(series, start, end))
    return seconds if aggregation == "sum" else seconds / buckets[max(buckets)]


def bucket_quantile(q: float, buckets: Mapping[float, float]) -> float:
    """The q-quantile of counts of observations <= each bound, linear inside a bucket.

    Beyond the highest finite bound nothing is known: that bound is the answer.
    """
    rank, low, below = q * buckets[max(buckets)], 0.0, 0.0
    for bound in sorted(buckets):
        here = buckets[bound]
        if here > below and here >= rank:
            return low if bound == inf else low + (bound - low) * (rank - below) / (here - below)
        if bound != inf:
            low, below = bound, here
    return low


def aggregate(aggregation: str, values: Sequence[float]) -> float | None:
    if not values:
        return None
    if aggregation == "sum":
        return sum(values)
    if aggregation == "min":
        return min(values)
    if aggregation == "max":
        return max(values)
    if aggregation in QUANTILES:
        return _quantile(QUANTILES[aggregation], sorted(values))
    return sum(values) / len(values)


def _quantile(q: float, ordered: Sequence[float]) -> float:
    place = q * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)
