"""Alert rules compiled to CloudWatch: every one that is taken fits the API's own model and its limits."""

from __future__ import annotations

import re
from typing import Any

import botocore.loaders
import botocore.model
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.aws.alarms import DAY_S, HOUR_S, MOST_SERIES, SOURCES, Alarm, Watched, compiled, refusal
from components.aws.dashboard import COLUMNS, WIDTH, body
from components.contract import Unsupported
from ml_jobs.contract import AlertRule, Metric

ONE = Watched("dev", "predict", ("v1",), "failures")
TWO = Watched("dev", "predict", ("v1", "v2"), "failures")
RULES = st.builds(
    AlertRule,
    name=st.just("rule"),
    metric=st.sampled_from(list(Metric)),
    aggregation=st.sampled_from(["avg", "sum", "min", "max", "p50", "p90", "p95", "p99"]),
    window_s=st.floats(1, 86_400),
    comparison=st.sampled_from([">", ">=", "<", "<="]),
    threshold=st.floats(-100, 100),
    for_s=st.floats(0, 86_400),
    absent=st.sampled_from(["ok", "alarm"]),
)


def rule(metric: str, **more: Any) -> AlertRule:
    return AlertRule.model_validate({"name": "rule", "metric": metric, "threshold": 0.5, **more})


def made(metric: str, watched: Watched = ONE, **more: Any) -> Alarm:
    found = compiled(rule(metric, **more), watched)
    assert found is not None
    return found


def test_every_metric_of_the_catalogue_has_a_source() -> None:
    assert set(SOURCES) == set(Metric)


@given(RULES, st.integers(1, 5))
def test_what_is_taken_fits_the_apis_model_and_what_is_refused_says_why(given_rule: AlertRule, variants: int) -> None:
    watched = Watched("dev", "predict", tuple(f"v{number}" for number in range(variants)), "failures")
    if refused := refusal(given_rule):
        assert all(refused)
        with pytest.raises(Unsupported):
            compiled(given_rule, watched)
        return
    alarm = compiled(given_rule, watched)
    assert alarm is not None
    model = botocore.model.ServiceModel(
        botocore.loaders.Loader().load_service_model("cloudwatch", "service-2"), "cloudwatch"
    )
    operators = model.shape_for("ComparisonOperator").enum
    statistics = model.shape_for("Statistic").enum
    assert alarm.comparison in operators
    assert alarm.missing in ("breaching", "notBreaching", "ignore", "missing")
    assert alarm.period_s % 60 == 0
    assert 1 <= alarm.breaching <= alarm.periods
    assert alarm.period_s * alarm.periods <= (DAY_S if alarm.period_s < HOUR_S else 7 * DAY_S)
    assert len(alarm.series) <= MOST_SERIES
    for series in alarm.series:
        assert series.stat in statistics or re.fullmatch(r"p\d{2}", series.stat)
        assert re.fullmatch(r"[a-z][A-Za-z0-9_]*", series.id)
    assert (alarm.expression is None) == (len(alarm.series) == 1 and alarm.expression is None)
    if alarm.expression is not None:
        used = set(re.findall(r"[a-z]\d+", alarm.expression))
        assert used == {series.id for series in alarm.series}
        assert len(alarm.expression) <= 2048


def test_a_window_is_a_period_and_for_s_more_of_them() -> None:
    alarm = made("latency", aggregation="p99", window_s=300, for_s=300)
    assert (alarm.period_s, alarm.periods, alarm.breaching) == (300, 2, 2)
    assert alarm.series[0].stat == "p99"
    assert alarm.threshold == 500_000  # microseconds
    assert made("latency", window_s=61).period_s == 120


def test_the_share_of_errors_is_counted_over_all_releases() -> None:
    alarm = made("error_ratio", TWO)
    assert alarm.expression == "IF((FILL(n0,0)+FILL(n1,0))>0,(FILL(e0,0)+FILL(e1,0))/(FILL(n0,0)+FILL(n1,0)),0)"


@pytest.mark.parametrize(
    ("comparison", "absent", "share"), [(">", "ok", 0), (">", "alarm", 1), ("<", "ok", 1), ("<", "alarm", 0)]
)
def test_no_requests_ring_only_where_that_is_asked(comparison: str, absent: str, share: int) -> None:
    alarm = made("error_ratio", comparison=comparison, absent=absent)
    assert alarm.expression is not None and alarm.expression.endswith(f",{share})")


@pytest.mark.parametrize(
    ("aggregation", "comparison", "breaching"), [("max", ">", 1), ("min", ">", 5), ("max", "<", 5), ("min", "<", 1)]
)
def test_the_extremes_of_a_rate_are_a_count_of_minutes(aggregation: str, comparison: str, breaching: int) -> None:
    alarm = made("request_rate", aggregation=aggregation, comparison=comparison, window_s=300)
    assert (alarm.period_s, alarm.periods, alarm.breaching) == (60, 5, breaching)


def test_one_minute_of_several_cannot_be_asked_to_go_on() -> None:
    refused = refusal(rule("request_rate", aggregation="max", window_s=300, for_s=60))
    assert refused and "for_s is 60" in refused[0]
    assert refusal(rule("replicas_ready", aggregation="min", comparison="<", window_s=60, for_s=300)) is None


def test_instances_are_counted_by_their_reports() -> None:
    alarm = made("replicas_ready", TWO, aggregation="min", comparison="<", threshold=1, absent="alarm")
    assert {series.stat for series in alarm.series} == {"SampleCount"}
    assert (alarm.expression, alarm.missing) == ("SUM([c0,c1])/1", "breaching")
    assert made("replicas_ready", aggregation="avg", window_s=300).expression == "SUM([c0])/5"


def test_the_slowest_release_counts() -> None:
    assert made("latency", TWO, aggregation="p99").expression == "MAX([m0,m1])"
    assert made("latency", TWO, aggregation="min").expression == "MIN([m0,m1])"


def test_spend_is_looked_at_no_more_often_than_it_is_reported() -> None:
    assert made("spend_ratio", aggregation="max", window_s=300).period_s == HOUR_S


@pytest.mark.parametrize("metric", ["request_rate", "error_ratio", "latency", "replicas_ready"])
def test_nothing_watches_an_endpoint_before_its_first_release(metric: str) -> None:
    assert compiled(rule(metric), Watched("dev")) is None


def test_an_alarm_takes_no_more_series_than_cloudwatch() -> None:
    many = Watched("dev", "predict", tuple(f"v{number}" for number in range(6)))
    with pytest.raises(Unsupported, match="12 series; allowed in one alarm: 10"):
        compiled(rule("error_ratio"), many)


def test_a_look_back_longer_than_a_day_is_refused_with_what_is_allowed() -> None:
    refused = refusal(rule("step_time", window_s=3540, for_s=86_400))
    assert refused and "allowed with periods of 3540 s: 86400 s" in refused[0]


def test_the_dashboards_graphs_do_not_overlap() -> None:
    widgets = body("eu-west-1", TWO, ["arn:aws:cloudwatch:eu-west-1:123456789012:alarm:a"])["widgets"]
    cells = [(x, y) for widget in widgets for x in range(widget["x"], widget["x"] + widget["width"])
             for y in range(widget["y"], widget["y"] + widget["height"])]  # fmt: skip
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < WIDTH * COLUMNS
    variants = [line[5] for widget in widgets[1:] for line in widget["properties"]["metrics"] if "VariantName" in line]
    assert set(variants) == {"v1", "v2"}
