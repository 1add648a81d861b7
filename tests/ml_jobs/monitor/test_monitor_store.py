"""What is kept of the samples, and what a counter that appears or restarts means."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from ml_jobs.local.monitor.folds import growth
from ml_jobs.local.monitor.scrape import parse
from ml_jobs.local.monitor.store import Sample, Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "monitor.db")
    yield made
    made.close()


def counter(value: float, **labels: str) -> Sample:
    return Sample("skywright_c_total", labels, value, True)


def grown(store: Store, start: float = 0, end: float = 1e9) -> float:
    return sum(g.amount for one in store.window("skywright_c_total", start, {}) for g in growth(one, start, end))


def test_series_are_found_by_name_labels_and_time(store: Store) -> None:
    for at in (10, 20, 30):
        store.put("router", at, [counter(at, release="a"), counter(2 * at, release="b")])
    assert store.series("skywright_c_total", 20, {"release": "a"}) == [
        (20, 20, {"release": "a", "peer": "router"}),
        (30, 30, {"release": "a", "peer": "router"}),
    ]
    assert store.series("skywright_c_total", 0, {"release": "c"}) == []
    assert [(at, value) for at, value, _ in store.latest()["skywright_c_total"]] == [(30, 30), (30, 60)]
    [window] = store.window("skywright_c_total", 25, {"release": "b"})
    assert list(window.points) == [(20, 40), (30, 60)]  # with the sample that growth starts from


def test_a_counter_that_is_new_at_a_known_peer_grew_from_zero(store: Store) -> None:
    store.put("scheduler", 10, [counter(100)])
    assert grown(store) == 0  # the monitor came late: the hundred are old
    store.put("scheduler", 12, [counter(100), counter(3, code="500")])
    assert grown(store) == 3
    store.put("scheduler", 14, [], is_up=False, why="away")
    store.put("scheduler", 16, [counter(2), counter(1, code="500")])  # a restart
    assert grown(store) == 3 + 2 + 1
    assert [value for _, value, _ in store.series("skywright_up", 0)] == [1, 1, 0, 1]


def test_old_samples_are_thinned_and_then_dropped_without_losing_growth(store: Store) -> None:
    for at in range(0, 7200, 10):
        store.put("router", float(at), [counter(at)])
    store.prune(7200, retention_s=6000)
    points = [at for at, _, _ in store.series("skywright_c_total", 0)]
    assert min(points) >= 1200
    assert [b - a for a, b in pairwise(points) if b < 3600] == [30.0] * 79
    assert len([at for at in points if at >= 3600]) == 360
    assert grown(store, start=1200) == 7190 - 1200
    store.prune(100_000, retention_s=6000)
    assert store.latest() == {}
    store.put("router", 100_000, [counter(5)])  # a series that was dropped can come back
    assert len(store.series("skywright_c_total", 0)) == 1


def test_a_clock_that_is_set_back_leaves_nothing_in_the_future(store: Store) -> None:
    store.put("router", 1000, [counter(5)])
    store.put("router", 500, [counter(6)])
    store.put("router", 502, [counter(7)])
    assert [at for at, _, _ in store.series("skywright_c_total", 0)] == [500, 502]


def test_parsing_takes_our_metrics_only() -> None:
    registry = CollectorRegistry()
    Counter("skywright_x", "", ["a"], registry=registry).labels("1").inc(4)
    Counter("other_x", "", registry=registry).inc(4)
    Histogram("skywright_h", "", buckets=[1], registry=registry).observe(1.5)
    Gauge("skywright_g", "", registry=registry).set(float("nan"))
    assert {(s.name, s.labels.get("le"), s.value, s.is_counter) for s in parse(generate_latest(registry).decode())} == {
        ("skywright_x_total", None, 4, True),
        ("skywright_h_bucket", "1.0", 0, True),
        ("skywright_h_bucket", "+Inf", 1, True),
        ("skywright_h_count", None, 1, True),
        ("skywright_h_sum", None, 1.5, True),
    }
    with pytest.raises(ValueError):
        parse("<html>not metrics</html>")
