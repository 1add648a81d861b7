"""One JSON with everything that the page shows, put together from the stack's processes."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import anyio.to_thread
import httpx

from ml_jobs.local.page import rates, sources
from ml_jobs.local.page.clean import clean, pick, rows
from ml_jobs.local.page.sources import AuditTail, Peers, Source
from ml_jobs.local.page.timeline import Timeline
from ml_jobs.local.process import ServiceConfig

Alarms = Callable[[], list[dict[str, Any]]]
Series = Callable[[str, float, Mapping[str, str]], Iterable[rates.Sample]]

KEPT_S = 1.0
JOBS, RUNS_KEPT, EVENT_PAGES = 40, 16, 50
JOB_KEYS = (
    "id", "name", "team", "state", "priority", "by", "submitted_at", "started_at", "ended_at", "attempts",
    "preemptions", "failures", "exit_code", "message", "model", "cost_usd", "goodput", "pool", "slot",
)  # fmt: skip
SLOT_KEYS = ("id", "pool", "is_spot", "state", "job", "usd_per_hour", "until")
BUDGET_KEYS = ("period", "limit_usd", "spent_usd", "forecast_usd", "steps", "lines")
HOLD_KEYS = ("id", "scope", "effect", "reason", "by", "at", "target")
QUEUE_KEYS = ("id", "name", "team", "priority", "waiting_since", "reason")
HELD_KEYS = ("is_stopped", "route_to", "reason")
RELEASE_KEYS = ("model", "version", "weight_percent", "shadow_percent")
RUNNING = ("running", "stopping")
NOBODY = "none"
"""The router's name for what no release answered."""


