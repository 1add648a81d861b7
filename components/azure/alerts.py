"""Alert rules as Azure Monitor evaluates them: metric alerts on the endpoint, log queries for the rest. Pure.

https://learn.microsoft.com/azure/machine-learning/monitor-azure-machine-learning-reference names metrics and tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from catalog.errors import mistake
from ml_jobs.contract import AlertRule, Metric

SEVERITIES = {"info": 3, "warning": 2, "critical": 0}
OPERATORS = {">": "GreaterThan", ">=": "GreaterThanOrEqual", "<": "LessThan", "<=": "LessThanOrEqual"}
METRIC_WINDOWS_S = (60, 300, 900, 1800, 3600, 21_600, 43_200, 86_400)
"""https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-create-metric-alert-rule"""
QUERY_WINDOWS_S = (300, 600, 900, 1800, 2700, 3600, 7200, 10_800, 14_400, 18_000, 21_600, 86_400)
"""https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-create-log-alert-rule"""
FREQUENCIES_S = (60, 300, 900, 1800, 3600)
MAX_PERIODS = 6

FOLDS = {"avg": "Average", "min": "Minimum", "max": "Maximum"}
KQL_FOLDS = {
    "avg": "avg({0})", "sum": "sum({0})", "min": "min({0})", "max": "max({0})", "p50": "percentile({0}, 50)",
    "p90": "percentile({0}, 90)", "p95": "percentile({0}, 95)", "p99": "percentile({0}, 99)",
}  # fmt: skip

ENDPOINT_METRICS = frozenset({Metric.REQUEST_RATE, Metric.ERROR_RATIO, Metric.LATENCY, Metric.REPLICAS_READY})
REQUESTS = "AmlOnlineEndpointTrafficLog"
SPEND_LOG = "skywright_spend_ratio"
"""What the budget's actor prints before the ratio."""


@dataclass(frozen=True, slots=True)
class OnMetric:
    """`target`: whose metric. A rule without `for_s` looks at `window_s`; with it, at the longer of both."""

    target: Literal["endpoint", "deployments"]
    metric: str
    fold: str
    operator: str
    threshold: float
    window_s: int
    frequency_s: int
    severity: int


@dataclass(frozen=True, slots=True)
class OnQuery:
    """`query` gives one row with the column `Value`, or none where there is nothing to judge."""

    query: str
    operator: str
    threshold: float
    window_s: int
    frequency_s: int
    periods: int
    severity: int
    range_s: int | None = None


def compiled(rule: AlertRule, endpoint: str, stack: str) -> OnMetric | OnQuery:
    """The rule for the endpoint and the stack of these names."""
    if on_metric := _on_metric(rule):
        return on_metric
    window = _up(rule.window_s, QUERY_WINDOWS_S)
    frequency = max(_down(min(rule.window_s, 3600), FREQUENCIES_S), 300)
    return OnQuery(
        query=_query(rule, endpoint, stack),
        operator=OPERATORS[rule.comparison],
        threshold=rule.threshold,
        window_s=window,
        frequency_s=min(frequency, window),
        periods=min(max(1, round(rule.for_s / frequency)), MAX_PERIODS),
        severity=SEVERITIES[rule.severity],
    )


def check(rule: AlertRule, where: str) -> None:
    """Raise UserError for an aggregation that Azure Monitor has not for that metric."""
    allowed = _allowed(rule.metric)
    if rule.aggregation not in allowed:
        raise mistake(
            f"{where}.aggregation", rule.aggregation, f"on azure for {rule.metric.value}: {', '.join(allowed)}"
        )


def burn(pair: tuple[AlertRule, AlertRule], endpoint: str) -> OnQuery:
    """Both windows of a burning objective in one query: the lower of their error ratios is judged."""
    long, short = pair
    parts = ", ".join(f"{name} = {_wrong(int(rule.window_s))}" for name, rule in (("Long", long), ("Short", short)))
    query = (
        f"{REQUESTS} | where EndpointName == '{endpoint}' | summarize {parts} "
        "| extend Value = min_of(Long, Short) | where isfinite(Value) | project Value"
    )
    return OnQuery(
        query=query,
        operator="GreaterThan",
        threshold=long.threshold,
        window_s=_up(short.window_s, QUERY_WINDOWS_S),
        frequency_s=300,
        periods=1,
        severity=SEVERITIES[long.severity],
        range_s=_up(long.window_s, QUERY_WINDOWS_S),
    )


