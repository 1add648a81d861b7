"""Alert rules as Cloud Monitoring evaluates them. Pure.

https://cloud.google.com/monitoring/api/metrics_gcp_a_b#gcp-aiplatform names the metrics of Vertex,
https://cloud.google.com/monitoring/api/v3/kinds-and-types says which aligner takes which kind.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from catalog.errors import mistake
from ml_jobs.contract import AlertRule, Metric

ENDPOINT = "aiplatform.googleapis.com/Endpoint"
ONLINE = "aiplatform.googleapis.com/prediction/online"
SHORTEST_S = 60
"""Periods and durations are whole minutes."""
LONGEST_ABSENT_S = 84_600
"""23.5 hours; below two minutes a missing point would be an alarm."""

ENDPOINT_METRICS = frozenset({Metric.REQUEST_RATE, Metric.ERROR_RATIO, Metric.LATENCY, Metric.REPLICAS_READY})


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose series: `endpoint_id` of the Vertex endpoint; `custom`: beginning of the stack's own metric types;
    `logged`: of the names of its log-based metrics."""

    endpoint_id: str
    custom: str
    logged: str


@dataclass(frozen=True, slots=True)
class Aggregation:
    period_s: int
    aligner: str
    reducer: str


@dataclass(frozen=True, slots=True)
class Threshold:
    filter: str
    aggregations: tuple[Aggregation, ...]
    comparison: str
    value: float
    duration_s: int
    denominator: str | None = None


@dataclass(frozen=True, slots=True)
class Absent:
    filter: str
    aggregation: Aggregation
    duration_s: int


_PERCENTILES = {"p50": "50", "p95": "95", "p99": "99"}
_GAUGE = {
    "avg": ("ALIGN_MEAN", "REDUCE_MEAN"),
    "sum": ("ALIGN_SUM", "REDUCE_SUM"),
    "min": ("ALIGN_MIN", "REDUCE_MIN"),
    "max": ("ALIGN_MAX", "REDUCE_MAX"),
    **{name: (f"ALIGN_PERCENTILE_{digits}", f"REDUCE_PERCENTILE_{digits}") for name, digits in _PERCENTILES.items()},
}
FOLDS: dict[str, Mapping[str, tuple[str, str]]] = {
    "rate": {"avg": ("ALIGN_RATE", "REDUCE_SUM")},
    "ratio": {"avg": ("ALIGN_RATE", "REDUCE_SUM")},
    "distribution": {
        "avg": ("ALIGN_DELTA", "REDUCE_MEAN"),
        **{name: ("ALIGN_DELTA", f"REDUCE_PERCENTILE_{digits}") for name, digits in _PERCENTILES.items()},
    },
    "gauge": _GAUGE,
    "total": {
        "avg": ("ALIGN_MEAN", "REDUCE_SUM"),
        "min": ("ALIGN_MIN", "REDUCE_SUM"),
        "max": ("ALIGN_MAX", "REDUCE_SUM"),
    },
    "count": {"sum": ("ALIGN_DELTA", "REDUCE_SUM")},
}
"""Aligner of each series and reducer of all, by the kind of metric and the rule's aggregation."""

KINDS: dict[Metric, str] = {
    Metric.REQUEST_RATE: "rate",
    Metric.ERROR_RATIO: "ratio",
    Metric.LATENCY: "distribution",
    Metric.REPLICAS_READY: "total",
    Metric.JOB_FAILURES: "count",
    Metric.PREEMPTIONS: "count",
    **dict.fromkeys(
        (
            Metric.QUEUE_WAIT, Metric.STEP_TIME, Metric.GOODPUT, Metric.ACCELERATOR_UTILISATION,
            Metric.ACCELERATOR_MEMORY, Metric.ACCELERATOR_ERRORS, Metric.SPEND_RATIO,
        ),
        "gauge",
    ),
}  # fmt: skip
_VERTEX = {
    Metric.REQUEST_RATE: "prediction_count",
    Metric.ERROR_RATIO: "error_count",
    Metric.LATENCY: "prediction_latencies",
    Metric.REPLICAS_READY: "replicas",
}
LOGGED: dict[Metric, str] = {Metric.JOB_FAILURES: "failed", Metric.PREEMPTIONS: "preempted"}
"""Events that jobs write to their logs, which a log-based metric counts."""

