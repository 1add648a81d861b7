"""What the scheduler tells of itself: jobs, slots and metrics as others read them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ml_jobs.local.scheduler.controller import Controller
from ml_jobs.local.scheduler.queue import Job

WAIT_BUCKETS_S = (0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800, 7200, float("inf"))


def describe(controller: Controller, job: Job, now: float) -> dict[str, Any]:
    """One job as GET /jobs gives it. `cost_usd` counts until now; `goodput` is useful step time over slot time."""
    gang = controller.gangs.running.get(job.id)
    used_s, cost_usd = controller.queue.used(job.id, now)
    useful_s = job.useful_s
    model = job.model or (controller.gangs.watch.look(job.id).model if gang else None)
    return {
        "id": job.id,
        "name": job.spec.name,
        "team": job.spec.team,
        "state": job.state,
        "priority": job.priority,
        "by": job.by,
        "submitted_at": job.submitted_at,
        "started_at": job.started_at,
        "ended_at": job.ended_at,
        "attempts": job.attempts,
        "preemptions": job.preemptions,
        "failures": job.failures,
        "exit_code": job.exit_code,
        "message": job.message,
        "model": model,
        "cost_usd": round(cost_usd, 8),
        "slot_s": round(used_s, 3),
        "goodput": round(useful_s * job.spec.resources.nodes / used_s, 4) if useful_s is not None and used_s else None,
        "spec": job.spec.model_dump(mode="json", by_alias=True),
        "lineage": job.lineage,
        "pool": gang.pool if gang else None,
        "slot": gang.slots[0] if gang else None,
        "slots": list(gang.slots) if gang else [],
        "ranks": {rank: process[0] for rank, process in sorted(gang.processes.items())} if gang else {},
    }


def slots(controller: Controller, now: float) -> dict[str, Any]:
    """The slots as they are, and who waits for what."""
    holder = {slot: gang.job for gang in controller.gangs.running.values() for slot in gang.slots}
    shown = []
    for slot, instance in controller.slots.instances.items():
        condition = controller.slots.condition(slot, now)
        state = condition.state if condition.state != "up" else "busy" if slot in holder else "idle"
        shown.append(
            {
                "id": slot,
                "pool": instance.pool.name,
                "is_spot": instance.pool.is_spot,
                "accelerator": instance.pool.accelerator,
                "ranks": instance.pool.count,
                "state": state,
                "job": holder.get(slot),
                "usd_per_hour": instance.pool.usd_per_hour,
                "until": condition.until if condition.until < float("inf") else None,
            }
        )
    waiting = controller.plan(now).waiting
    queue = [
        {
            "id": job.id,
            "name": job.spec.name,
            "team": job.spec.team,
            "priority": job.priority,
            "waiting_since": job.waiting_since,
            "reason": waiting.get(job.id, job.message),
        }
        for job in sorted(controller.queue.in_state("queued"), key=lambda job: (-job.priority, job.seq))
    ]
    agent = {"pid": controller.gangs.agency.pid, "is_ready": controller.gangs.agency.is_ready}
    return {"now": now, "slots": shown, "queue": queue, "agent": agent}


class Metrics(Collector):
    """The scheduler's Prometheus metrics; counters come from the queue and survive restarts."""

    def __init__(self, controller: Controller) -> None:
        self.controller = controller
        self.registry = CollectorRegistry()
        self.waits = Histogram(
            "skywright_queue_wait_seconds",
            "Time from queued to started",
            buckets=WAIT_BUCKETS_S,
            registry=self.registry,
        )
        self.registry.register(self)
        controller.gangs.on_wait = self.waits.observe

    def text(self) -> bytes:
        return generate_latest(self.registry)

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        controller, now = self.controller, time.time()
        counted = Counter((slot["pool"], slot["state"]) for slot in slots(controller, now)["slots"])
        by_state = GaugeMetricFamily("skywright_slots", "Slots by pool and state", labels=("pool", "state"))
        for pool in controller.slots.pools:
            for state in ("idle", "busy", "notice", "away"):
                by_state.add_metric((pool, state), counted[(pool, state)])
        yield by_state
        jobs = GaugeMetricFamily("skywright_jobs", "Jobs by state", labels=("state",))
        for state, count in controller.queue.counts().items():
            jobs.add_metric((state,), count)
        yield jobs
        preemptions, failures = controller.queue.totals()
        yield CounterMetricFamily("skywright_job_failures", "Attempts that failed", value=failures)
        yield CounterMetricFamily("skywright_preemptions", "Attempts that were preempted", value=preemptions)
        step_s = self._step_s()
        if step_s is not None:
            yield GaugeMetricFamily("skywright_step_seconds", "Duration of a training step, latest", value=step_s)
        if controller.gangs.goodput is not None:
            yield GaugeMetricFamily(
                "skywright_goodput_ratio", "Useful step time over slot time, latest job", value=controller.gangs.goodput
            )

    def _step_s(self) -> float | None:
        running = [self.controller.gangs.watch.look(job).step_s for job in self.controller.gangs.running]
        return next((step_s for step_s in running if step_s is not None), self.controller.gangs.step_s)
