"""Rates and quantiles per release from the stored Prometheus counters."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import pairwise
from math import inf
from typing import Any

Sample = tuple[float, float, Mapping[str, str]]
"""(POSIX time, value, labels)."""

BIN_S, BINS, NOW_BINS = 20.0, 30, 3
SPAN_S = BIN_S * BINS
"""What the page shows of the past, and (`NOW_BINS`) what it calls now: ten minutes and one."""


def growth(samples: Iterable[Sample], keys: tuple[str, ...], since: float) -> dict[tuple[str, ...], list[float]]:
    """How much counters grew in each bin of BIN_S seconds from `since`, added up by the values of the labels `keys`.

    A counter that falls was restarted and counts from zero; the first sample of a series counts nothing.
    """
    series: dict[tuple[tuple[str, str], ...], list[tuple[float, float]]] = defaultdict(list)
    for at, value, labels in samples:
        series[tuple(sorted(labels.items()))].append((at, value))
    grown: dict[tuple[str, ...], list[float]] = {}
    for labels_, points in series.items():
        known = dict(labels_)
        bins = grown.setdefault(tuple(known.get(key, "") for key in keys), [0.0] * BINS)
        points.sort()
        for (_, before), (at, value) in pairwise(points):
            index = int((at - since) // BIN_S)
            if 0 <= index < BINS:
                bins[index] += value - before if value >= before else value
    return grown


def quantile(q: float, buckets: Mapping[float, float]) -> float | None:
    """The q-quantile of a histogram given as counts of observations <= each bound, `inf` included.

    Linear inside a bucket; the highest finite bound where it lies beyond. None when nothing was observed.
    """
    bounds = sorted(buckets)
    if not bounds or buckets[bounds[-1]] <= 0:
        return None
    rank, low, below = q * buckets[bounds[-1]], 0.0, 0.0
    for bound in bounds:
        here = buckets[bound]
        if here >= rank:
            if bound == inf or here <= below:
                return low
            return low + (bound - low) * (rank - below) / (here - below)
        low, below = bound, here
    return low


def per_release(requests: Iterable[Sample], buckets: Iterable[Sample], since: float) -> dict[str, dict[str, Any]]:
    """Per release: request rate (1/s), error ratio, p50 and p99 (s) of the last minute, and each bin's rate and p99.

    Errors are answers that are no 2xx, 3xx or 4xx. A value is None where nothing was asked.
    """
    answered = growth(requests, ("release", "code"), since)
    timed = growth(buckets, ("release", "le"), since)
    result: dict[str, dict[str, Any]] = {}
    for release in sorted({key[0] for key in (*answered, *timed)}):
        by_code = {code: bins for (name, code), bins in answered.items() if name == release}
        by_bound = {float(bound): bins for (name, bound), bins in timed.items() if name == release}
        totals = [sum(bins[i] for bins in by_code.values()) for i in range(BINS)]
        wrong = sum(sum(bins[-NOW_BINS:]) for code, bins in by_code.items() if code[:1] not in ("2", "3", "4"))
        now = {bound: sum(bins[-NOW_BINS:]) for bound, bins in by_bound.items()}
        recent = sum(totals[-NOW_BINS:])
        result[release] = {
            "request_rate": recent / (BIN_S * NOW_BINS),
            "error_ratio": wrong / recent if recent else None,
            "p50_s": quantile(0.5, now),
            "p99_s": quantile(0.99, now),
            "rate_bins": [round(total / BIN_S, 3) for total in totals],
            "p99_bins": [quantile(0.99, {bound: bins[i] for bound, bins in by_bound.items()}) for i in range(BINS)],
        }
    return result
