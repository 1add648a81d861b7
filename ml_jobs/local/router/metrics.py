"""What the router counts, per release."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
NOBODY = "none"
"""The release of a request that none answered."""


class RouterMetrics:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "skywright_requests", "requests by release and status", ("release", "code"), registry=self.registry
        )
        self._seconds = Histogram(
            "skywright_request_seconds", "time to answer", ("release",), buckets=SECONDS, registry=self.registry
        )
        self._shadow = Counter(
            "skywright_shadow", "shadow answers that agree with the one given", ("release", "agrees"),
            registry=self.registry,
        )  # fmt: skip
        self._dropped = Counter(
            "skywright_shadow_dropped", "copies not sent: the queue was full", ("release",), registry=self.registry
        )
        self._weight = Gauge(
            "skywright_release_weight_percent", "declared share of a release", ("release",), registry=self.registry
        )
        self._codes: dict[tuple[str, int], Any] = {}
        self._times: dict[str, Any] = {}

    def answered(self, release: str, status: int, seconds: float) -> None:
        counter = self._codes.get((release, status))
        if counter is None:
            counter = self._codes[release, status] = self._requests.labels(release, str(status))
        counter.inc()
        timer = self._times.get(release)
        if timer is None:
            timer = self._times[release] = self._seconds.labels(release)
        timer.observe(seconds)

    def shadowed(self, release: str, agrees: bool) -> None:
        self._shadow.labels(release, "true" if agrees else "false").inc()

    def dropped(self, release: str) -> None:
        self._dropped.labels(release).inc()

    def weights(self, weights: tuple[tuple[str, float], ...]) -> None:
        self._weight.clear()
        for name, weight in weights:
            self._weight.labels(name).set(weight)

    def text(self) -> bytes:
        return generate_latest(self.registry)
