"""What a model server counts, per release."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)


class ServerMetrics:
    """Metrics of one release; `release`, `model` and `version` label all of them."""

    def __init__(self, release: str, model: str, version: str) -> None:
        self.registry = CollectorRegistry()
        self._labels = {"release": release, "model": model, "version": version}
        names = tuple(self._labels)
        self.ready = Gauge("skywright_server_ready", "1 when the model answers", names, registry=self.registry).labels(
            **self._labels
        )
        self.model_seconds = Histogram(
            "skywright_model_seconds", "time in the model per request", names, buckets=SECONDS, registry=self.registry
        ).labels(**self._labels)
        self.rows = Counter("skywright_server_rows", "rows predicted", names, registry=self.registry).labels(
            **self._labels
        )
        self._requests = Counter(
            "skywright_server_requests", "infer requests by status", (*names, "code"), registry=self.registry
        )

    def answered(self, status: int) -> None:
        self._requests.labels(**self._labels, code=str(status)).inc()

    def text(self) -> bytes:
        return generate_latest(self.registry)
