"""Alert rules as Azure Monitor evaluates them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from catalog.errors import UserError
from components.azure.alerts import OnMetric, OnQuery, burn, check, compiled, iso
from components.azure.dashboards import workbook
from components.slo import burn_pairs
from components.specs import SloSpec
from ml_jobs.contract import AlertRule, Metric


def rule(metric: str, **given: Any) -> AlertRule:
    return AlertRule.model_validate({"name": "r", "metric": metric, "threshold": 1.0, **given})


@pytest.mark.parametrize(
    ("given", "metric", "fold", "threshold", "window"),
    [
        (rule("request_rate", threshold=2.0), "RequestsPerMinute", "Average", 120.0, "PT1M"),
        (rule("latency", aggregation="p99", threshold=0.5), "RequestLatency_P99", "Average", 500.0, "PT1M"),
        (rule("latency", aggregation="max", window_s=61), "RequestLatency", "Maximum", 1000.0, "PT5M"),
        (rule("latency", window_s=60, for_s=600), "RequestLatency", "Average", 1000.0, "PT15M"),
        (rule("replicas_ready", aggregation="min", comparison="<"), "DeploymentCapacity", "Minimum", 1.0, "PT1M"),
    ],
)
def test_what_azure_measures_itself_is_a_metric_alert_in_azures_units(
    given: AlertRule, metric: str, fold: str, threshold: float, window: str
) -> None:
    found = compiled(given, "e", "s")
    assert isinstance(found, OnMetric)
    assert (found.metric, found.fold, found.threshold, iso(found.window_s)) == (metric, fold, threshold, window)


@pytest.mark.parametrize(
    "metric", [item for item in Metric if item.value not in ("request_rate", "latency", "replicas_ready")]
)
def test_the_rest_is_a_query_with_one_value(metric: Metric) -> None:
    aggregation = "sum" if metric.value in ("job_failures", "preemptions") else "avg"
    found = compiled(rule(metric.value, aggregation=aggregation), "predict", "s")
    assert isinstance(found, OnQuery)
    assert found.query.endswith("| project Value")
    assert (found.window_s, found.frequency_s) == (300, 300)


def test_a_condition_that_must_hold_is_looked_at_several_times_but_no_more_than_azure_can() -> None:
    periods = [compiled(rule("error_ratio", window_s=300, for_s=for_s), "e", "s") for for_s in (0, 900, 86_400)]
    assert [found.periods for found in periods if isinstance(found, OnQuery)] == [1, 3, 6]


@pytest.mark.parametrize(("comparison", "value"), [(">", "2.0"), ("<", "0.0")])
def test_silence_is_an_alarm_where_it_should_be(comparison: str, value: str) -> None:
    quiet, loud = (
        compiled(rule("error_ratio", comparison=comparison, absent=absent), "e", "s") for absent in ("ok", "alarm")
    )
    assert isinstance(quiet, OnQuery) and isinstance(loud, OnQuery)
    assert "| where Samples > 0 |" in quiet.query
    assert f"iff(Samples == 0, {value}, Value)" in loud.query


def test_a_burning_objective_is_judged_over_both_windows_at_once() -> None:
    for pair in burn_pairs(SloSpec(name="ok", objective=0.99)):
        found = burn(pair, "predict")
        assert found.range_s and found.range_s >= pair[0].window_s
        assert f"ago({int(pair[0].window_s)}s)" in found.query and f"ago({int(pair[1].window_s)}s)" in found.query
        assert "min_of(Long, Short)" in found.query
        assert found.threshold == pair[0].threshold


@pytest.mark.parametrize(
    ("metric", "aggregation"), [("request_rate", "sum"), ("error_ratio", "p99"), ("job_failures", "avg")]
)
def test_an_aggregation_that_azure_has_not_is_refused_in_one_line(metric: str, aggregation: str) -> None:
    with pytest.raises(UserError, match="on azure for") as refused:
        check(rule(metric, aggregation=aggregation), "skywright:monitoring.alerts[0]")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("seconds", "text"), [(60, "PT1M"), (3600, "PT1H"), (5400, "PT90M"), (86_400, "P1D")])
def test_spans_are_written_as_azure_writes_them(seconds: int, text: str) -> None:
    assert iso(seconds) == text


def test_the_workbook_shows_the_endpoint_of_its_stack_alone() -> None:
    told = json.loads(workbook("skywright dev", "predict-1", "/logs"))
    queries = [item["content"]["query"] for item in told["items"] if item["type"] == 3]
    assert len(queries) == 5
    assert all("predict-1" in query for query in queries if "OnlineEndpoint" in query)
