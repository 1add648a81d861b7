"""What a model server counts, per release: plain arithmetic on the event loop, shaped when it is scraped."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096)


class Histogram:
    """Counts by upper bounds, cumulated when shown."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        self.counts[bisect_left(self.bounds, value)] += times
        self.sum += value * times

    def buckets(self) -> list[tuple[str, float]]:
        names = [*(str(float(bound)) for bound in self.bounds), "+Inf"]
        return list(zip(names, map(float, accumulate(self.counts)), strict=True))


class ServerMetrics(Collector):
    """Metrics of one release; `release`, `model` and `version` label all of them."""

    def __init__(self, release: str, model: str, version: str) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(self)
        self.is_ready = False
        self.rows = 0
        self.requests: Counter[int] = Counter()
        self.rejected: Counter[int] = Counter()
        self.captured: Counter[str] = Counter()
        self.request_seconds = Histogram(SECONDS)
        self.model_seconds = Histogram(SECONDS)
        self.batch_rows = Histogram(ROWS)
        self.in_flight = 0
        self.waiting: Callable[[], int] = lambda: 0
        self._labels = {"release": release, "model": model, "version": version}

    def answered(self, status: int, seconds: float) -> None:
        self.requests[status] += 1
        self.request_seconds.observe(seconds)

    def called(self, rows: Sequence[int], seconds: float) -> None:
        """The model was called for requests of so many rows."""
        total = sum(rows)
        self.rows += total
        self.batch_rows.observe(total)
        self.model_seconds.observe(seconds, len(rows))

    def collect(self) -> Iterator[Metric]:
        names, values = list(self._labels), list(self._labels.values())

        def gauge(name: str, help: str, value: float) -> Metric:
            family = GaugeMetricFamily(name, help, labels=names)
            family.add_metric(values, value)
            return family

        def counter(name: str, help: str, label: str, counts: Counter[int] | Counter[str]) -> Metric:
            family = CounterMetricFamily(name, help, labels=[*names, label])
            for key, value in sorted(counts.items()):
                family.add_metric([*values, str(key)], value)
            return family

        def histogram(name: str, help: str, seen: Histogram) -> Metric:
            family = HistogramMetricFamily(name, help, labels=names)
            family.add_metric(values, seen.buckets(), seen.sum)
            return family

        yield gauge("skywright_server_ready", "1 when the model answers", int(self.is_ready))
        yield gauge("skywright_server_queue", "requests that wait for the model", self.waiting())
        yield gauge("skywright_server_in_flight", "infer requests that are not answered yet", self.in_flight)
        yield counter("skywright_server_requests", "infer requests by status", "code", self.requests)
        yield counter(
            "skywright_server_rejected", "requests refused under load or not yet ready", "code", self.rejected
        )
        yield counter("skywright_server_captured", "sampled requests by what became of them", "outcome", self.captured)
        rows = CounterMetricFamily("skywright_server_rows", "rows predicted", labels=names)
        rows.add_metric(values, self.rows)
        yield rows
        yield histogram("skywright_server_request_seconds", "time to answer an infer request", self.request_seconds)
        yield histogram("skywright_model_seconds", "time in the model per request", self.model_seconds)
        yield histogram("skywright_server_batch_rows", "rows per call of the model", self.batch_rows)

    def text(self) -> bytes:
        return generate_latest(self.registry)