class Snapshot:
    """Asks every source at most once a second, however many pages look; one that is away never blanks the rest."""

    def __init__(self, config: ServiceConfig, alarms: Alarms, series: Series) -> None:
        self._config, self._series = config, series
        self._peers = Peers(config)
        self._lines: OrderedDict[str, Timeline] = OrderedDict()
        self._turn: asyncio.Lock | None = None
        self._bodies: dict[str | None, tuple[float, bytes]] = {}
        self.asked = {
            "scheduler": Source(self._scheduler, 0.9),
            "registry": Source(self._peers.models, 4),
            "router": Source(self._router, 0.9),
            "ledger": Source(lambda: self._peers.get("ledger", "/budget"), 0.9),
            "metrics": Source(lambda: anyio.to_thread.run_sync(self._metrics), 1.9),
            "alarms": Source(lambda: anyio.to_thread.run_sync(alarms), 0.9),
            "audit": Source(AuditTail(config.artifacts_url).read, 0.9),
        }

    async def body(self, run: str | None = None) -> bytes:
        """The JSON for a page that looks at `run`, or at the run that matters most when none is named."""
        run = run if run and re.fullmatch(r"[\w.-]{1,80}", run) else None
        self._turn = self._turn or asyncio.Lock()
        async with self._turn:
            made, body = self._bodies.get(run, (-KEPT_S, b""))
            if time.monotonic() - made >= KEPT_S:
                body = json.dumps(await self._view(run), separators=(",", ":"), allow_nan=False).encode()
                self._bodies = {key: old for key, old in self._bodies.items() if time.monotonic() - old[0] < KEPT_S}
                self._bodies[run] = (time.monotonic(), body)
            return body

    async def _view(self, run: str | None) -> dict[str, Any]:
        await asyncio.gather(*(source.refresh() for source in self.asked.values()))
        data = {name: source.data for name, source in self.asked.items()}
        scheduler = data["scheduler"] or {"jobs": [], "slots": [], "queue": []}
        router = data["router"] or {"endpoint": None, "releases": []}
        metrics = data["metrics"] or {}
        return {
            "version": 1,
            "now": time.time(),
            "stack": self._config.stack,
            "environment": self._config.environment,
            "sources": {name: source.status() for name, source in self.asked.items()},
            **scheduler,
            "run": await self._run(run or _chosen(scheduler["jobs"]), scheduler["jobs"]),
            "endpoint": router["endpoint"],
            "releases": [{**release, **metrics.get(release["name"], {})} for release in router["releases"]],
            "unanswered_rate": metrics.get(NOBODY, {}).get("request_rate", 0.0),
            "models": data["registry"] or [],
            "budget": _budget(data["ledger"]),
            "alarms": clean(data["alarms"] or []),
            "audit": data["audit"],
        }

    async def _scheduler(self) -> dict[str, Any]:
        jobs, slots = await asyncio.gather(
            self._peers.get("scheduler", "/jobs", limit=JOBS), self._peers.get("scheduler", "/slots")
        )
        return {
            "jobs": [_job(job) for job in rows(jobs, "jobs")],
            "slots": [pick(slot, SLOT_KEYS) for slot in rows(slots, "slots")],
            "queue": [pick(waiting, QUEUE_KEYS) for waiting in rows(slots, "queue")],
        }

    async def _router(self) -> dict[str, Any]:
        routes, copies = await asyncio.gather(
            self._peers.get("router", "/routes"), self._peers.get("router", "/shadow", limit=1)
        )
        shadow = {total["release"]: (total["copies"], total["agree"]) for total in rows(copies, "releases")}
        releases = []
        for name, release in (routes.get("releases") or {}).items():
            compared, agreed = shadow.get(name, (0, 0))
            shown = pick(release, RELEASE_KEYS)
            releases.append({"name": str(name), **shown, "shadow": {"compared": compared, "agreed": agreed}})
        releases.sort(key=lambda release: (-(release["weight_percent"] or 0), release["name"]))
        return {
            "endpoint": {**pick(routes, ("endpoint", "note")), "held": pick(routes.get("held"), HELD_KEYS)},
            "releases": releases,
        }

    def _metrics(self) -> dict[str, Any]:
        since = time.time() - rates.SPAN_S
        requests = self._series("skywright_requests_total", since, {})
        buckets = self._series("skywright_request_seconds_bucket", since, {})
        return rates.per_release(requests, buckets, since)

    async def _run(self, run: str | None, jobs: list[dict[str, Any]]) -> dict[str, Any] | None:
        if run is None:
            return None
        line = self._lines.setdefault(run, Timeline())
        self._lines.move_to_end(run)
        while len(self._lines) > RUNS_KEPT:
            self._lines.popitem(last=False)
        why, job = "", next((job for job in jobs if job["id"] == run), None)
        try:
            async with asyncio.timeout(sources.PATIENCE_S):
                job = job or _job(await self._peers.get("scheduler", f"/jobs/{run}"))
                await self._read_events(run, line)
        except httpx.HTTPStatusError as error:
            missing = error.response.status_code == 404
            why = f"there is no run {run}" if missing else f"scheduler answered {error.response.status_code}"
        except Exception as error:
            why = "the scheduler does not answer" if isinstance(error, httpx.HTTPError) else "no answer in time"
        return {"id": run, "job": job, "why": why, **line.view()}

    async def _read_events(self, run: str, line: Timeline) -> None:
        for _ in range(EVENT_PAGES):
            page = await self._peers.get("scheduler", f"/jobs/{run}/events", after=line.next, wait_s=0)
            events = rows(page, "events")
            for event in events:
                line.add(event)
            last = int(page.get("next") or line.next)
            if not events or last <= line.next:
                return
            line.next = last


def _job(job: Mapping[str, Any]) -> dict[str, Any]:
    resources = (job.get("spec") or {}).get("resources") or {}
    return {**pick(job, JOB_KEYS), "ranks": (resources.get("count") or 1) * (resources.get("nodes") or 1)}


def _chosen(jobs: list[dict[str, Any]]) -> str | None:
    """The newest run that runs, else the newest that ever started, else the newest."""
    ordered = sorted(jobs, key=lambda job: job["submitted_at"] or 0, reverse=True)
    for fits in (lambda job: job["state"] in RUNNING, lambda job: job["started_at"], lambda job: True):
        found = next((job["id"] for job in ordered if fits(job)), None)
        if found:
            return str(found)
    return None


def _budget(data: Any) -> dict[str, Any] | None:
    if not isinstance(data, Mapping):
        return None
    return {**pick(data, BUDGET_KEYS), "holds": [pick(hold, HOLD_KEYS) for hold in rows(data, "holds")]}
