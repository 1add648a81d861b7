"""Alarms, dashboards, and who may write logs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from infra.rehearsal.aws import documents
from infra.rehearsal.aws.model import operation
from infra.rehearsal.core.kinds import Autoname, Find, Kind, Ref, Rule, Unique
from infra.rehearsal.core.operations import Calls
from infra.rehearsal.core.values import UNKNOWN

TOPIC = Ref("aws:sns/topic:Topic", by=("arn",), skips=r"arn:[^:]+:(?!sns:)")
LIMITS = "https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_limits.html"
COMPOSITE = "https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html"
PUT = "https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html"
DASHBOARD = "https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html"

METRIC = "metricQueries.metric"
SINGLE = ("metricName", "namespace", "period", "statistic", "extendedStatistic", "dimensions", "unit")
"""What an alarm on one metric has, and one on queries has not."""

_DAY_S, _WINDOW_S, _HOUR_S = 86_400, 604_800, 3_600
"""How far an alarm looks back: a day with periods below an hour, else a week."""
_METRICS = 10
_STATISTIC = re.compile(
    r"SampleCount|Average|Sum|Minimum|Maximum|IQM|(p|tm|wm|tc|ts)(\d{1,2}(\.\d{0,10})?|100)|(TM|WM|PR|TC|TS)\(.+\)"
)


def _alarm(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    queries = inputs.get("metricQueries")
    if queries is None:
        if inputs.get("metricName") is None:
            yield "metricName", "ValidationError: one of metricName or metricQueries must be given"
        elif (inputs.get("statistic") is None) is (inputs.get("extendedStatistic") is None):
            yield "statistic", "ValidationError: exactly one of statistic and extendedStatistic must be given"
    elif mixed := [name for name in SINGLE if inputs.get(name) is not None]:
        yield mixed[0], f"ValidationError: {mixed[0]} can't be given together with metricQueries"
    elif isinstance(queries, list) and UNKNOWN not in queries:
        yield from _queries(queries)
    if (inputs.get("threshold") is None) is (inputs.get("thresholdMetricId") is None):
        yield "threshold", "ValidationError: exactly one of threshold and thresholdMetricId must be given"
    period, count = inputs.get("period"), inputs.get("evaluationPeriods")
    if isinstance(period, int) and period not in (10, 20, 30) and period % 60:
        yield "period", f"ValidationError: Period {period} must be 10, 20, 30 or a multiple of 60"
    yield from _look_back(inputs)
    breaching = inputs.get("datapointsToAlarm")
    if isinstance(breaching, int) and isinstance(count, int) and breaching > count:
        yield "datapointsToAlarm", f"ValidationError: datapointsToAlarm {breaching} exceeds evaluationPeriods {count}"
    if inputs.get("treatMissingData", "missing") not in ("breaching", "notBreaching", "ignore", "missing", UNKNOWN):
        yield (
            "treatMissingData",
            (
                f"ValidationError: Value '{inputs['treatMissingData']}' at 'treatMissingData' is invalid; "
                "allowed: breaching, notBreaching, ignore, missing"
            ),
        )


def _look_back(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    count, queries = inputs.get("evaluationPeriods"), inputs.get("metricQueries")
    metrics = [query.get("metric") for query in queries or () if isinstance(query, Mapping)]
    periods = [inputs.get("period"), *(metric.get("period") for metric in metrics if isinstance(metric, Mapping))]
    longest = max((period for period in periods if isinstance(period, int | float)), default=None)
    if longest is None or not isinstance(count, int | float):
        return
    if longest * count > (_DAY_S if longest < _HOUR_S else _WINDOW_S):
        days = "a day" if longest < _HOUR_S else "7 days"
        yield "evaluationPeriods", f"ValidationError: Metrics cannot be checked across more than {days}"


def _formula(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """No more metrics than an alarm takes; an expression names no series that isn't there."""
    queries = [query for query in inputs.get("metricQueries") or () if isinstance(query, Mapping)]
    if sum("metric" in query for query in queries) > _METRICS:
        yield "metricQueries", f"LimitExceeded: An alarm has at most {_METRICS} metrics"
    ids = {query.get("id") for query in queries}
    for index, query in enumerate(queries):
        expression = query.get("expression")
        if isinstance(expression, str) and not expression.lstrip().upper().startswith(("SELECT", "SEARCH")):
            for used in sorted(set(re.findall(r"(?<![\w'\"])[a-z][A-Za-z0-9_]*", expression)) - ids):
                yield f"metricQueries[{index}].expression", f"ValidationError: Invalid metrics list: no id {used!r}"


