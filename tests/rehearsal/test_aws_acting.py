"""Alarms, the budget and its actor on AWS: a full stack is accepted, and each cross-field rule refuses."""

from __future__ import annotations

import copy
import functools
import json
import re
from collections.abc import Callable
from typing import Any

import pulumi
import pytest

from infra.program import build
from infra.rehearsal.aws.stand_in import CLOUD
from infra.rehearsal.core import refusing
from tests.graph.foundation import settings_of
from tests.rehearsal.recorded import Declared, Recorded

pytestmark = pytest.mark.filterwarnings("ignore:.*has been deprecated in favor of:DeprecationWarning")

RELEASE = {
    "model": "digits", "version": 3, "artifact_url": "s3://somewhere/digits/3/", "artifact_sha256": "a" * 64,
    "image_digest": f"sha256:{'b' * 64}",
}  # fmt: skip
FULL: dict[str, Any] = {
    "endpoint": {
        "max_replicas": 4,
        "releases": {"v3": RELEASE | {"weight_percent": 90}, "v4": RELEASE | {"version": 4, "weight_percent": 10}},
    },
    "monitoring": {
        "emails": ["ops@example.com"],
        "slos": [{"name": "answers", "objective": 0.999}],
        "alerts": [
            {"name": "errors", "metric": "error_ratio", "threshold": 0.01},
            {"name": "slow", "metric": "latency", "aggregation": "p99", "threshold": 1, "window_s": 300, "for_s": 300},
            {"name": "silent", "metric": "replicas_ready", "aggregation": "min", "comparison": "<", "threshold": 1},
            {"name": "busy", "metric": "request_rate", "threshold": 100},
            {"name": "failing", "metric": "job_failures", "aggregation": "sum", "threshold": 0},
            {"name": "spent", "metric": "spend_ratio", "aggregation": "max", "threshold": 0.8},
        ],
    },
}


@functools.cache
def declared() -> tuple[Declared, ...]:
    mocks = Recorded()
    settings = settings_of(**FULL)
    pulumi.runtime.set_mocks(mocks, project="skywright", stack=settings.stack, preview=False)

    @pulumi.runtime.test
    def run() -> pulumi.Output[Any]:
        return build(settings, project_dir="/project").contract

    run()
    return tuple(mocks.declared)


def first(kind: str, name: str = "") -> Declared:
    return next(item for item in declared() if item.token.endswith(f":{kind}") and name in item.name)


def test_a_stack_with_everything_that_watches_and_acts_is_accepted() -> None:
    judged = [item for item in declared() if item.proof]
    assert {item.name: item.refusals for item in judged if item.refusals} == {}
    assert {item.name: item.proof.unaccounted for item in judged if item.proof and item.proof.tier != "accepted"} == {}
    tokens = {item.token for item in judged}
    for kind in ("CompositeAlarm", "Dashboard", "TopicSubscription", "BudgetAction", "AnomalySubscription", "Function"):
        assert any(token.endswith(f":{kind}") for token in tokens), kind


def put(*path: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(inputs: dict[str, Any]) -> None:
        where: Any = inputs
        for step in path[:-1]:
            where = where[step]
        where[path[-1]] = value

    return change


ELEVEN = [
    {"id": f"m{number}", "returnData": number == 0,
     "metric": {"namespace": "N", "metricName": "M", "period": 60, "stat": "Sum"}}
    for number in range(11)
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "name", "change", "words"),
    [
        ("MetricAlarm", "errors", put("metricQueries", -1, "expression", value="e0/n7"), "no id 'n7'"),
        ("MetricAlarm", "errors", put("metricQueries", value=ELEVEN), "LimitExceeded: An alarm has at most 10"),
        ("MetricAlarm", "slow", put("evaluationPeriods", value=300), "across more than a day"),
        ("MetricAlarm", "spent", put("evaluationPeriods", value=200), "across more than 7 days"),
        ("MetricAlarm", "slow", put("treatMissingData", value="breach"), "treatMissingData"),
        ("CompositeAlarm", "", put("alarmRule", value='ALARM("a") AN ALARM("b")'), "no valid expression"),
        ("CompositeAlarm", "", put("alarmRule", value='(ALARM("a")'), "no valid expression"),
        ("Budget", "", put("costFilters", 0, "name", value="Tag"), "no cost filter 'Tag'"),
        ("Budget", "", put("costFilters", 0, "values", value=["stack"]), "user:KEY[$]VALUE"),
        ("Budget", "", put("notifications", 0, "subscriberSnsTopicArns", value=["a", "b"]), "tells 1 topic"),
        ("BudgetAction", "", put("actionType", value="APPLY_SCP_POLICY"), "has scpActionDefinition alone"),
        ("BudgetAction", "", put("definition", "iamActionDefinition", "roles", value=[]), "needs roles"),
        ("AnomalyMonitor", "", put("monitorType", value="DIMENSIONAL"), "takes no monitorSpecification"),
        ("AnomalySubscription", "", put("frequency", value="DAILY"), "needs EMAIL subscribers"),
        ("AnomalySubscription", "", put("thresholdExpression", "dimension", "key", value="SERVICE"), "allowed: ANOM"),
        ("Function", "", put("timeout", value=901), "timeout is 901; at most 900"),
        ("Function", "", put("environment", "variables", "AWS_REGION", value="x"), "AWS_REGION is not allowed"),
        ("Function", "", put("environment", "variables", "LARGE", value="x" * 4096), "at most 4096"),
    ],
)
def test_what_aws_refuses_though_its_model_does_not_say_so(
    kind: str, name: str, change: Callable[[dict[str, Any]], None], words: str
) -> None:
    item = first(kind, name)
    inputs = copy.deepcopy(dict(item.inputs))
    change(inputs)
    judged = refusing.verdict(CLOUD, item.token, inputs, CLOUD.place({}, inputs))
    assert judged.refusals, inputs
    assert any(re.search(words, refusal.message) for refusal in judged.refusals), judged.refusals


@pytest.mark.parametrize("rule", ['ALARM("a") AND (NOT OK("b") OR ALARM(c))', "TRUE", 'NOT ALARM("a")'])
def test_every_form_of_a_composite_rule_is_taken(rule: str) -> None:
    item = first("CompositeAlarm")
    judged = refusing.verdict(CLOUD, item.token, {**item.inputs, "alarmRule": rule}, CLOUD.place({}, {}))
    assert not judged.refusals


def test_a_composite_of_an_alarm_that_is_not_there_is_refused() -> None:
    item = first("CompositeAlarm")
    kind = CLOUD.kind(item.token)
    assert kind and kind.meets
    there = [("a", {"name": name}) for name in json.dumps(item.inputs["alarmRule"]).split('\\"')[1::2]]
    assert not list(kind.meets(item.inputs, lambda token: there if "metricAlarm" in token else []))
    assert list(kind.meets(item.inputs, lambda token: there[:1] if "metricAlarm" in token else []))