_SCALE = {Metric.LATENCY: 1000.0}
"""Vertex counts milliseconds."""


def check(rule: AlertRule, where: str) -> None:
    """Raise UserError for what Cloud Monitoring can't fold."""
    folds = FOLDS[KINDS[rule.metric]]
    if rule.aggregation not in folds:
        raise mistake(
            f"{where}.aggregation", rule.aggregation, f"for {rule.metric.value} on gcp one of {', '.join(folds)}"
        )


def is_custom(metric: Metric) -> bool:
    """Reported by jobs or by the budget's actor: its descriptor must be there before a policy names it."""
    return metric not in _VERTEX and metric not in LOGGED


def type_of(metric: Metric, scope: Scope) -> str:
    """The metric type that a rule on it watches."""
    if metric in _VERTEX:
        return f"{ONLINE}/{_VERTEX[metric]}"
    if metric in LOGGED:
        return f"logging.googleapis.com/user/{scope.logged}-{LOGGED[metric]}"
    return f"{scope.custom}/{metric.value}"


def filter_of(metric: Metric, scope: Scope) -> str:
    said = [f'metric.type="{type_of(metric, scope)}"']
    if metric in _VERTEX:
        said += [f'resource.type="{ENDPOINT}"', f'resource.labels.endpoint_id="{scope.endpoint_id}"']
    elif metric in LOGGED:
        said.append('resource.type="ml_job"')
    else:
        said.append('resource.type="global"')
    return " AND ".join(said)


def threshold(rule: AlertRule, scope: Scope) -> Threshold:
    """The rule's condition."""
    aligner, reducer = FOLDS[KINDS[rule.metric]][rule.aggregation]
    denominator = None
    if rule.metric is Metric.ERROR_RATIO:
        denominator = filter_of(Metric.REQUEST_RATE, scope)
    return Threshold(
        filter=filter_of(rule.metric, scope),
        aggregations=(Aggregation(minutes(rule.window_s), aligner, reducer),),
        comparison="COMPARISON_GT" if rule.comparison.startswith(">") else "COMPARISON_LT",
        value=_bound(rule.comparison, rule.threshold * _SCALE.get(rule.metric, 1.0)),
        duration_s=minutes(rule.for_s) if rule.for_s else 0,
        denominator=denominator,
    )


def absent(rule: AlertRule, scope: Scope) -> Absent | None:
    """The condition that nothing was heard, where the rule calls that an alarm."""
    if rule.absent != "alarm":
        return None
    aligner, reducer = FOLDS[KINDS[rule.metric]][rule.aggregation]
    waits = min(max(minutes(rule.window_s) + minutes(rule.for_s or 0), 2 * SHORTEST_S), LONGEST_ABSENT_S)
    return Absent(filter_of(rule.metric, scope), Aggregation(minutes(rule.window_s), aligner, reducer), waits)


def burn(scope: Scope, *, long_s: int, short_s: int, limit: float) -> str:
    """PromQL: the share of wrong answers is above `limit`, over the long window and still over the short one.

    https://cloud.google.com/monitoring/promql/promql-mapping says how types become names.
    """
    chosen = f'{{monitored_resource="{ENDPOINT}",endpoint_id="{scope.endpoint_id}"}}'
    prefix = "aiplatform_googleapis_com:prediction_online"

    def ratio(seconds: int) -> str:
        errors, all_of_them = f"{prefix}_error_count{chosen}", f"{prefix}_prediction_count{chosen}"
        return f"sum(rate({errors}[{seconds}s])) / sum(rate({all_of_them}[{seconds}s]))"

    return f"({ratio(long_s)} > {limit}) and ({ratio(short_s)} > {limit})"


def minutes(seconds: float) -> int:
    """In seconds, rounded up to whole minutes."""
    return max(SHORTEST_S, math.ceil(seconds / 60) * 60) if seconds else 0


def _bound(comparison: str, value: float) -> float:
    """Cloud Monitoring knows > and < alone: at least `value` is more than the number just below it.

    https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.alertPolicies#comparisontype
    """
    if comparison == ">=":
        return math.nextafter(value, -math.inf)
    return math.nextafter(value, math.inf) if comparison == "<=" else value
