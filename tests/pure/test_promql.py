"""Alert rules as PromQL, held by a parser of Prometheus' own grammar, which checks the types of what it parses too."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

import promql_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.kubernetes import spending
from components.kubernetes.dashboards import dashboard
from components.kubernetes.promql import Scope, duration, quoted, selector
from components.kubernetes.rules import alert, condition, groups, labels, value_of
from components.kubernetes.scaling import scaled_object
from components.specs import BudgetSpec, EndpointSpec, SloSpec, default_alerts
from ml_jobs.contract import AlertRule, Metric

SCOPE = Scope(namespace="skywright", queue_prefix="skywright-dev", stack="dev")
AGGREGATIONS = ("avg", "sum", "min", "max", "p50", "p90", "p95", "p99")


def rule(**fields: Any) -> AlertRule:
    return AlertRule.model_validate({"name": "a", "metric": "latency", "threshold": 1, **fields})


def names_in(expression: str) -> set[str]:
    """The metrics that an expression reads."""
    found: set[str] = set()

    def visit(node: Any) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            found.add(node.name)
        for part in ("expr", "lhs", "rhs", "vector_selector", "param"):
            if (child := getattr(node, part, None)) is not None and not isinstance(child, str):
                visit(child)
        for child in getattr(node, "args", None) or ():
            visit(child)

    visit(promql_parser.parse(expression))
    return found


@pytest.mark.parametrize("metric", list(Metric))
@pytest.mark.parametrize("how", AGGREGATIONS)
@pytest.mark.parametrize("window_s", [1, 60, 7200])
def test_every_metric_compiles_to_what_prometheus_parses(metric: Metric, how: str, window_s: float) -> None:
    for absent, is_envoy, chosen in itertools.product(("ok", "alarm"), (True, False), ({}, {"release": "v1"})):
        scope = Scope("skywright", "skywright-dev", "dev", is_envoy=is_envoy)
        made = rule(metric=metric, aggregation=how, window_s=window_s, absent=absent, labels=chosen)
        promql_parser.parse(condition(made, scope))


@pytest.mark.parametrize(
    ("metric", "read"),
    [
        ("request_rate", {"envoy_http_downstream_rq_total"}),
        ("error_ratio", {"envoy_http_downstream_rq_total", "envoy_http_downstream_rq_xx"}),
        ("replicas_ready", {"kube_deployment_status_replicas_ready"}),
        ("job_failures", {"kube_job_failed"}),
        ("preemptions", {"kueue_evicted_workloads_total"}),
        ("step_time", {"skywright_step_seconds"}),
        ("accelerator_memory", {"DCGM_FI_DEV_FB_USED", "DCGM_FI_DEV_FB_FREE"}),
        ("spend_ratio", {"skywright:spend_ratio"}),
    ],
)
def test_each_metric_is_read_from_its_exporter(metric: str, read: set[str]) -> None:
    assert names_in(value_of(rule(metric=metric), SCOPE)) == read


def test_one_release_is_seen_by_its_own_servers() -> None:
    made = value_of(rule(metric="error_ratio", labels={"release": "v1"}), SCOPE)
    assert names_in(made) == {"skywright_server_requests_total"}
    assert made.count('release="v1"') == 2
    assert 'code!~"[234].."' in made


def test_no_request_is_no_error_unless_silence_alarms() -> None:
    ratio = rule(metric="error_ratio", absent="alarm", threshold=0.5)
    assert "vector(0)" in value_of(ratio, SCOPE)
    assert condition(ratio, SCOPE).startswith("((")
    assert " or absent(" in condition(ratio, SCOPE)
    assert " or absent(" not in condition(ratio.model_copy(update={"absent": "ok"}), SCOPE)


def test_latency_of_the_gateway_is_told_in_seconds() -> None:
    assert value_of(rule(metric="latency", aggregation="p99"), SCOPE).endswith("/ 1000")
    assert "/ 1000" not in value_of(rule(metric="latency", aggregation="p99", labels={"release": "a"}), SCOPE)


def test_an_alert_says_how_long_how_bad_and_whose() -> None:
    made = alert(rule(for_s=300, severity="critical", labels={"team": "a"}), SCOPE)
    assert made["for"] == "300s"
    assert made["labels"] == {
        "team": "a", "severity": "critical", "namespace": "skywright", "skywright_stack": "dev",
    }  # fmt: skip
    assert "for" not in alert(rule(), SCOPE)


@given(st.text(max_size=40))
def test_any_text_is_quoted_to_itself(text: str) -> None:
    found = promql_parser.parse(selector("a", {"b": text}))
    assert [matcher.value for matcher in found.matchers.matchers] == [text]
    assert quoted(text)[0] == quoted(text)[-1] == '"'


@given(st.floats(0.001, 86_400))
def test_durations_are_exact_to_the_millisecond(seconds: float) -> None:
    parsed = promql_parser.parse_duration(duration(seconds)).total_seconds()
    assert parsed == pytest.approx(seconds, abs=0.001)


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=20), max_size=4))
def test_labels_get_names_that_prometheus_takes(given_labels: dict[str, str]) -> None:
    assert all(re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", key) for key in labels(given_labels))


@given(
    st.sampled_from(list(Metric)),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([">", ">=", "<", "<="]),
    st.floats(1, 86_400),
    st.text(max_size=20),
)
def test_any_rule_compiles(metric: Metric, threshold: float, comparison: str, window_s: float, release: str) -> None:
    made = rule(
        metric=metric, threshold=threshold, comparison=comparison, window_s=window_s, labels={"release": release}
    )
    promql_parser.parse(alert(made, SCOPE)["expr"])


def test_every_expression_of_alerts_slos_and_the_dashboard_parses() -> None:
    slos = [SloSpec(name="answers", objective=0.999), SloSpec(name="weekly", objective=0.95, window_days=7)]
    made = groups(default_alerts(), slos, SCOPE)
    assert [group["name"] for group in made] == ["skywright.alerts", "skywright.slos"]
    for group in made:
        for item in group["rules"]:
            promql_parser.parse(item["expr"])
    panels = json.loads(dashboard("dev", SCOPE))["panels"]
    assert len(panels) == len(Metric)
    for panel in panels:
        promql_parser.parse(panel["targets"][0]["expr"])


def test_the_budget_records_spend_and_alerts_at_each_step() -> None:
    spec = BudgetSpec(monthly_limit_usd=250)
    made = spending.groups(spec, SCOPE)
    for group in made:
        for item in group["rules"]:
            promql_parser.parse(item["expr"])
    recorded = [item.get("record") for item in made[0]["rules"]]
    assert recorded == ["skywright:month", "skywright:spend_usd_per_hour", "skywright:spend_usd:month",
                        "skywright:spend_ratio"]  # fmt: skip
    steps = {item["alert"]: item["expr"] for item in made[1]["rules"]}
    assert [steps[f"budget-{percent}"].split(">= ")[1] for percent in (50, 80, 100, 120)] == [
        "0.5",
        "0.8",
        "1.0",
        "1.2",
    ]
    assert steps["budget-forecast"].endswith("> 250.0")
    priced = names_in(spending.spend_rate(SCOPE))
    assert {"node_cpu_hourly_cost", "node_ram_hourly_cost", "node_gpu_hourly_cost", "pv_hourly_cost"} < priced


@pytest.mark.parametrize("least", [0, 1])
def test_a_scaler_wakes_by_the_gateway_only_where_it_may_sleep(least: int) -> None:
    spec = EndpointSpec(min_replicas=least, max_replicas=5, requests_per_replica=50)
    made = scaled_object("v1", "predict-v1-predictor", spec, namespace="skywright-serving", prometheus_url="http://p")
    queries = [trigger["metadata"]["query"] for trigger in made["triggers"]]
    for query in queries:
        promql_parser.parse(query)
    assert made["triggers"][0]["metadata"]["threshold"] == "50"
    assert ["envoy_http_downstream_rq_total" in query for query in queries] == (
        [False, True] if least == 0 else [False]
    )


def test_an_slo_burns_over_two_windows_at_once() -> None:
    (slos,) = (group for group in groups((), [SloSpec(name="answers", objective=0.999)], SCOPE))
    first = slos["rules"][0]["expr"]
    assert first.count(" and ") == 1
    assert "[3600s]" in first and "[300s]" in first
    assert first.count("> 0.0144") == 2
