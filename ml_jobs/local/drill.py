"""The preemption drill: take capacity away from running jobs at random moments, and account for what it costs.

Every job is the same one, so that its final weights can be held against those of a run that was left alone. It goes
through the launcher and the queue as any job does, and registers its version as any job does.
"""

from __future__ import annotations

import hashlib
import math
import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from catalog.errors import SkywrightError
from ml_jobs.contract import JobSpec
from ml_jobs.launch.base import Origin, Run, new_run
from ml_jobs.launch.local import LocalLauncher

WEIGHTS = "weights.safetensors"
MOST_PER_JOB = 5
"""Preemptions of one job: later ones meet jobs that have come far, and young jobs too."""


class Notice(str, Enum):
    MIXED = "mixed"
    NOTICE = "notice"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Preemption:
    """What one cost. Times in seconds; None where the run was preempted again, or was done, before it came to that.

    `detect_s`: from the ranks' end to the scheduler's knowing; `wait_s`: until there was a slot; `start_s`: until the
    ranks of the new attempt were up and at their checkpoint; `load_s`: reading it. `save_s`: from a notice to the end.
    """

    job: str
    slot: str
    notice_s: float
    is_resumed: bool
    lost_steps: int = 0
    lost_s: float = 0.0
    save_s: float | None = None
    detect_s: float | None = None
    wait_s: float | None = None
    start_s: float | None = None
    load_s: float | None = None

    @property
    def recovery_s(self) -> float | None:
        """Detection, start and load; waiting for a slot is the market's, not ours."""
        parts = (self.detect_s, self.start_s, self.load_s)
        return None if None in parts else sum(part for part in parts if part is not None)


@dataclass(frozen=True, slots=True)
class Report:
    """What a drill found. `weights` maps each job to the digest of its final weights, `reference` first."""

    preemptions: tuple[Preemption, ...]
    weights: dict[str, str]
    versions: dict[str, int | None]
    seconds: float
    seed: int
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def are_weights_equal(self) -> bool:
        return len(set(self.weights.values())) == 1 and "" not in self.weights.values()

    @property
    def are_all_resumed(self) -> bool:
        return not self.failed and all(each.is_resumed for each in self.preemptions)

    @property
    def is_passed(self) -> bool:
        return self.are_all_resumed and self.are_weights_equal

    def summary(self) -> dict[str, dict[str, float | None]]:
        """p50 and p99 of each column."""
        columns = ("lost_steps", "lost_s", "detect_s", "wait_s", "start_s", "load_s", "recovery_s")
        values = {name: [v for each in self.preemptions if (v := getattr(each, name)) is not None] for name in columns}
        return {name: {"p50": quantile(found, 0.5), "p99": quantile(found, 0.99)} for name, found in values.items()}

    def as_dict(self) -> dict[str, Any]:
        return {
            "preemptions": [{**asdict(each), "recovery_s": each.recovery_s} for each in self.preemptions],
            "summary": self.summary(),
            "weights": self.weights,
            "versions": self.versions,
            "failed": self.failed,
            "all_resumed": self.are_all_resumed,
            "weights_equal": self.are_weights_equal,
            "passed": self.is_passed,
            "seconds": self.seconds,
            "seed": self.seed,
        }


