"""Where each metric of the catalogue comes from on the local stack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ml_jobs.contract import AlertRule, Metric


@dataclass(frozen=True, slots=True)
class Source:
    """A Prometheus name, and what its samples mean.

    gauge: values of all series together; gauge_sum: series added up at each moment; rate: a counter's growth per
    second; count: a counter's growth; error_ratio: growth of codes that are errors / growth of all; histogram:
    observations between two scrapes. `labels`: what a rule may select by.
    """

    kind: Literal["gauge", "gauge_sum", "rate", "count", "error_ratio", "histogram"]
    name: str
    labels: frozenset[str] = frozenset()

    @property
    def names(self) -> tuple[str, ...]:
        """The stored names that this is computed from."""
        if self.kind == "histogram":
            return (f"{self.name}_bucket", f"{self.name}_sum", f"{self.name}_count")
        return (self.name,)


@dataclass(frozen=True, slots=True)
class Unsupported:
    reason: str


_NO_ACCELERATOR = Unsupported("the local stack's slots are CPU ranks: no process here measures an accelerator")
_RELEASE = frozenset({"release"})

CATALOGUE: dict[Metric, Source | Unsupported] = {
    Metric.REQUEST_RATE: Source("rate", "skywright_requests_total", _RELEASE | {"code"}),
    Metric.ERROR_RATIO: Source("error_ratio", "skywright_requests_total", _RELEASE),
    Metric.LATENCY: Source("histogram", "skywright_request_seconds", _RELEASE),
    Metric.REPLICAS_READY: Source("gauge_sum", "skywright_server_ready", frozenset({"release", "model", "version"})),
    Metric.JOB_FAILURES: Source("count", "skywright_job_failures_total"),
    Metric.PREEMPTIONS: Source("count", "skywright_preemptions_total"),
    Metric.QUEUE_WAIT: Source("histogram", "skywright_queue_wait_seconds"),
    Metric.STEP_TIME: Source("gauge", "skywright_step_seconds", frozenset({"job"})),
    Metric.GOODPUT: Source("gauge", "skywright_goodput_ratio", frozenset({"job"})),
    Metric.ACCELERATOR_UTILISATION: _NO_ACCELERATOR,
    Metric.ACCELERATOR_MEMORY: _NO_ACCELERATOR,
    Metric.ACCELERATOR_ERRORS: _NO_ACCELERATOR,
    Metric.SPEND_RATIO: Source("gauge", "skywright_spend_ratio"),
}


def source_of(rule: AlertRule) -> Source | Unsupported:
    """What the rule is evaluated over, or why it can't be."""
    source = CATALOGUE[rule.metric]
    if isinstance(source, Source) and rule.aggregation == "sum" and source.kind in ("rate", "error_ratio"):
        return Unsupported(f"a sum of {rule.metric.value} means nothing; use avg")
    return source


def selection(rule: AlertRule, source: Source) -> dict[str, str]:
    """The rule's labels that select series; the others are only carried to whoever is called."""
    return {key: value for key, value in rule.labels.items() if key in source.labels}
