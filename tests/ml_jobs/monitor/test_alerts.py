"""Rules as tables: what they measure, when they wait, fire and clear."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_jobs.contract import UNITS, AlertRule, Metric
from ml_jobs.local.monitor.alerts import State, condition, evaluate
from ml_jobs.local.monitor.catalogue import CATALOGUE, Source, Unsupported, selection
from ml_jobs.local.monitor.folds import Series, bucket_quantile, growth

NOW = 1000.0


def rule(metric: str, **changes: Any) -> AlertRule:
    return AlertRule.model_validate({"name": "r", "metric": metric, "threshold": 0, "window_s": 10, **changes})


def series(*values: float | None, every: float = 2.0, **labels: str) -> Series:
    """Samples `every` seconds apart, the last one now; None: nothing was scraped."""
    first = NOW - every * (len(values) - 1)
    return Series(labels, [(first + every * i, value) for i, value in enumerate(values) if value is not None])


def measured(of: AlertRule, **samples: list[Series]) -> float | None:
    return evaluate(of, samples, NOW, State()).value


def histogram(name: str, bounds: dict[str, float], total: float = 0) -> dict[str, list[Series]]:
    """A histogram in which the cumulative counts of `bounds` were observed between the last two scrapes."""
    return {
        f"{name}_bucket": [series(0, count, le=bound) for bound, count in bounds.items()],
        f"{name}_sum": [series(0, total)],
        f"{name}_count": [series(0, list(bounds.values())[-1])],
    }


def test_every_metric_of_the_catalogue_has_a_source_or_a_reason() -> None:
    assert set(CATALOGUE) == set(Metric) == set(UNITS)
    for metric, source in CATALOGUE.items():
        if isinstance(source, Unsupported):
            assert metric.value.startswith("accelerator_")
            assert len(source.reason) > 20
        else:
            assert source.name.startswith("skywright_")


REQUESTS = "skywright_requests_total"


@pytest.mark.parametrize(
    ("aggregation", "samples", "value"),
    [
        ("avg", [series(0, 20, 40, 40, 40, 40)], 4.0),  # 40 in 10 s
        ("max", [series(0, 20, 40, 40, 40, 40)], 10.0),
        ("min", [series(0, 20, 40, 40, 40, 40)], 0.0),
        ("avg", [series(0, 10, code="200"), series(0, 10, code="500")], 10.0),  # series add up
        ("avg", [series(100, 110, 4)], 3.5),  # restarted: 10 + 4 in 4 s
        ("avg", [series(7)], None),  # one sample shows no growth
        ("avg", [], None),
        ("avg", [series(0, 1000, 1000, 1000, 1000, 1000, 1000, 1010)], 1.0),  # what lies before the window
    ],
)
def test_a_rate(aggregation: str, samples: list[Series], value: float | None) -> None:
    assert measured(rule("request_rate", aggregation=aggregation), **{REQUESTS: samples}) == value


@pytest.mark.parametrize(
    ("aggregation", "codes", "value"),
    [
        ("avg", {"200": [0, 90, 90], "503": [0, 10, 10]}, 0.1),
        ("max", {"200": [0, 90, 90], "503": [0, 10, 20]}, 1.0),
        ("avg", {"200": [0, 99], "404": [0, 1]}, 0.0),  # the caller's mistake
        ("avg", {"200": [0, 1], "error": [0, 1]}, 0.5),
        ("avg", {"200": [5, 5], "500": [3, 3]}, None),  # nobody asked
    ],
)
def test_an_error_ratio(aggregation: str, codes: dict[str, list[float]], value: float | None) -> None:
    samples = [series(*values, code=code) for code, values in codes.items()]
    assert measured(rule("error_ratio", aggregation=aggregation), **{REQUESTS: samples}) == value


@pytest.mark.parametrize(
    ("aggregation", "value"),
    [("p50", 0.1), ("p90", 0.5), ("p99", 0.95), ("max", 1.0), ("min", 0.0), ("avg", 0.2), ("sum", 20.0)],
)
def test_a_latency(aggregation: str, value: float) -> None:
    samples = histogram("skywright_request_seconds", {"0.1": 50, "0.5": 90, "1.0": 100, "+Inf": 100}, total=20)
    assert measured(rule("latency", aggregation=aggregation), **samples) == pytest.approx(value)


def test_beyond_the_last_bound_nothing_is_known() -> None:
    samples = histogram("skywright_queue_wait_seconds", {"1.0": 1, "+Inf": 10})
    assert measured(rule("queue_wait", aggregation="p99"), **samples) == 1.0
    nothing = histogram("skywright_queue_wait_seconds", {"1.0": 0, "+Inf": 0})
    assert measured(rule("queue_wait", aggregation="p99"), **nothing) is None


@pytest.mark.parametrize(
    ("metric", "aggregation", "samples", "value"),
    [
        ("job_failures", "sum", [series(4, 4, 5, 7)], 3.0),
        ("job_failures", "max", [series(4, 4, 5, 7)], 2.0),
        ("preemptions", "sum", [series(9, 0, 1)], 1.0),
        ("spend_ratio", "max", [series(0.2, 0.9, 0.5)], 0.9),
        ("goodput", "min", [series(0.9), series(0.7)], 0.7),
        ("step_time", "avg", [series(1, 2, 3)], 2.0),
        ("step_time", "p50", [series(5, 1, 3, 2, 4)], 3.0),
        ("replicas_ready", "min", [series(1, 1, release="a"), series(1, 0, release="b")], 1.0),
        ("replicas_ready", "max", [series(1, 1, release="a"), series(1, 0, release="b")], 2.0),
        ("spend_ratio", "max", [series(None, None)], None),
    ],
)
def test_counts_and_gauges(metric: str, aggregation: str, samples: list[Series], value: float | None) -> None:
    source = CATALOGUE[Metric(metric)]
    assert isinstance(source, Source)
    assert measured(rule(metric, aggregation=aggregation), **{source.name: samples}) == value


def test_what_means_nothing_is_unsupported() -> None:
    assert evaluate(rule("error_ratio", aggregation="sum"), {}, NOW, State()).status == "unsupported"
    assert evaluate(rule("accelerator_memory", absent="alarm"), {}, NOW, State()).status == "unsupported"


def test_labels_that_the_source_has_select_and_others_are_carried() -> None:
    source = CATALOGUE[Metric.LATENCY]
    assert isinstance(source, Source)
    assert selection(rule("latency", labels={"release": "v2", "team": "vision"}), source) == {"release": "v2"}


def spend(value: float | None, now: float) -> dict[str, list[Series]]:
    return {"skywright_spend_ratio": [] if value is None else [Series({}, [(now, value)])]}


@pytest.mark.parametrize(
    ("changes", "path", "statuses"),
    [
        ({}, [0.5, 0.9, 0.9, 0.5], ["ok", "firing", "firing", "ok"]),
        ({"for_s": 4}, [0.9, 0.9, 0.9, 0.9, 0.5], ["pending", "pending", "firing", "firing", "ok"]),
        ({"for_s": 4}, [0.9, 0.9, 0.5, 0.9, 0.9], ["pending", "pending", "ok", "pending", "pending"]),
        ({"for_s": 4}, [0.9, None, 0.9], ["pending", "ok", "pending"]),
        ({"absent": "alarm"}, [0.5, None, 0.5], ["ok", "firing", "ok"]),
        ({"absent": "alarm", "for_s": 2}, [None, None, 0.5], ["pending", "firing", "ok"]),
        ({"comparison": ">=", "threshold": 0.9}, [0.9], ["firing"]),
        ({"comparison": "<", "threshold": 0.9}, [0.9, 0.8], ["ok", "firing"]),
        ({"comparison": "<=", "threshold": 0.9}, [0.9], ["firing"]),
    ],
)
def test_how_a_rule_moves(changes: dict[str, Any], path: list[float | None], statuses: list[str]) -> None:
    of = rule("spend_ratio", **{"threshold": 0.8, "window_s": 1, **changes})
    state, seen = State(), []
    for step, value in enumerate(path):
        now = NOW + 2 * step
        state = evaluate(of, spend(value, now), now, state)
        seen.append(state.status)
    assert seen == statuses


@given(
    st.lists(st.tuples(st.floats(-30, 30), st.sampled_from([None, 0.5, 0.9])), min_size=1, max_size=30),
    st.floats(0, 20),
)
def test_no_rule_fires_before_its_time_whatever_the_clock_does(path: list[tuple[float, Any]], for_s: float) -> None:
    of = rule("spend_ratio", threshold=0.8, window_s=1, for_s=for_s)
    state, now = State(), NOW
    for step, value in path:
        now += step
        before, state = state, evaluate(of, spend(value, now), now, state)
        assert (state.status == "ok") == (value != 0.9)
        if state.status != "ok":
            assert state.since is not None
            assert state.since <= now
            assert state.status == "firing" or now - state.since < for_s
            assert before.status != "firing" or state.status == "firing"


@given(st.lists(st.floats(0, 100), min_size=2, max_size=20), st.integers(0, 19))
def test_a_restart_hides_no_growth(steps: list[float], restart: int) -> None:
    total, values = 0.0, []
    for index, step in enumerate(steps):
        total = step if index == restart else total + step
        values.append(total)
    grown = sum(one.amount for one in growth(series(*values), 0, NOW))
    assert grown >= 0
    if restart == 0 or restart >= len(steps) or values[restart] < values[restart - 1]:
        assert grown == pytest.approx(sum(steps[1:]))


@given(st.lists(st.integers(0, 50), min_size=1, max_size=8), st.floats(0, 1), st.floats(0, 1))
def test_quantiles_rise_and_stay_inside_the_bounds(counts: list[int], low: float, high: float) -> None:
    buckets, total = {}, 0
    for index, count in enumerate(counts):
        total += count
        buckets[float(index + 1)] = float(total)
    buckets[float("inf")] = float(total)
    if total:
        first, second = sorted((low, high))
        assert 0 <= bucket_quantile(first, buckets) <= bucket_quantile(second, buckets) <= len(counts)


def test_a_condition_reads_as_a_sentence() -> None:
    of = rule("latency", aggregation="p99", window_s=60, threshold=1, for_s=30)
    assert condition(of) == "p99 latency over 60 s > 1 s for 30 s"
