"""Alert rules compiled for Cloud Monitoring."""

from __future__ import annotations

import math
from typing import Any

import pytest

from catalog.errors import UserError
from components.gcp import alerts
from components.specs import default_alerts
from ml_jobs.contract import AlertRule, Metric

SCOPE = alerts.Scope("1234567890", "custom.googleapis.com/skywright-test", "skywright-test")


def rule(**given: Any) -> AlertRule:
    return AlertRule.model_validate({"name": "a", "metric": "latency", "threshold": 1.5, **given})


def test_every_default_rule_compiles() -> None:
    for item in default_alerts():
        alerts.check(item, "x")
        assert "resource.type=" in alerts.threshold(item, SCOPE).filter


@pytest.mark.parametrize("metric", list(Metric))
def test_every_metric_has_a_source_and_a_fold(metric: Metric) -> None:
    assert alerts.type_of(metric, SCOPE).split("/")[0].endswith("googleapis.com")
    assert alerts.FOLDS[alerts.KINDS[metric]]


def test_latency_is_compared_in_milliseconds() -> None:
    found = alerts.threshold(rule(aggregation="p99"), SCOPE)
    assert found.value == 1500
    assert found.aggregations[0].reducer == "REDUCE_PERCENTILE_99"


def test_an_error_ratio_is_held_against_all_requests() -> None:
    found = alerts.threshold(rule(metric="error_ratio", threshold=0.01), SCOPE)
    assert "error_count" in found.filter
    assert found.denominator and "prediction_count" in found.denominator


@pytest.mark.parametrize(("comparison", "kind", "side"), [(">=", "COMPARISON_GT", -1), ("<=", "COMPARISON_LT", 1)])
def test_at_least_and_at_most_take_the_threshold_in(comparison: str, kind: str, side: int) -> None:
    found = alerts.threshold(rule(metric="replicas_ready", comparison=comparison, threshold=2), SCOPE)
    assert found.comparison == kind
    assert found.value == math.nextafter(2, side * math.inf)


@pytest.mark.parametrize(("seconds", "whole"), [(1, 60), (60, 60), (61, 120), (0, 0)])
def test_durations_are_whole_minutes(seconds: float, whole: int) -> None:
    assert alerts.minutes(seconds) == whole


def test_silence_is_an_alarm_only_where_the_rule_says_so() -> None:
    assert alerts.absent(rule(), SCOPE) is None
    found = alerts.absent(rule(absent="alarm"), SCOPE)
    assert found and found.duration_s == 120


def test_what_cannot_be_folded_is_refused_with_what_can() -> None:
    with pytest.raises(UserError, match="for latency on gcp one of avg, p50, p95, p99"):
        alerts.check(rule(aggregation="p90"), "skywright:monitoring.alerts[0]")
