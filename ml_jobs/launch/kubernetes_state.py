"""How a run stands, from what the cluster says of its objects. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ml_jobs.launch.base import Run
from ml_jobs.launch.kubernetes_pod import CONTAINER

STOPPED_BY, STOPPED_AT, STOPPED_WHY = (
    "skywright.dev/stopped-by",
    "skywright.dev/stopped-at",
    "skywright.dev/stopped-because",
)
UNPULLED = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")
UNSTARTED = (*UNPULLED, "CreateContainerConfigError", "CreateContainerError")
OVERRUN = "DeactivatedDueToMaximumExecutionTimeExceeded"
"""Kueue's reason for taking the capacity back for good."""

Found = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Seen:
    """A run's objects as they are at one moment: its ConfigMap (which outlives a stop), and the rest where it is."""

    record: Found
    jobset: Found | None = None
    workload: Found | None = None
    jobs: list[dict[str, Any]] = field(default_factory=list)
    pods: list[dict[str, Any]] = field(default_factory=list)


def run(seen: Seen) -> Run:
    """The run as the cluster tells it."""
    state, message = standing(seen)
    job = json.loads(seen.record["data"]["job.json"])
    origin = job["job"]
    annotations = seen.record["metadata"].get("annotations") or {}
    restarts, counted = _restarts(seen)
    evicted = _evictions(seen)
    starts = sorted(filter(None, (_at(pod.get("status", {}).get("startTime")) for pod in seen.pods)))
    return Run(
        id=origin["id"],
        name=job["name"],
        state=state,
        message=message,
        by=origin["by"],
        team=job["team"],
        submitted_at=origin["submitted_at"],
        started_at=starts[0] if starts else None,
        ended_at=_ended_at(seen),
        attempts=1 + restarts + evicted,
        preemptions=restarts - counted + evicted,
        failures=counted + (state == "failed"),
        exit_code=_exit_code(seen) if state == "failed" else None,
        slots=tuple(sorted(pod["spec"]["nodeName"] for pod in seen.pods if pod["spec"].get("nodeName"))),
        params=job.get("params") or {},
        lineage=origin.get("lineage") or {},
        detail={
            "jobset": f"{seen.record['metadata']['namespace']}/{seen.record['metadata']['name']}",
            "queue": annotations.get("skywright.dev/queue"),
            "pool": annotations.get("skywright.dev/pool"),
        },
    )


def standing(seen: Seen) -> tuple[str, str]:
    """(state, what the cluster says of it)."""
    annotations = seen.record["metadata"].get("annotations") or {}
    told = f"stopped by {annotations.get(STOPPED_BY)}: {annotations.get(STOPPED_WHY)}"
    if seen.jobset is None:
        return "stopped", told if STOPPED_BY in annotations else "its JobSet is not on the cluster"
    if seen.jobset["metadata"].get("deletionTimestamp"):
        return "stopping", told if STOPPED_BY in annotations else "its JobSet is being deleted"
    conditions = conditions_of(seen.jobset)
    if "Completed" in conditions:
        return "succeeded", ""
    if "Failed" in conditions:
        return "failed", _why_failed(seen) or conditions["Failed"].get("message", "")
    queue = conditions_of(seen.workload, every=True)
    if _is_overrun(queue):
        return "failed", f"overran its deadline: {queue['Evicted'].get('message', '')}"
    if not _holds(queue, "Admitted") or _holds(queue, "Evicted"):
        return "queued", _why_queued(queue)
    if any(_is_running(pod) for pod in seen.pods):
        return "running", ""
    return "queued", next(filter(None, map(_why_unstarted, seen.pods)), "starting")


def conditions_of(body: Found | None, *, every: bool = False) -> dict[str, Found]:
    """Type -> condition, those that are true or all."""
    found = ((body or {}).get("status") or {}).get("conditions") or ()
    return {each["type"]: each for each in found if every or each["status"] == "True"}