def quantile(values: Sequence[float], q: float) -> float | None:
    """The smallest value that at least the share `q` of all does not exceed; None of nothing."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(q * len(ordered)) - 1)] if ordered else None


class Drill:
    """Runs one drill. `market` acts as the admin, who may preempt; `say` hears of each step in a few words."""

    def __init__(
        self,
        jobs: LocalLauncher,
        market: LocalLauncher,
        spec: JobSpec,
        *,
        by: str,
        lineage: dict[str, Any],
        seed: int = 0,
        notice: Notice = Notice.MIXED,
        notice_s: float = 5,
        away_s: float = 0.5,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.jobs, self.market, self.spec = jobs, market, spec
        self.by, self.lineage, self.seed, self.notice = by, lineage, seed, notice
        self.notice_s, self.away_s, self.say = notice_s, away_s, say
        self.chance = random.Random(seed)

    def run(self, count: int) -> Report:
        """Preempt `count` times, wait for all jobs, compare. Raises SkywrightError when the undisturbed run fails."""
        began = time.monotonic()
        reference = self._submit()
        self.say(f"{reference}: left alone, to compare with")
        for _ in self.jobs.events(reference, follow=True):
            pass
        ended = self.jobs.status(reference)
        if ended.state != "succeeded":
            raise SkywrightError(f"the undisturbed run {reference} {ended.state}: {ended.message}")
        usual_s = ended.detail["ended_at"] - ended.detail["started_at"]
        runs, preempted = [ended], list[Preemption]()
        while len(preempted) < count and len(runs) <= 2 * count + 3:
            run = self._submit()
            self._disturb(run, min(MOST_PER_JOB, count - len(preempted)), usual_s, len(preempted), count)
            runs.append(self._finished(run))
            preempted += account(run, self.jobs.events(run))  # a job that was done within its notice lost nothing
        return Report(
            preemptions=tuple(preempted),
            weights={run.id: self._digest(run) for run in runs},
            versions={run.id: self.jobs.outputs(run.id).version for run in runs},
            failed={run.id: f"{run.state}: {run.message}" for run in runs if run.state != "succeeded"},
            seconds=round(time.monotonic() - began, 1),
            seed=self.seed,
        )

    def _submit(self) -> str:
        origin = Origin(new_run(self.spec), self.by, time.time(), self.lineage)
        return self.jobs.submit(self.jobs.render(self.spec, origin))

    def _finished(self, run: str) -> Run:
        for _ in self.jobs.events(run, follow=True):
            pass
        return self.jobs.status(run)

    def _disturb(self, run: str, most: int, usual_s: float, before: int, count: int) -> None:
        """Preempt a job up to `most` times, each at a random moment after it went (again)."""
        given = 0
        while given < most:
            if not self._goes(run, given):
                break
            time.sleep(self.chance.uniform(0, 0.6) * usual_s)
            found = self.jobs.status(run)
            slot = found.detail.get("slot")
            if found.is_over:
                break
            if not slot:
                continue
            notice_s = self.notice_s if self._with_notice(before + given) else 0.0
            self.market.preempt(slot, notice_s=notice_s, away_s=self.away_s)
            given += 1
            self.say(f"{before + given}/{count} {run} loses {slot} {'with' if notice_s else 'without'} notice")

    def _with_notice(self, number: int) -> bool:
        return self.notice is Notice.NOTICE or (self.notice is Notice.MIXED and number % 2 == 0)

    def _goes(self, run: str, preempted: int) -> bool:
        """Wait until the attempt after the last preemption does its work; False when the run is over before.

        The first attempt counts from its start, so that preemptions before the first checkpoint occur too.
        """
        seen = 0
        for event in self.jobs.events(run, follow=True):
            if event["type"] == "preempted":
                seen += 1
            elif seen == preempted and event["type"] in (("started",) if preempted == 0 else ("resumed", "metrics")):
                return True
        return False

    def _digest(self, run: Run) -> str:
        """SHA-256 of the final weights; empty when there are none."""
        url = self.jobs.outputs(run.id).artifact_url
        path = Path((url or "").removeprefix("file://")) / WEIGHTS
        return hashlib.sha256(path.read_bytes()).hexdigest() if url and path.is_file() else ""


def account(job: str, events: Iterable[dict[str, Any]]) -> list[Preemption]:
    """The preemptions of a run, from its time line, with what each cost."""
    line = list(events)
    found = []
    for index, event in enumerate(line):
        if event["type"] != "preempted":
            continue
        following = line[index + 1 :]
        until = next((n for n, later in enumerate(following) if later["type"] == "preempted"), len(following))
        earlier = line[:index]
        last_start = max((n for n, past in enumerate(earlier) if past["type"] == "started"), default=0)
        notice = next((past for past in earlier[last_start:] if past["type"] == "notice"), None)
        found.append(_one(job, event, notice, following[:until]))
    return found


def _one(job: str, event: dict[str, Any], notice: dict[str, Any] | None, after: list[dict[str, Any]]) -> Preemption:
    def first(*kinds: str) -> dict[str, Any] | None:
        return next((later for later in after if later["type"] in kinds), None)

    started, lost = first("started"), first("lost") or {}
    going = first("resumed") or first("checkpoint", "metrics")  # from nothing, when it had saved nothing yet
    ended_at = event.get("ended_at") or event["at"]
    load_s = going.get("load_s", 0.0) if going else None
    return Preemption(
        job=job,
        slot=event["slot"],
        notice_s=event["notice_s"],
        is_resumed=going is not None or first("succeeded") is not None,
        lost_steps=int(lost.get("steps", 0)),
        lost_s=float(lost.get("seconds", 0)),
        save_s=round(ended_at - notice["at"], 4) if notice else None,
        detect_s=round(max(0.0, event["at"] - ended_at), 4),
        wait_s=round(started["at"] - event["at"], 4) if started else None,
        start_s=round(max(0.0, going["at"] - load_s - started["at"]), 4) if going and started else None,
        load_s=load_s,
    )
