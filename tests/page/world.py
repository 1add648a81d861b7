"""A make-believe stack for the page: the peers' answers, as the real processes would give them."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

RUN, OTHER, FAILED, WAITING = "digits-7be21c04", "digits-3f9a2c1d", "digits-a1b2c3d4", "tuning-0c44e9aa"
SHA = "9f" * 32


def job(run: str, state: str, submitted: float, **more: Any) -> dict[str, Any]:
    name = run.rsplit("-", 1)[0]
    base = {
        "id": run, "name": name, "team": "vision", "state": state, "priority": 0, "by": "ada",
        "submitted_at": submitted, "started_at": submitted + 2, "ended_at": None, "attempts": 1, "preemptions": 0,
        "failures": 0, "exit_code": None, "message": "", "model": None, "cost_usd": 0.00042, "goodput": None,
        "pool": "spot", "slot": "spot-0",
        "spec": {"name": name, "entry": "ml_jobs.train.digits:train", "resources": {"count": 2, "nodes": 1}},
    }  # fmt: skip
    return base | more


def training(start: float, *, until: float = math.inf) -> Iterator[dict[str, Any]]:
    """A run of a minute that loses its capacity twice: with notice, and without."""
    noise = random.Random(7)
    yield {"at": start, "type": "submitted"}
    yield {"at": start, "type": "queued", "reason": "waits for a slot"}
    at, step = start + 2.0, 0
    plan = [("spot-0", True, 150, "notice"), ("spot-1", True, 120, "kill"), ("cpu-0", False, 230, "end")]
    saved = 0
    for attempt, (slot, is_spot, steps, end) in enumerate(plan, 1):
        yield {"at": at, "type": "started", "attempt": attempt, "pool": slot[:-2], "slot": slot, "is_spot": is_spot}
        if attempt > 1:
            at += 1.4
            yield {"at": at, "type": "resumed", "step": saved, "load_s": 0.083, "passed_over": []}
            if step != saved:
                lost = {"steps": step - saved, "seconds": (step - saved) * 0.11}
                yield {"at": at + 0.01, "type": "lost", **lost}
            step = saved
        for _ in range(steps):
            step, at = step + 1, at + 0.11
            if at > until:
                return
            if step % 4 == 0:
                loss = 2.3 * math.exp(-step / 90) + 0.03 + noise.uniform(-1, 1) * 0.12 * math.exp(-step / 120)
                values = {"loss": round(loss, 4), "accuracy": round(0.985 - 0.88 * math.exp(-step / 60), 4)}
                yield {"at": at, "type": "metrics", "step": step, "values": values}
            if step % 40 == 0:
                saved = step
                sizes = {"save_s": 0.021, "blocked_s": 0.0018, "bytes": 1_204_224}
                yield {"at": at, "type": "checkpoint", "step": step, **sizes}
        if end == "notice":
            yield {"at": at, "type": "notice", "slot": slot, "notice_s": 5}
            saved, at = step, at + 0.3
            yield {"at": at, "type": "checkpoint", "step": step, "save_s": 0.02, "blocked_s": 0.02, "bytes": 1_204_224}
        if end in ("notice", "kill"):
            at += 0.2
            yield {"at": at, "type": "preempted", "slot": slot, "notice_s": 5 if end == "notice" else 0}
            yield {"at": at + 0.1, "type": "queued", "reason": "preempted"}
            at += 3.0
    yield {"at": at + 0.6, "type": "registered", "model": "digits", "version": 2}
    yield {"at": at + 0.7, "type": "succeeded", "summary": {"accuracy": 0.981}}


def version(number: int, at: float, score: float, state: str, by: str) -> dict[str, Any]:
    approval = {"by": by, "at": at + 40, "reason": "beats production on every class", "signature": "c2lnbmF0dXJl"}
    return {
        "model": "digits", "version": number, "artifact_url": "file:///srv/artifacts", "artifact_sha256": SHA,
        "job": OTHER if number == 1 else RUN, "by": "ada", "created_at": at, "state": state,
        "evaluation": {"accuracy": score, "loss": 0.07, "primary": "accuracy", "higher_is_better": True},
        "lineage": {"git": {"commit": "4c043e9d0f5a", "is_dirty": number == 2}, "packages": {"torch": "2.8.0"}},
        "approval": approval if state == "approved" else None,
    }  # fmt: skip


@dataclass
class World:
    """What the peers answer; a test changes it while the page looks. `away`: peers that are dead."""

    now: float = field(default_factory=time.time)
    jobs: list[dict[str, Any]] = field(default_factory=list)
    events: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    slots: list[dict[str, Any]] = field(default_factory=list)
    queue: list[dict[str, Any]] = field(default_factory=list)
    versions: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    releases: dict[str, dict[str, Any]] = field(default_factory=dict)
    shadow: list[dict[str, Any]] = field(default_factory=list)
    held: dict[str, Any] = field(default_factory=lambda: {"is_stopped": False, "route_to": None, "reason": ""})
    budget: dict[str, Any] = field(default_factory=dict)
    alarms: list[dict[str, Any]] = field(default_factory=list)
    traffic: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    away: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)

    def series(
        self, name: str, since: float, labels: Mapping[str, str]
    ) -> Iterator[tuple[float, float, dict[str, str]]]:
        """Counters of `traffic`: release -> (requests/s, error ratio, typical latency in s)."""
        bounds = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, math.inf)
        at = self.now - 600
        while at <= time.time():
            age = at - self.now + 600
            for release, (rate, errors, typical) in self.traffic.items():
                sent = rate * (age + 40 * math.sin(age / 60))
                if name == "skywright_requests_total":
                    yield at, sent * (1 - errors), {"release": release, "code": "200"}
                    yield at, sent * errors, {"release": release, "code": "500"}
                if name == "skywright_request_seconds_bucket":
                    for bound in bounds:
                        share = 1 - math.exp(-((bound / typical) ** 2)) if bound < math.inf else 1
                        yield at, sent * share, {"release": release, "le": "+Inf" if bound == math.inf else str(bound)}
            at += 5


def empty() -> World:
    """A stack on which nothing has happened."""
    now = time.time()
    world = World(now=now)
    world.slots = [slot("cpu-0", False, "idle"), slot("spot-0", True, "idle")]
    world.budget = {
        "period": "2026-11", "limit_usd": 5.0, "spent_usd": 0.0, "forecast_usd": 0.0, "holds": [], "lines": [],
        "steps": [{"percent": p, "effect": e, "reached_at": None, "released_at": None} for p, e in STEPS],
    }  # fmt: skip
    return world


STEPS = [(50, "notify"), (80, "block_new"), (100, "stop_spot"), (120, "scale_to_zero")]


def slot(name: str, is_spot: bool, state: str, job: str | None = None, until: float | None = None) -> dict[str, Any]:
    price = 0.12 if is_spot else 0.40
    return {
        "id": name, "pool": name[:-2], "is_spot": is_spot, "state": state, "job": job, "usd_per_hour": price,
        "until": until,
    }  # fmt: skip


def busy() -> World:
    """A stack in the middle of its day: a run that was preempted twice, a canary, half of the budget spent."""
    world = empty()
    now, start = world.now, world.now - 55
    world.jobs = [
        job(WAITING, "queued", now - 21, started_at=None, attempts=0, cost_usd=0.0, pool=None, slot=None,
            priority=5, by="lin"),
        job(RUN, "running", start, attempts=3, preemptions=2, goodput=0.871, cost_usd=0.00301, slot="cpu-0",
            pool="cpu"),
        job(OTHER, "succeeded", now - 900, ended_at=now - 858, goodput=0.984, cost_usd=0.00147,
            model={"name": "digits", "version": 1}),
        job(FAILED, "failed", now - 4000, ended_at=now - 3990, failures=2, exit_code=78, cost_usd=0.0003,
            message="params.batch_size is 'many'; allowed: a whole number of at least 1."),
    ]  # fmt: skip
    world.events = {
        RUN: list(training(start, until=now)),
        OTHER: list(training(now - 900)),
        FAILED: [
            {"at": now - 4000, "type": "submitted"},
            {"at": now - 3998, "type": "started", "attempt": 1, "pool": "spot", "slot": "spot-0", "is_spot": True},
            {"at": now - 3990, "type": "failed", "exit_code": 78, "message": "params.batch_size is 'many'"},
        ],
        WAITING: [
            {"at": now - 21, "type": "submitted"},
            {"at": now - 21, "type": "queued", "reason": "no slot is free"},
        ],
    }
    world.slots = [
        slot("cpu-0", False, "busy", RUN),
        slot("spot-0", True, "away", None, now + 40),
        slot("spot-1", True, "notice", None, now + 4),
    ]
    world.queue = [
        {
            "id": WAITING,
            "name": "tuning",
            "team": "vision",
            "priority": 5,
            "waiting_since": now - 21,
            "reason": "needs 2 slots of pool cpu; 0 are free",
        }
    ]
    world.versions = {
        "digits": [version(2, now - 300, 0.9806, "approved", "grace"),
                   version(1, now - 860, 0.9722, "approved", "grace"),
                   version(3, now - 30, 0.9639, "pending", "")]
    }  # fmt: skip
    world.releases = {
        "stable": {
            "url": "http://127.0.0.1:1",
            "model": "digits",
            "version": 1,
            "weight_percent": 90,
            "shadow_percent": 0,
        },
        "canary": {
            "url": "http://127.0.0.1:2",
            "model": "digits",
            "version": 2,
            "weight_percent": 10,
            "shadow_percent": 0,
        },
        "next": {
            "url": "http://127.0.0.1:3",
            "model": "digits",
            "version": 3,
            "weight_percent": 0,
            "shadow_percent": 25,
        },
    }
    world.shadow = [{"release": "next", "copies": 240, "agree": 234, "mean_seconds": 0.004, "failed": 0}]
    world.traffic = {"stable": (178.4, 0.0, 0.004), "canary": (19.8, 0.004, 0.0052)}
    world.budget |= {
        "spent_usd": 2.731, "forecast_usd": 4.62,
        "lines": [
            {"kind": "training", "name": RUN, "team": "vision", "seconds": 52, "usd_per_hour": 0.12, "usd": 0.00301},
            {"kind": "endpoint", "name": "stable", "team": None, "seconds": 40_100, "usd_per_hour": 0.2, "usd": 2.228},
        ],
        "holds": [{"id": "5d0c11aa", "scope": "team:vision", "effect": "block_new", "by": "fin", "at": now - 600,
                   "reason": "month's end close to the limit", "target": None}],
    }  # fmt: skip
    world.budget["steps"][0]["reached_at"] = now - 7000
    world.alarms = [
        alarm("queue-wait", "firing", "warning", "queue_wait", 20, 21.4, now - 12),
        alarm("latency-p99", "cleared", "critical", "latency", 0.05, 0.081, now - 800, now - 740),
    ]
    return world


def alarm(
    name: str,
    state: str,
    severity: str,
    metric: str,
    threshold: float,
    value: float,
    at: float,
    ended: float | None = None,
) -> dict[str, Any]:
    return {
        "name": name, "state": state, "severity": severity, "metric": metric, "threshold": threshold, "value": value,
        "at": at, "ended_at": ended, "condition": f"{metric.replace('_', ' ')} > {threshold:g} s",
    }  # fmt: skip
