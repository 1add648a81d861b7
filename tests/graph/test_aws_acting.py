"""What watches an AWS stack and what its budget does (tier: graph)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from catalog.errors import UserError
from ml_jobs.budget import aws as actor
from tests.graph.foundation import settings_of
from tests.graph.harness import Graph, declare
from tests.graph.outputs_aws import ACCOUNT

pytestmark = pytest.mark.filterwarnings("ignore:.*has been deprecated in favor of:DeprecationWarning")

RELEASE = {
    "model": "digits",
    "version": 3,
    "artifact_url": "s3://somewhere/digits/3/",
    "artifact_sha256": "a" * 64,
    "image_digest": f"sha256:{'b' * 64}",
    "approval_ref": "s3://somewhere/approvals#sha256=" + "c" * 64,
    "weight_percent": 100,
}
SLO = {"name": "answers", "objective": 0.999}


def made(*, releases: dict[str, Any] | None = None, **sections: Any) -> Graph:
    endpoint = {"releases": {"v3": RELEASE} if releases is None else releases, "max_replicas": 4}
    return declare(settings_of(**{"endpoint": endpoint, **sections}))


def statements(graph: Graph, name: str) -> list[dict[str, Any]]:
    (found,) = (item for item in graph.of(":RolePolicy").values() if item.name == name)
    document: dict[str, Any] = json.loads(found.inputs["policy"])
    return list(document["Statement"])


def test_every_rule_has_an_alarm_that_tells_the_topic() -> None:
    graph = made()
    (topic,) = (item for name, item in graph.of(":Topic").items() if name == "monitoring-notices")
    alarms = {name: item.inputs for name, item in graph.of(":MetricAlarm").items() if name.startswith("monitoring-")}
    assert set(alarms) == {
        f"monitoring-alarm-{rule}" for rule in ("endpoint-errors", "endpoint-slow", "jobs-failing", "spend-high")
    }
    for inputs in alarms.values():
        assert inputs["alarmActions"] == inputs["okActions"]
        assert inputs["alarmActions"][0].endswith(topic.inputs["name"])


def test_before_the_first_release_nothing_watches_the_endpoint() -> None:
    names = set(made(releases={}).of(":MetricAlarm"))
    assert "monitoring-alarm-jobs-failing" in names
    assert not {name for name in names if "endpoint" in name}


def test_a_burn_calls_only_when_both_windows_ring() -> None:
    graph = made(monitoring={"slos": [SLO], "alerts": []})
    composites = list(graph.of(":CompositeAlarm").values())
    windows = {item.inputs["name"]: item.inputs for item in graph.of(":MetricAlarm").values() if "burn" in item.name}
    assert len(composites) == 2 and len(windows) == 4
    for item in composites:
        long, short = sorted(name for name in windows if f'ALARM("{name}")' in item.inputs["alarmRule"])
        assert item.inputs["alarmRule"] == f'ALARM("{long}") AND ALARM("{short}")'
        assert item.inputs["alarmActions"]
    assert all("alarmActions" not in inputs for inputs in windows.values())


def test_only_aws_itself_publishes_and_only_for_this_account() -> None:
    graph = made(monitoring={"emails": ["ops@example.com"]})
    (policy,) = (item for name, item in graph.of(":TopicPolicy").items() if name == "monitoring-notices-policy")
    allowed = [each for each in json.loads(policy.inputs["policy"])["Statement"] if each["Effect"] == "Allow"]
    assert {each["Principal"]["Service"] for each in allowed} == {
        "cloudwatch.amazonaws.com", "budgets.amazonaws.com", "costalerts.amazonaws.com",
    }  # fmt: skip
    assert all(each["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}} for each in allowed)
    mails = [item.inputs["endpoint"] for item in graph.of(":TopicSubscription").values() if "@" in item.name]
    assert mails == ["ops@example.com"]


def test_a_rule_that_cloudwatch_cannot_watch_is_refused_before_anything_is_declared() -> None:
    alerts = [{"name": "odd", "metric": "job_failures", "aggregation": "p99", "threshold": 1}]
    with pytest.raises(UserError, match=r"skywright:monitoring.alerts\[0\].aggregation is 'p99'; allowed"):
        made(monitoring={"alerts": alerts})


def test_each_step_is_noticed_when_it_is_reached_and_the_limit_when_it_is_forecast() -> None:
    (budget,) = made(budget={"monthly_limit_usd": 400}).of(":Budget").values()
    found = [(each["notificationType"], each["threshold"]) for each in budget.inputs["notifications"]]
    assert found == [("ACTUAL", 50), ("ACTUAL", 80), ("ACTUAL", 100), ("ACTUAL", 120), ("FORECASTED", 100)]
    assert budget.inputs["limitAmount"] == "400.00"
    assert budget.inputs["costFilters"] == [{"name": "TagKeyValue", "values": ["user:stack$test"]}]


def test_the_budget_itself_denies_new_training_at_the_step_that_blocks() -> None:
    graph = made()
    (action,) = graph.of(":BudgetAction").values()
    assert action.inputs["actionThreshold"]["actionThresholdValue"] == 80
    definition = action.inputs["definition"]["iamActionDefinition"]
    roles = {item.name: item.inputs["name"] for item in graph.of(":Role").values()}
    assert definition["roles"] == [roles["identity-training-role"], roles["identity-pipeline-role"]]
    (deny,) = (item for item in graph.of("iam/policy:Policy").values() if item.name == "budget-deny")
    (statement,) = json.loads(deny.inputs["policy"])["Statement"]
    assert statement["Effect"] == "Deny" and "sagemaker:CreateTrainingJob" in statement["Action"]


def test_the_function_has_the_variables_it_reads_and_no_more_rights_than_its_acts_take() -> None:
    graph = made()
    (function,) = graph.of(":Function").values()
    given = function.inputs["environment"]["variables"]
    text = Path(actor.__file__).read_text()
    assert all(f'"{key}"' in text for key in given)
    assert json.loads(given["SKYWRIGHT_SCALABLE"]) == [["v3", 1, 4]]
    (attach,) = (each for each in statements(graph, "budget-budget-act") if each["Sid"] == "Deny")
    assert attach["Condition"]["ArnEquals"]["iam:PolicyARN"] == given["SKYWRIGHT_DENY_POLICY"]
    everywhere = {
        each["Sid"]
        for name in ("budget-budget-act", "budget-budget-look")
        for each in statements(graph, name)
        if each["Resource"] == "*"
    }
    assert everywhere == {"FindJobs", "Metrics"}  # the APIs name no resource


def test_the_function_is_called_by_notices_and_by_a_clock_and_fails_aloud() -> None:
    graph = made()
    (function,) = graph.of(":Function").values()
    assert {item.inputs["principal"] for item in graph.of(":Permission").values()} == {
        "sns.amazonaws.com", "events.amazonaws.com",
    }  # fmt: skip
    assert all(item.inputs.get("sourceArn") for item in graph.of(":Permission").values())
    alarm = graph.of(":MetricAlarm")["budget-actor-alarm"].inputs
    assert alarm["dimensions"] == {"FunctionName": function.inputs["name"]}
    assert function.inputs["deadLetterConfig"]["targetArn"].endswith("budget-failures")


def test_a_ladder_that_only_tells_denies_nothing() -> None:
    graph = made(budget={"steps": [{"percent": 80, "effect": "notify"}]})
    assert not graph.of(":BudgetAction")
    assert not [item for item in graph.of("iam/policy:Policy").values() if item.name == "budget-deny"]
    assert not [each for each in statements(graph, "budget-budget-act") if each["Sid"] == "Deny"]


def test_a_ladder_longer_than_aws_budgets_takes_is_refused() -> None:
    steps = [{"percent": percent, "effect": "notify"} for percent in range(10, 110, 10)]
    with pytest.raises(UserError, match=r"budget\.steps has 10 entries; allowed on aws: 9"):
        made(budget={"steps": steps})


def test_unusual_spend_of_the_stack_is_told_at_once_from_the_sum_that_is_set() -> None:
    graph = made(aws={"anomaly_usd": 75})
    (monitor,) = graph.of(":AnomalyMonitor").values()
    assert json.loads(monitor.inputs["monitorSpecification"]) == {"Tags": {"Key": "user:stack", "Values": ["test"]}}
    (told,) = graph.of(":AnomalySubscription").values()
    assert told.inputs["frequency"] == "IMMEDIATE"
    assert told.inputs["thresholdExpression"]["dimension"]["values"] == ["75.00"]


def test_the_contract_says_where_the_state_lies() -> None:
    graph = made()
    (function,) = graph.of(":Function").values()
    place = function.inputs["environment"]["variables"]["SKYWRIGHT_STATE"]
    assert graph.contract["budget"]["state_url"] == f"s3://{place}"
