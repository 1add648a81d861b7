"""Open the queue; when its database is damaged or gone, set it aside and rebuild it from the runs' own folders."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from catalog.errors import SkywrightError
from ml_jobs.local.scheduler.queue import FINAL, Corrupt, Queue
from ml_jobs.local.scheduler.rundir import RunDir


def open_queue(database: Path, runs: Path) -> Queue:
    """The queue with every job that has a folder. What was mended is said in one line on standard error."""
    try:
        queue = Queue(database)
    except Corrupt as error:
        aside = set_aside(database)
        queue = Queue(database)
        count = adopt_runs(queue, runs)
        sys.stderr.write(f"warning: {error.what}; kept as {aside.name}, {count} jobs rebuilt from {runs}\n")
    else:
        if count := adopt_runs(queue, runs):
            sys.stderr.write(f"warning: {count} jobs in {runs} were not in {database.name} and were put back\n")
    sys.stderr.flush()
    return queue


def set_aside(database: Path) -> Path:
    """Rename a database with its journal files; the new name. Raises SkywrightError when that can't be done."""
    aside = database.with_name(f"{database.name}.corrupt-{int(time.time())}")
    try:
        for suffix in ("-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                database.with_name(database.name + suffix).replace(aside.with_name(aside.name + suffix))
        database.replace(aside)
    except OSError as error:
        raise SkywrightError(f"{database} is damaged and can't be set aside: {error.strerror}") from None
    return aside


def adopt_runs(queue: Queue, runs: Path) -> int:
    """Put the jobs back that have a folder and are not in the queue, oldest first; how many.

    A job whose time line ends with its end keeps that state; any other is queued again and resumes.
    """
    found = []
    for folder in runs.iterdir() if runs.is_dir() else ():
        if (folder / "job.json").is_file() and not queue.known(folder.name):
            try:
                found.append((*RunDir(runs, folder.name).read(), RunDir(runs, folder.name)))
            except (OSError, ValueError, KeyError, TypeError, SkywrightError) as error:
                sys.stderr.write(f"warning: {folder / 'job.json'} can't be read and was passed over: {error}\n")
    for spec, origin, run in sorted(found, key=lambda item: item[1].submitted_at):
        events, _ = run.events()
        fields = replayed(events)
        if fields["state"] == "succeeded":
            fields["useful_s"] = run.summary().get("useful_s")
        queue.add(spec, origin, **fields)
        queue.meter({**interval, "job": origin.id, "team": spec.team} for interval in metered(events))
    return len(found)


def replayed(events: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """A job's row as its time line tells it."""
    import json

    fields: dict[str, Any] = {"state": "queued", "attempts": 0, "preemptions": 0, "failures": 0}
    for event in events:
        kind, at = event["type"], float(event.get("at") or 0)
        if kind == "started":
            fields["attempts"] += 1
            fields.setdefault("started_at", at)
        elif kind == "preempted":
            fields["preemptions"] += 1
        elif kind == "queued":
            fields |= {"waiting_since": at, "state": "queued"}
            fields["failures"] += event.get("cause") == "failure"
        elif kind == "registered":
            fields["model"] = json.dumps({"name": event.get("model"), "version": event.get("version")})
        elif ends_run(event):
            fields |= {
                "state": kind,
                "ended_at": at,
                "exit_code": event.get("exit_code", 0 if kind == "succeeded" else None),
            }
            fields["message"] = event.get("message") or event.get("reason") or ""
    return fields


def ends_run(event: dict[str, Any]) -> bool:
    """True for the scheduler's own last word; a rank's `failed` only says why that rank ended."""
    return event["type"] in FINAL and "rank" not in event


def metered(events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Slot intervals as the time line tells them; one that was never closed ends with the last event before."""
    intervals: list[dict[str, Any]] = []
    running: dict[str, Any] | None = None
    last = 0.0
    for event in events:
        at = float(event.get("at") or last)
        if event["type"] == "started":
            intervals += _used(running, last)
            running = event
        elif event["type"] == "queued" or ends_run(event):
            intervals += _used(running, at)
            running = None
        last = at
    return intervals + _used(running, last)


def _used(started: dict[str, Any] | None, until: float) -> list[dict[str, Any]]:
    """The intervals of one attempt, from its `started` event."""
    if started is None:
        return []
    since = float(started["at"])
    attempt = {
        "pool": started["pool"],
        "is_spot": bool(started.get("is_spot")),
        "started_at": since,
        "ended_at": max(until, since),
        "usd_per_hour": float(started.get("usd_per_hour") or 0),
    }
    return [{**attempt, "slot": slot} for slot in started.get("slots") or ()]
