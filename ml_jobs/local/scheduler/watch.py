"""What the runs themselves say in their time lines: how far they are, what they lost, what they registered."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml_jobs.local.scheduler.rundir import RunDir, Tail


@dataclass
class Seen:
    """`checkpoint_step` is the newest saved step; `lost_s` work done twice; `step_s` the duration of a step.

    `failure` is what the first rank to fail in this attempt said of it.
    """

    checkpoint_step: float = 0
    lost_s: float = 0
    step_s: float | None = None
    model: dict[str, Any] | None = None
    failure: str = ""
    last_metrics: tuple[float, float] | None = None  # (at, step)

    def take(self, event: dict[str, Any]) -> None:
        match event["type"]:
            case "checkpoint":
                self.checkpoint_step = max(self.checkpoint_step, _number(event.get("step")))
            case "lost":
                self.lost_s += _number(event.get("seconds"))
            case "registered":
                self.model = {"name": event.get("model"), "version": event.get("version")}
            case "started":
                self.last_metrics, self.failure = None, ""
            case "failed":
                self.failure = self.failure or str(event.get("message") or "")
            case "metrics":
                at, step = _number(event.get("at")), _number(event.get("step"))
                if self.last_metrics and step > self.last_metrics[1]:
                    self.step_s = (at - self.last_metrics[0]) / (step - self.last_metrics[1])
                self.last_metrics = (at, step)


class Watch:
    """The runs that are not over, each read on from where it was left."""

    def __init__(self, runs: Path) -> None:
        self._runs = runs
        self._seen: dict[str, tuple[Tail, Seen]] = {}

    def look(self, job: str) -> Seen:
        if job not in self._seen:
            self._seen[job] = (Tail(RunDir(self._runs, job)), Seen())
        tail, seen = self._seen[job]
        for event in tail.new():
            seen.take(event)
        return seen

    def forget(self, job: str) -> None:
        self._seen.pop(job, None)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