def _wrong(window_s: int) -> str:
    recent = f"TimeGenerated > ago({window_s}s)"
    return f"todouble(countif(toint(ResponseCode) >= 500 and {recent})) / countif({recent})"


def iso(seconds: int) -> str:
    """`PT5M`, `PT6H`, `P1D`: as Azure writes spans."""
    if seconds % 86_400 == 0:
        return f"P{seconds // 86_400}D"
    return f"PT{seconds // 3600}H" if seconds % 3600 == 0 else f"PT{seconds // 60}M"


def _allowed(metric: Metric) -> tuple[str, ...]:
    if metric is Metric.LATENCY:
        return ("avg", "min", "max", "p50", "p90", "p95", "p99")
    if metric in (Metric.REQUEST_RATE, Metric.REPLICAS_READY):
        return ("avg", "min", "max")
    if metric is Metric.ERROR_RATIO:
        return ("avg",)
    if metric in (Metric.JOB_FAILURES, Metric.PREEMPTIONS):
        return ("sum",)
    return tuple(KQL_FOLDS)


def _on_metric(rule: AlertRule) -> OnMetric | None:
    names = {
        Metric.REQUEST_RATE: ("endpoint", "RequestsPerMinute", 60.0),
        Metric.LATENCY: ("endpoint", "RequestLatency", 1000.0),
        Metric.REPLICAS_READY: ("deployments", "DeploymentCapacity", 1.0),
    }
    if rule.metric not in names:
        return None
    target, name, scale = names[rule.metric]
    if rule.metric is Metric.LATENCY and rule.aggregation.startswith("p"):
        name = f"{name}_{rule.aggregation.upper()}"
    window = _up(max(rule.window_s, rule.for_s), METRIC_WINDOWS_S)
    return OnMetric(
        target="endpoint" if target == "endpoint" else "deployments",
        metric=name,
        fold=FOLDS.get(rule.aggregation, "Average"),
        operator=OPERATORS[rule.comparison],
        threshold=rule.threshold * scale,
        window_s=window,
        frequency_s=_down(min(window, 300), FREQUENCIES_S),
        severity=SEVERITIES[rule.severity],
    )


def _query(rule: AlertRule, endpoint: str, stack: str) -> str:
    """One row with `Value` and `Samples`, judged by `absent` where there is no sample."""
    if rule.metric is Metric.ERROR_RATIO:
        body = (
            f"{REQUESTS} | where EndpointName == '{endpoint}' "
            "| summarize Samples = count(), Value = todouble(countif(toint(ResponseCode) >= 500)) / count()"
        )
    elif rule.metric is Metric.JOB_FAILURES:
        body = (
            "AmlRunStatusChangedEvent | where Status == 'Failed' "
            "| summarize Samples = count(), Value = todouble(count())"
        )
    elif rule.metric is Metric.PREEMPTIONS:
        body = (
            "AmlComputeClusterNodeEvent | where isnotempty(NodePreemptedTime) "
            "| summarize Samples = count(), Value = todouble(count())"
        )
    elif rule.metric is Metric.SPEND_RATIO:
        fold = KQL_FOLDS[rule.aggregation].format("Ratio")
        body = (
            f"ContainerAppConsoleLogs | where Log startswith '{SPEND_LOG} ' "
            f"| extend Ratio = todouble(extract('{SPEND_LOG} ([0-9.]+)', 1, Log)) "
            f"| summarize Samples = count(), Value = {fold}"
        )
    else:
        fold = KQL_FOLDS[rule.aggregation].format("(Sum / ItemCount)")
        body = (
            f"AppMetrics | where Name == 'skywright_{rule.metric.value}' and Properties.stack == '{stack}' "
            f"| summarize Samples = count(), Value = {fold}"
        )
    if rule.absent == "ok":
        return f"{body} | where Samples > 0 | project Value"
    breach = rule.threshold + (1 if rule.comparison.startswith(">") else -1)
    return f"{body} | extend Value = iff(Samples == 0, {breach!r}, Value) | project Value"


def _up(seconds: float, known: tuple[int, ...]) -> int:
    return next((item for item in known if item >= seconds), known[-1])


def _down(seconds: float, known: tuple[int, ...]) -> int:
    return max((item for item in known if item <= seconds), default=known[0])
