"""What a stack without a scheduler of ours knows of its runs: a folder each, in the store of its artifacts.

`runs/<run>/job.json` (the JobSpec, and its origin under `job`), `contract.json`, `attempts/<n>.json`, and what the
runtime leaves there: `events/<attempt>-<seq>.jsonl`, `summary.json`. Written once each, so that no two writers meet.
"""

from __future__ import annotations

import itertools
import json
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from catalog.errors import UserError, did_you_mean
from ml_jobs.contract import JobSpec, StackContract
from ml_jobs.launch.base import FINAL, Origin, Outputs, Run
from ml_jobs.runtime.storage import Folder

MOST_KEPT = 64
"""Runs whose time lines are kept in memory."""
_NUMBERS = itertools.count()
RUN_URL_VARIABLE = "SKYWRIGHT_RUN_URL"
ATTEMPT_VARIABLE = "SKYWRIGHT_ATTEMPT"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One job of the platform's for a run. `ref`: the platform's own name of it; `number` counts from 0."""

    number: int
    ref: str
    capacity: str
    pool: str
    at: float


class Records:
    """The records of a stack's runs. Raises StorageError when the store refuses."""

    def __init__(self, stack: StackContract) -> None:
        self.stack = stack
        self.url = runs_url(stack)
        self._timelines: dict[str, tuple[EventReader, list[dict[str, Any]]]] = {}

    def open(self, job: JobSpec, origin: Origin) -> str:
        """Write what the run is made of; the URL of its folder. Writing it again is fine."""
        url = f"{self.url}/{origin.run}"
        folder = Folder(url)
        about = {"id": origin.run, "by": origin.by, "submitted_at": origin.at, "lineage": origin.lineage}
        folder.write("contract.json", _json(self.stack.model_dump(mode="json")))
        folder.write("job.json", _json({**job.model_dump(mode="json", by_alias=True), "job": about}))
        return url

    def need(self, job: JobSpec, origin: Origin) -> None:
        """`open`, unless that was done: who submits may add to the store, not replace what is there."""
        try:
            self.read(origin.run)
        except UserError:
            self.open(job, origin)

    def submitted(self, run: str, attempt: Attempt) -> None:
        """Note that the platform has taken an attempt."""
        self.attempt(run, attempt)
        told = asdict(attempt)
        self.note(run, "submitted", attempt=attempt.number, **{key: told[key] for key in ("ref", "pool", "capacity")})

    def attempt(self, run: str, attempt: Attempt) -> None:
        Folder(f"{self.url}/{run}/attempts").write(f"{attempt.number:03d}.json", _json(asdict(attempt)))

    def attempts(self, run: str) -> list[Attempt]:
        """All of them, oldest first."""
        folder = Folder(f"{self.url}/{run}/attempts")
        return [Attempt(**json.loads(folder.read(name))) for name in folder.names()]

    def note(self, run: str, kind: str, **fields: Any) -> None:
        """Add an event of the launcher's own, such as `submitted`, `refused` or `stopped`."""
        at = time.time()
        line = json.dumps({"at": round(at, 6), "type": kind, **fields}, default=str) + "\n"
        name = f"launcher-{round(at * 1e6):017d}-{next(_NUMBERS):06d}-{uuid.uuid4().hex[:6]}.jsonl"
        Folder(f"{self.url}/{run}/events").write(name, line.encode())

    def ids(self) -> list[str]:
        return Folder(self.url).names()

    def read(self, run: str) -> tuple[JobSpec, Origin]:
        """Raises UserError with the closest id when there is no such run."""
        try:
            data = json.loads(Folder(f"{self.url}/{run}").read("job.json"))
        except FileNotFoundError:
            known = self.ids()
            raise UserError(f"there is no run {run!r} on stack {self.stack.stack}", did_you_mean(run, known)) from None
        about = data.pop("job")
        return JobSpec.read(data, where=f"{self.url}/{run}/job.json"), Origin(
            run, about["by"], float(about["submitted_at"]), about.get("lineage") or {}
        )

    def newest(self, limit: int) -> list[tuple[JobSpec, Origin]]:
        """Newest first."""
        found = [self.read(run) for run in self.ids()]
        return sorted(found, key=lambda pair: -pair[1].at)[:limit]

    def events(self, run: str) -> list[dict[str, Any]]:
        """The run's time line as far as it has been published, oldest first, each with its number `seq`.

        What was read once is kept: a long run has thousands of objects, and each is written once.
        """
        if run not in self._timelines and len(self._timelines) >= MOST_KEPT:
            self._timelines.clear()
        reader, known = self._timelines.setdefault(run, (EventReader(self.url, run), []))
        if new := reader.new():
            known.extend(new)
            known.sort(key=lambda event: float(event.get("at", 0)))
        return list(known)

    def follow(self, run: str, is_over: Callable[[], bool], poll_s: float) -> Iterator[dict[str, Any]]:
        """The time line as it is published, until the run is over and all of it was told."""
        reader = EventReader(self.url, run)
        while True:
            ended = is_over()  # asked first: what comes later is still read below
            yield from reader.new()
            if ended:
                return
            time.sleep(poll_s)

    def summary(self, run: str) -> dict[str, Any]:
        """What the runtime left at the end of its latest attempt; empty before."""
        try:
            found = json.loads(Folder(f"{self.url}/{run}").read("summary.json"))
        except (FileNotFoundError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def run(self, run: str, state: str, message: str = "", **known: Any) -> Run:
        """The run as its record tells it, in the `state` that the platform tells."""
        job, origin = self.read(run)
        events, summary = self.events(run), self.summary(run)
        of = {kind: [event for event in events if event["type"] == kind] for kind in EVENTS}
        told: dict[str, Any] = {
            "submitted_at": origin.at,
            "started_at": of["started"][0]["at"] if of["started"] else None,
            "ended_at": events[-1]["at"] if events and state in FINAL else None,
            "attempts": max(len(self.attempts(run)), 1),
            "preemptions": len(of["preempted"]),
            "failures": _failures(events),
            "exit_code": of["failed"][-1].get("exit_code") if of["failed"] and state == "failed" else None,
            "goodput": summary.get("goodput"),
            "cost_usd": summary.get("usd"),
            "model": _model(of["registered"][-1]) if of["registered"] else None,
        }
        merged = told | {key: value for key, value in known.items() if value is not None}
        said = message or (of["failed"][-1].get("message", "") if of["failed"] and state == "failed" else "")
        return Run(
            id=run, name=job.name, state=state, message=said, by=origin.by, team=job.team,
            params=job.params, lineage=origin.lineage, **merged,
        )  # fmt: skip

    def outputs(self, run: str) -> Outputs:
        """Where the run's model and checkpoints lie."""
        registered = [event for event in self.events(run) if event["type"] == "registered"]
        name = registered[-1].get("model") if registered else None
        return Outputs(
            model=name,
            version=registered[-1].get("version") if registered else None,
            artifact_url=f"{self.stack.storage.artifacts}/models/{name}/{run}" if name else None,
            checkpoints_url=f"{self.stack.storage.checkpoints}/{run}",
        )


def _failures(events: list[dict[str, Any]]) -> int:
    """Attempts that failed: of each, every rank that failed has said so."""
    count, has_failed = 0, False
    for event in events:
        if event["type"] == "failed":
            count, has_failed = count + (not has_failed), True
        elif event["type"] in ("started", "submitted", "resumed"):
            has_failed = False
    return count


def _model(registered: dict[str, Any]) -> dict[str, Any]:
    return {"name": registered.get("model"), "version": registered.get("version")}


EVENTS = ("started", "preempted", "failed", "registered")


class EventReader:
    """A run's events since the last look."""

    def __init__(self, runs: str, run: str) -> None:
        self._folder = Folder(f"{runs}/{run}/events")
        self._seen: set[str] = set()
        self._count = 0

    def new(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for name in self._folder.names():
            if name not in self._seen:
                self._seen.add(name)
                found.extend(_lines(self._folder.read(name)))
        found.sort(key=lambda event: float(event.get("at", 0)))
        for event in found:
            self._count += 1
            event["seq"] = self._count
        return found


def _lines(data: bytes) -> Iterator[dict[str, Any]]:
    for line in data.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and "type" in event:
            yield event


def runs_url(stack: StackContract) -> str:
    return f"{stack.storage.artifacts}/runs"


def environment(stack: StackContract, run: str, attempt: int, pool: str) -> dict[str, str]:
    """The variables by which a process on the platform finds its run."""
    url = f"{runs_url(stack)}/{run}"
    return {
        "SKYWRIGHT_JOB": f"{url}/job.json",
        "SKYWRIGHT_CONTRACT": f"{url}/contract.json",
        "SKYWRIGHT_RUN_ID": run,
        RUN_URL_VARIABLE: url,
        ATTEMPT_VARIABLE: str(attempt),
        "SKYWRIGHT_POOL": pool,
    }


def _json(data: Any) -> bytes:
    return json.dumps(data, indent=1, sort_keys=True, default=str).encode() + b"\n"