_STATE = r'(?:ALARM|OK|INSUFFICIENT_DATA)\(\s*(?:"([^"]{1,255})"|([^\s()"]{1,1600}))\s*\)'


def _composed(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    left = re.sub(_STATE, "X", str(inputs["alarmRule"]))
    while (shorter := re.sub(r"\(\s*X\s*\)|NOT\s+X|X\s+(AND|OR)\s+X|\b(TRUE|FALSE)\b", "X", left)) != left:
        left = shorter
    if left.strip() != "X":
        yield "alarmRule", f"ValidationError: AlarmRule is no valid expression; what is left of it: {left!r}"


def _composed_of(inputs: Mapping[str, Any], find: Find) -> Iterator[tuple[str, str]]:
    there = {outputs.get("name") for _, outputs in find("aws:cloudwatch/metricAlarm:MetricAlarm")}
    there |= {outputs.get("alarmName") for _, outputs in find("aws:cloudwatch/compositeAlarm:CompositeAlarm")}
    for quoted, plain in re.findall(_STATE, str(inputs["alarmRule"])):
        if (name := (quoted or plain).rsplit(":alarm:", 1)[-1]) not in there:
            yield "alarmRule", f"ValidationError: Could not save the composite alarm as alarm {name} does not exist"


def _queries(queries: list[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    ids = [query.get("id") for query in queries]
    if len(ids) != len(set(map(str, ids))):
        yield "metricQueries", "ValidationError: The values of id in metricQueries must be unique"
    if sum(query.get("returnData") is True for query in queries) != 1:
        yield "metricQueries", "ValidationError: Exactly one element of the metrics list should return data"
    for index, query in enumerate(queries):
        here = f"metricQueries[{index}]"
        if (query.get("expression") is None) is (query.get("metric") is None):
            yield here, "ValidationError: exactly one of expression and metric must be given"
        if isinstance(query.get("id"), str) and not re.fullmatch(r"[a-z][A-Za-z0-9_]*", query["id"]):
            yield f"{here}.id", f"ValidationError: id {query['id']!r} must begin with a lower-case letter"
        metric = query.get("metric")
        if isinstance(metric, Mapping):
            if isinstance(metric.get("stat"), str) and not _STATISTIC.fullmatch(metric["stat"]):
                yield f"{here}.metric.stat", f"ValidationError: {metric['stat']!r} is no statistic"
            period = metric.get("period")
            if isinstance(period, int) and period not in (1, 5, 10, 20, 30) and period % 60:
                yield (
                    f"{here}.metric.period",
                    f"ValidationError: Period {period} must be 1, 5, 10, 20, 30 or a multiple of 60",
                )


def _widgets(document: Any) -> Iterator[str]:
    widgets = document.get("widgets") if isinstance(document, Mapping) else None
    if not isinstance(widgets, list):
        yield "The dashboard body is invalid: widgets must be a list"
        return
    if len(widgets) > 500:
        yield f"The dashboard body is invalid: {len(widgets)} widgets, at most 500"
    for index, widget in enumerate(widgets):
        if widget.get("type") not in ("metric", "text", "log", "alarm", "explorer", "custom"):
            yield f"The dashboard body is invalid: /widgets/{index}/type is {widget.get('type')!r}"
        if not isinstance(widget.get("properties"), Mapping):
            yield f"The dashboard body is invalid: /widgets/{index} should have required property 'properties'"


KINDS: tuple[Kind, ...] = (
    Kind(
        "aws:cloudwatch/metricAlarm:MetricAlarm",
        judge=Calls(
            "botocore cloudwatch",
            operation(
                "cloudwatch",
                "PutMetricAlarm",
                {
                    "name": "AlarmName",
                    "evaluateLowSampleCountPercentiles": "EvaluateLowSampleCountPercentile",
                    "metricQueries": "Metrics",
                    METRIC: "MetricStat",
                    **{
                        f"{METRIC}.{key}": f"Metric.{key[0].upper()}{key[1:]}"
                        for key in ("metricName", "namespace", "dimensions")
                    },
                },
            ),
        ),
        id="{name}",
        outputs={"arn": "arn:{partition}:cloudwatch:{region}:{account}:alarm:{name}"},
        defaults={"actionsEnabled": True, "treatMissingData": "missing"},
        references={"alarmActions": TOPIC, "okActions": TOPIC},
        rules=(Rule(PUT, _alarm), Rule(LIMITS, _formula, needs=("metricQueries",))),
        unique=(Unique(("name",), "InvalidParameterValue: an alarm named {value} is declared elsewhere"),),
        immutable=frozenset({"name", "region"}),
        autoname=Autoname("name", max_length=255),
    ),
    Kind(
        "aws:cloudwatch/compositeAlarm:CompositeAlarm",
        judge=Calls(
            "botocore cloudwatch",
            operation(
                "cloudwatch",
                "PutCompositeAlarm",
                {
                    "actionsSuppressor": "",
                    "actionsSuppressor.alarm": "ActionsSuppressor",
                    "actionsSuppressor.extensionPeriod": "ActionsSuppressorExtensionPeriod",
                    "actionsSuppressor.waitPeriod": "ActionsSuppressorWaitPeriod",
                },
            ),
        ),
        id="{alarmName}",
        outputs={"arn": "arn:{partition}:cloudwatch:{region}:{account}:alarm:{alarmName}"},
        defaults={"actionsEnabled": True},
        references={"alarmActions": TOPIC, "okActions": TOPIC},
        rules=(Rule(COMPOSITE, _composed, needs=("alarmRule",)),),
        meets=_composed_of,
        unique=(Unique(("alarmName",), "InvalidParameterValue: an alarm named {value} is declared elsewhere"),),
        immutable=frozenset({"alarmName", "region", "actionsEnabled"}),
    ),
    Kind(
        "aws:cloudwatch/dashboard:Dashboard",
        judge=Calls("botocore cloudwatch", operation("cloudwatch", "PutDashboard")),
        id="{dashboardName}",
        outputs={"dashboardArn": "arn:{partition}:cloudwatch::{account}:dashboard/{dashboardName}"},
        rules=(
            documents.as_json("dashboardBody", DASHBOARD, _widgets),
            Rule(
                "https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutDashboard.html",
                lambda inputs: (
                    ()
                    if re.fullmatch(r"[A-Za-z0-9_-]{1,255}", inputs.get("dashboardName", "x"))
                    else (
                        (
                            "dashboardName",
                            "InvalidParameterValue: The value for field DashboardName contains "
                            "invalid characters. It can only contain alphanumerics, dash (-) and underscore (_).",
                        ),
                    )
                ),
                needs=("dashboardName",),
            ),
        ),
        unique=(
            Unique(("dashboardName",), "InvalidParameterValue: dashboard {value} is declared elsewhere", "account"),
        ),
        immutable=frozenset({"dashboardName"}),
    ),
    Kind(
        "aws:cloudwatch/logResourcePolicy:LogResourcePolicy",
        judge=Calls("botocore logs", operation("logs", "PutResourcePolicy")),
        id="{policyName}",
        rules=(documents.resource("policyDocument"),),
        unique=(Unique(("policyName",), "InvalidParameterException: policy {value} is declared elsewhere"),),
        immutable=frozenset({"policyName", "resourceArn", "region"}),
    ),
    Kind(
        "aws:cloudwatch/logMetricFilter:LogMetricFilter",
        judge=Calls(
            "botocore logs", operation("logs", "PutMetricFilter", {"name": "filterName", "pattern": "filterPattern"})
        ),
        id="{name}",
        references={"logGroupName": Ref("aws:cloudwatch/logGroup:LogGroup", by=("name",), holds=True)},
        unique=(Unique(("logGroupName", "name"), "InvalidParameterException: filter {value} is declared elsewhere"),),
        immutable=frozenset({"name", "logGroupName", "region"}),
        autoname=Autoname("name", max_length=512),
    ),
)
