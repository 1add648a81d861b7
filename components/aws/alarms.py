"""Alert rules as CloudWatch evaluates them. Pure: a rule and what the stack has in, an alarm's numbers out.

CloudWatch folds samples into periods, and compares a number of periods in a row. So a rule's window becomes the period
(whole minutes, as nothing here reports more often), and `for_s` more periods. Where a value exists per minute only (a
rate, a share, a count of instances), the least and the greatest of a window are a count of minutes that breach.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from components.aws.training_policies import METRICS
from components.contract import Unsupported
from ml_jobs.contract import AlertRule, Metric

ALARM_LIMITS = "https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html"
MINUTE_S, HOUR_S, DAY_S = 60, 3_600, 86_400
SPEND_EVERY_S = HOUR_S
"""The budget's actor reports at least that often; a shorter period would find nothing."""
MOST_SERIES = 10
"""Metrics in one alarm. https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_limits.html"""

Place = Literal["endpoint", "job", "budget"]

COMPARISONS = {
    ">": "GreaterThanThreshold",
    ">=": "GreaterThanOrEqualToThreshold",
    "<": "LessThanThreshold",
    "<=": "LessThanOrEqualToThreshold",
}
MISSING = {"ok": "notBreaching", "alarm": "breaching"}
_STATISTICS = {"avg": "Average", "sum": "Sum", "min": "Minimum", "max": "Maximum"}
_ALL = frozenset({"avg", "sum", "min", "max", "p50", "p90", "p95", "p99"})
_PER_MINUTE = frozenset({"avg", "min", "max"})


@dataclass(frozen=True, slots=True)
class Watched:
    """What the stack has. `endpoint` and `variants`: SageMaker's; empty where nothing is released.
    `failures_rule`: the EventBridge rule that failed training jobs match."""

    stack: str
    endpoint: str = ""
    variants: tuple[str, ...] = ()
    failures_rule: str = ""


@dataclass(frozen=True, slots=True)
class Series:
    """A metric folded by `stat` over the alarm's period; `id` names it in the expression."""

    id: str
    namespace: str
    metric: str
    dimensions: tuple[tuple[str, str], ...]
    stat: str


@dataclass(frozen=True, slots=True)
class Alarm:
    """`expression` None: the one series is compared as it is. `breaching` of `periods` must breach."""

    series: tuple[Series, ...]
    expression: str | None
    period_s: int
    periods: int
    breaching: int
    comparison: str
    threshold: float
    missing: str


@dataclass(frozen=True, slots=True)
class Source:
    """Where CloudWatch has a metric. `folds`: the aggregations that mean something there. `is_per_minute`: min and max
    are counts of minutes. `scale`: from our unit to CloudWatch's. `least_s`: how seldom it is reported."""

    place: Place
    build: Callable[[AlertRule, Watched, int], tuple[tuple[Series, ...], str | None]]
    folds: frozenset[str] = _ALL
    is_per_minute: bool = False
    scale: float = 1
    least_s: int = MINUTE_S


def refusal(rule: AlertRule) -> tuple[str, str] | None:
    """(reason, remedy) where CloudWatch can't watch it that way; the reason continues the path of the rule."""
    source = SOURCES[rule.metric]
    if rule.aggregation not in source.folds:
        return (
            f"aggregation is {rule.aggregation!r}; allowed for {rule.metric.value} on CloudWatch: "
            f"{', '.join(sorted(source.folds))}",
            "Choose one of these.",
        )
    if _is_any(rule, source) and rule.for_s:
        return (
            f"for_s is {rule.for_s:g} and aggregation {rule.aggregation!r}; CloudWatch counts the minutes of "
            f"{rule.metric.value} that breach, so it can't ask one of them to go on",
            "Remove for_s, or use avg.",
        )
    period, periods, _ = _evaluation(rule, source)
    longest = DAY_S if period < HOUR_S else 7 * DAY_S
    if period * periods > longest:
        return (
            f"window_s {rule.window_s:g} and for_s {rule.for_s:g} look back {period * periods} s; allowed with periods "
            f"of {period} s: {longest} s",
            f"Shorten for_s, or make window_s {HOUR_S} or more.",
        )
    return None


def compiled(rule: AlertRule, watched: Watched) -> Alarm | None:
    """None where the stack has nothing of it to watch (yet). Raises Unsupported where `refusal` has a reason."""
    if refused := refusal(rule):
        raise Unsupported(f"alert {rule.name}: {refused[0]}", refused[1])
    source = SOURCES[rule.metric]
    period, periods, breaching = _evaluation(rule, source)
    series, expression = source.build(rule, watched, period)
    if not series:
        return None
    if len(series) > MOST_SERIES:
        raise Unsupported(
            f"alert {rule.name}: {rule.metric.value} over {len(watched.variants)} releases takes {len(series)} series; "
            f"allowed in one alarm: {MOST_SERIES}",
            "Release fewer versions at once, or remove the alert.",
        )
    return Alarm(
        series=series,
        expression=expression,
        period_s=period,
        periods=periods,
        breaching=breaching,
        comparison=COMPARISONS[rule.comparison],
        threshold=rule.threshold * source.scale,
        missing=MISSING[rule.absent],
    )


