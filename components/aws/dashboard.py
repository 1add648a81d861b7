"""The dashboard's JSON, as CloudWatch draws it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from components.aws.alarms import Watched, published_name
from components.aws.training_policies import METRICS
from ml_jobs.contract import Metric

WIDTH, HEIGHT, COLUMNS = 8, 6, 3
MOST_ALARMS = 100
"""In one widget.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
"""

PUBLISHED = (
    ("Goodput", Metric.GOODPUT, "Average"),
    ("Step time", Metric.STEP_TIME, "p90"),
    ("Wait in the queue", Metric.QUEUE_WAIT, "Maximum"),
    ("Preemptions", Metric.PREEMPTIONS, "Sum"),
    ("Accelerators in use", Metric.ACCELERATOR_UTILISATION, "Average"),
    ("Share of the budget spent", Metric.SPEND_RATIO, "Maximum"),
)


def body(region: str, watched: Watched, alarm_arns: Sequence[str]) -> dict[str, Any]:
    """A line for each variant of the endpoint, what jobs report, and where every alarm stands."""
    graphs = [*_endpoint(watched), *_jobs(watched)]
    top = 2 if alarm_arns else 0
    widgets = [_graph(region, number, top, *graph) for number, graph in enumerate(graphs)]
    if alarm_arns:
        properties = {"title": "Alarms", "alarms": list(alarm_arns[:MOST_ALARMS])}
        place = {"x": 0, "y": 0, "width": WIDTH * COLUMNS, "height": top}
        widgets.insert(0, {"type": "alarm", **place, "properties": properties})
    return {"periodOverride": "inherit", "widgets": widgets}


Line = list[Any]
"""[namespace, metric, dimension, value, ..., options]"""


def _endpoint(watched: Watched) -> list[tuple[str, list[Line]]]:
    def lines(metric: str, stat: str, namespace: str = "AWS/SageMaker") -> list[Line]:
        return [
            [namespace, metric, "EndpointName", watched.endpoint, "VariantName", each, {"stat": stat, "label": each}]
            for each in watched.variants
        ]

    if not watched.variants:
        return []
    return [
        ("Requests", lines("Invocations", "Sum")),
        ("Failed requests", lines("Invocation5XXErrors", "Sum")),
        ("Latency in microseconds, p99", lines("ModelLatency", "p99")),
        ("Instances", lines("CPUUtilization", "SampleCount", "/aws/sagemaker/Endpoints")),
    ]


def _jobs(watched: Watched) -> list[tuple[str, list[Line]]]:
    found: list[tuple[str, list[Line]]] = [
        (title, [[METRICS, published_name(metric), "Stack", watched.stack, {"stat": stat}]])
        for title, metric, stat in PUBLISHED
    ]
    if watched.failures_rule:
        line: Line = ["AWS/Events", "TriggeredRules", "RuleName", watched.failures_rule, {"stat": "Sum"}]
        found.append(("Failed jobs", [line]))
    return found


def _graph(region: str, number: int, top: int, title: str, lines: list[Line]) -> dict[str, Any]:
    row, column = divmod(number, COLUMNS)
    return {
        "type": "metric",
        "x": column * WIDTH,
        "y": top + row * HEIGHT,
        "width": WIDTH,
        "height": HEIGHT,
        "properties": {"title": title, "region": region, "view": "timeSeries", "period": 60, "metrics": lines},
    }