def timeline(seen: Seen) -> Iterator[dict[str, Any]]:
    """What the cluster alone knows of the run's life; its conditions tell the last of each kind."""
    known = run(seen)
    events = [{"at": known.submitted_at, "type": "submitted", "by": known.by}]
    queue = conditions_of(seen.workload)
    if admitted := queue.get("Admitted"):
        events.append({"at": _at(admitted.get("lastTransitionTime")), "type": "admitted"})
    if evicted := queue.get("Evicted"):
        events.append({"at": _at(evicted.get("lastTransitionTime")), "type": "evicted", "message": evicted["message"]})
    if known.started_at:
        events.append({"at": known.started_at, "type": "started", "attempt": (known.attempts or 1) - 1})
    if known.is_over or known.state == "stopping":
        told = {"exit_code": known.exit_code} if known.exit_code is not None else {}
        events.append({"at": known.ended_at, "type": known.state, "message": known.message, **told})
    yield from sorted(events, key=lambda event: event["at"] or float("inf"))


def _why_queued(queue: Mapping[str, Found]) -> str:
    reserved, evicted = queue.get("QuotaReserved", {}), queue.get("Evicted", {})
    said = [each.get("message", "") for each in (evicted, reserved) if each.get("message")]
    if not _holds(queue, "Evicted"):
        said = said[-1:]
    return "; ".join(said) or "waits for Kueue"


def _is_overrun(queue: Mapping[str, Found]) -> bool:
    return _holds(queue, "Evicted") and queue["Evicted"]["reason"] == OVERRUN


def _holds(conditions: Mapping[str, Found], kind: str) -> bool:
    return conditions.get(kind, {}).get("status") == "True"


def _why_failed(seen: Seen) -> str:
    """The last words of the container that ended it, else the Job's condition."""
    for pod in seen.pods:
        ended = _ended(pod)
        if ended and ended.get("exitCode") and ended.get("message"):
            return str(ended["message"]).strip().splitlines()[-1]
    for job in seen.jobs:
        if failed := conditions_of(job).get("Failed"):
            return f"{failed.get('reason', '')}: {failed.get('message', '')}"
    return ""


def _exit_code(seen: Seen) -> int | None:
    codes = [ended["exitCode"] for pod in seen.pods if (ended := _ended(pod)) and ended.get("exitCode")]
    return next((code for code in codes if code == 78), codes[0] if codes else None)


def _container(pod: Found) -> Found:
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    return next((each for each in statuses if each["name"] == CONTAINER), {})


def _ended(pod: Found) -> Found | None:
    return (_container(pod).get("state") or {}).get("terminated")


def _is_running(pod: Found) -> bool:
    return (pod.get("status") or {}).get("phase") == "Running" and not pod["metadata"].get("deletionTimestamp")


def _why_unstarted(pod: Found) -> str:
    waiting = (_container(pod).get("state") or {}).get("waiting") or {}
    if waiting.get("reason") in UNPULLED:
        return f"its image can't be pulled ({waiting['reason']}): {waiting.get('message', '')}".rstrip(": ")
    if waiting.get("reason") in UNSTARTED:
        return f"its container can't start ({waiting['reason']}): {waiting.get('message', '')}".rstrip(": ")
    scheduled = conditions_of(pod, every=True).get("PodScheduled", {})
    return str(scheduled.get("message", "")) if scheduled.get("status") == "False" else ""


def _restarts(seen: Seen) -> tuple[int, int]:
    """(all, those that count as failures)."""
    status = (seen.jobset or {}).get("status") or {}
    return status.get("restarts", 0), status.get("restartsCountTowardsMax", 0)


def _evictions(seen: Seen) -> int:
    """How often Kueue took the capacity back: for another job, or because its queue was stopped."""
    stats = (((seen.workload or {}).get("status") or {}).get("schedulingStats") or {}).get("evictions") or ()
    return sum(each.get("count", 0) for each in stats if not each["reason"].startswith("Deactivated"))


def _ended_at(seen: Seen) -> float | None:
    over = conditions_of(seen.jobset)
    for kind in ("Completed", "Failed"):
        if kind in over:
            return _at(over[kind].get("lastTransitionTime"))
    return _at((seen.record["metadata"].get("annotations") or {}).get(STOPPED_AT)) if seen.jobset is None else None


def _at(text: str | None) -> float | None:
    return datetime.fromisoformat(text).timestamp() if text else None