def _evaluation(rule: AlertRule, source: Source) -> tuple[int, int, int]:
    """(period, periods, how many of them must breach)."""
    window = _minutes(max(rule.window_s, source.least_s))
    if source.is_per_minute and rule.aggregation in ("min", "max"):
        minutes = (window + _minutes(rule.for_s)) // MINUTE_S
        return MINUTE_S, minutes, 1 if _is_any(rule, source) else minutes
    periods = 1 + math.ceil(rule.for_s / window)
    return window, periods, periods


def _is_any(rule: AlertRule, source: Source) -> bool:
    """Whether one minute of several is enough: the greatest is above as soon as one is."""
    if not source.is_per_minute or rule.aggregation not in ("min", "max"):
        return False
    is_above = rule.comparison in (">", ">=")
    return (rule.aggregation == "max") is is_above and rule.window_s > MINUTE_S


def _minutes(seconds: float) -> int:
    return MINUTE_S * math.ceil(seconds / MINUTE_S)


def statistic(aggregation: str) -> str:
    return _STATISTICS.get(aggregation, aggregation)


def of_variants(
    watched: Watched, id: str, metric: str, stat: str, namespace: str = "AWS/SageMaker"
) -> tuple[Series, ...]:
    return tuple(
        Series(f"{id}{number}", namespace, metric, (("EndpointName", watched.endpoint), ("VariantName", variant)), stat)
        for number, variant in enumerate(watched.variants)
    )


def _sum(series: Sequence[Series]) -> str:
    return "+".join(f"FILL({each.id},0)" for each in series)


def _request_rate(rule: AlertRule, watched: Watched, period: int) -> tuple[tuple[Series, ...], str | None]:
    """A minute without a request has no sample, and is a rate of 0."""
    asked = of_variants(watched, "n", "Invocations", "Sum")
    return asked, f"({_sum(asked)})/{period}"


def _error_ratio(rule: AlertRule, watched: Watched, period: int) -> tuple[tuple[Series, ...], str | None]:
    """Without requests there is no share: it counts as absent, so it is the share that `absent` asks for."""
    wrong = of_variants(watched, "e", "Invocation5XXErrors", "Sum")
    asked = of_variants(watched, "n", "Invocations", "Sum")
    is_high = (rule.comparison in (">", ">=")) is (rule.absent == "alarm")
    return wrong + asked, f"IF(({_sum(asked)})>0,({_sum(wrong)})/({_sum(asked)}),{int(is_high)})"


def _latency(rule: AlertRule, watched: Watched, period: int) -> tuple[tuple[Series, ...], str | None]:
    """In microseconds. Percentiles of variants can't be joined: the slowest counts, for `min` the fastest."""
    found = of_variants(watched, "m", "ModelLatency", statistic(rule.aggregation))
    if len(found) == 1:
        return found, None
    extreme = "MIN" if rule.aggregation == "min" else "MAX"
    return found, f"{extreme}([{','.join(each.id for each in found)}])"


def _replicas(rule: AlertRule, watched: Watched, period: int) -> tuple[tuple[Series, ...], str | None]:
    """SageMaker publishes no count of instances, but each instance reports its CPU once a minute: the reports count.

    https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html
    """
    found = of_variants(watched, "c", "CPUUtilization", "SampleCount", "/aws/sagemaker/Endpoints")
    return found, f"SUM([{','.join(each.id for each in found)}])/{period // MINUTE_S}"


def _failures(rule: AlertRule, watched: Watched, period: int) -> tuple[tuple[Series, ...], str | None]:
    """SageMaker publishes no count of failed jobs, but an event for each; EventBridge counts what its rule matches.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-monitoring.html
    """
    if not watched.failures_rule:
        return (), None
    return (Series("f", "AWS/Events", "TriggeredRules", (("RuleName", watched.failures_rule),), "Sum"),), None


def published_name(metric: Metric) -> str:
    """A metric's name in our namespace: SpendRatio."""
    return "".join(part.title() for part in metric.value.split("_"))


def _published(rule: AlertRule, watched: Watched, period: int) -> tuple[tuple[Series, ...], str | None]:
    """What our runtime, or the budget's actor, publishes for the stack."""
    name = published_name(rule.metric)
    return (Series("m", METRICS, name, (("Stack", watched.stack),), statistic(rule.aggregation)),), None


_JOB = Source("job", _published)
"""The job itself publishes it."""

SOURCES: dict[Metric, Source] = {
    Metric.REQUEST_RATE: Source("endpoint", _request_rate, _PER_MINUTE, is_per_minute=True),
    Metric.ERROR_RATIO: Source("endpoint", _error_ratio, _PER_MINUTE, is_per_minute=True),
    Metric.LATENCY: Source("endpoint", _latency, _ALL - {"sum"}, scale=1e6),
    Metric.REPLICAS_READY: Source("endpoint", _replicas, _PER_MINUTE, is_per_minute=True),
    Metric.JOB_FAILURES: Source("job", _failures, frozenset({"sum"})),
    Metric.PREEMPTIONS: _JOB,
    Metric.QUEUE_WAIT: _JOB,
    Metric.STEP_TIME: _JOB,
    Metric.GOODPUT: _JOB,
    Metric.ACCELERATOR_UTILISATION: _JOB,
    Metric.ACCELERATOR_MEMORY: _JOB,
    Metric.ACCELERATOR_ERRORS: _JOB,
    Metric.SPEND_RATIO: Source("budget", _published, least_s=SPEND_EVERY_S),
}
"""Every metric of the catalogue."""
