"""Who hears of it when an endpoint fails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from policies.examples import Ref, declared
from policies.graph import Node
from policies.resources import UNKNOWN, Resource
from policies.rule import Finding, Severity, rule
from policies.rules.demands import all_of
from policies.rules.optional import records, text
from policies.rules.pods import INFERENCE

METRICS = ("error_ratio", "latency", "request_rate", "replicas_ready")
"""What an endpoint is judged by, of the metrics that ml_jobs.contract knows."""


@rule(
    "endpoint-alarms",
    Severity.HIGH,
    types=("skywright:*:ModelEndpoint",),
    joins=True,
    title="Every endpoint has an alarm",
    why="Else customers are the first to notice that it fails.",
    remedy="Declare an alert on error_ratio, latency or replicas_ready, or an SLO, in skywright:monitoring.",
)
def endpoint_alarms(endpoint: Node) -> Finding | None:
    watched = []
    for monitoring in all_of(endpoint.graph, "skywright:*:Monitoring"):
        spec = monitoring.mapping("spec")
        if records(spec, "slos"):
            return None
        watched += [text(alert, "metric") for alert in records(spec, "alerts")]
    if any(metric in METRICS for metric in watched):
        return None
    return Finding(at="spec", found=f"watched by alerts on {', '.join(sorted(filter(None, watched))) or 'nothing'}")


def _watched(*metrics: object, slos: object = ()) -> list[Resource]:
    spec = {"alerts": [{"name": "a", "metric": metric} for metric in metrics], "slos": slos}
    return [_ENDPOINT, declared("skywright:aws:Monitoring", "monitoring", spec=spec)]


_ENDPOINT = declared("skywright:aws:ModelEndpoint", "endpoint", spec={})
endpoint_alarms.examples(
    good=[_watched("job_failures", "error_ratio"), _watched("latency"), _watched(slos=[{"name": "answers"}])],
    bad=[[_ENDPOINT], _watched(), _watched("job_failures", "spend_ratio")],
    unknown=[
        _watched(UNKNOWN),
        _watched(slos=UNKNOWN),
        [_ENDPOINT, declared("skywright:aws:Monitoring", "m", spec=UNKNOWN)],
    ],
)

ALARMS = {
    "aws:sagemaker/endpoint:Endpoint": ("name", ("aws:cloudwatch/metricAlarm:MetricAlarm",)),
    "gcp:vertex/aiEndpoint:AiEndpoint": ("name", ("gcp:monitoring/alertPolicy:AlertPolicy",)),
    "azure-native:machinelearningservices:OnlineEndpoint": (
        "endpointName",
        ("azure-native:monitor:MetricAlert", "azure-native:monitor:ScheduledQueryRule"),
    ),
}
"""Endpoints, the property that names each, and what watches it."""


@endpoint_alarms.also(*ALARMS, joins=True)
def declared_alarms(endpoint: Node) -> Finding | None:
    key, types = ALARMS[endpoint.resource.type]
    if endpoint.referrers(*types):
        return None
    alarms = all_of(endpoint.graph, *types)
    name = text(endpoint, key) if alarms else None
    if name and any(_mentions(alarm.resource.props, name) for alarm in alarms):
        return None
    return Finding(at=key, found=f"named by none of {len(alarms)} alarms")


def _mentions(value: Any, name: str) -> bool:
    if isinstance(value, str):
        return name in value
    if isinstance(value, Mapping):
        return any(_mentions(item, name) for item in value.values())
    return isinstance(value, list | tuple) and any(_mentions(item, name) for item in value)


def _sagemaker(name: object, *dimensions: object) -> list[Resource]:
    alarms = (
        declared("aws:cloudwatch/metricAlarm:MetricAlarm", f"alarm-{index}", dimensions={"EndpointName": item})
        for index, item in enumerate(dimensions)
    )
    return [replace(declared("aws:sagemaker/endpoint:Endpoint", "endpoint"), props={"name": name}), *alarms]


_VERTEX = replace(declared("gcp:vertex/aiEndpoint:AiEndpoint", "endpoint"), props={"name": "4467"})
_AZURE = declared("azure-native:machinelearningservices:OnlineEndpoint", "endpoint", endpointName="predict")
declared_alarms.examples(
    good=[
        _sagemaker("predict", "other", "predict"),
        _sagemaker(UNKNOWN, Ref("endpoint")),
        [
            _VERTEX,
            declared(
                "gcp:monitoring/alertPolicy:AlertPolicy", "alert",
                conditions=[{"conditionThreshold": {"filter": 'resource.labels.endpoint_id="4467"'}}],
            ),
        ],
        [_AZURE, declared("azure-native:monitor:MetricAlert", "alert", scopes=[Ref("endpoint")])],
    ],
    bad=[_sagemaker("predict"), _sagemaker("predict", "other"), [_VERTEX], [_AZURE], _sagemaker(UNKNOWN)],
    unknown=[_sagemaker(UNKNOWN, "predict")],
)  # fmt: skip


@endpoint_alarms.also(INFERENCE, joins=True)
def cluster_alarms(service: Node) -> Finding | None:
    for rules in all_of(service.graph, "kubernetes:monitoring.coreos.com/*:PrometheusRule"):
        for group in records(rules.mapping("spec"), "groups"):
            if any(text(item, "alert") for item in records(group, "rules")):
                return None
    return Finding(at="spec", found="a service of a stack without alerts")


def _rules(*rules: object) -> list[Resource]:
    spec = {"groups": [{"rules": list(rules)}]}
    return [_SERVICE, declared("kubernetes:monitoring.coreos.com/v1:PrometheusRule", "alerts", spec=spec)]


_SERVICE = declared("kubernetes:serving.kserve.io/v1beta1:InferenceService", "service", spec={})
cluster_alarms.examples(
    good=[_rules({"record": "r"}, {"alert": "endpoint-errors"})],
    bad=[[_SERVICE], _rules(), _rules({"record": "r"})],
    unknown=[_rules({"alert": UNKNOWN}), _rules(UNKNOWN)],
)
