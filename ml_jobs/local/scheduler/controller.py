"""The scheduler's life cycle: what comes in, what the market does, what ranks do, to what runs. One event loop."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import signal
import sqlite3
import sys
import time
import uuid
from pathlib import Path
from typing import Any

from catalog.errors import SkywrightError, UserError
from ml_jobs.contract import JobSpec
from ml_jobs.holds import Effect, Holds
from ml_jobs.local.process import ServiceConfig
from ml_jobs.local.scheduler import leftovers, placement
from ml_jobs.local.scheduler.environment import contract_of, secrets_of
from ml_jobs.local.scheduler.gang import Cause, Gang
from ml_jobs.local.scheduler.gangs import Gangs
from ml_jobs.local.scheduler.plans import Plans
from ml_jobs.local.scheduler.queue import ACTIVE, Job, cannot_write
from ml_jobs.local.scheduler.rebuild import open_queue
from ml_jobs.local.scheduler.rundir import Origin, RunDir
from ml_jobs.local.scheduler.settings import SchedulerSettings
from ml_jobs.local.scheduler.slots import Slots

PULSE_S = 0.5
"""How often holds are looked at when nothing else happens."""


class Held(SkywrightError):
    """A hold keeps new jobs out."""


class Controller:
    """Owns the queue, the slots and the agent. Its methods run on the event loop's thread and never wait."""

    def __init__(self, config: ServiceConfig, settings: SchedulerSettings) -> None:
        root = Path(config.root)
        self.config = config
        self.settings = settings
        self.runs = root / "runs"
        self.database = root / "state" / "scheduler.db"
        try:
            self.runs.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(self.runs, error) from None
        self.queue = open_queue(self.database, self.runs)
        market = settings.market.model_dump_json()  # another market starts at its own beginning, the same one goes on
        epoch = float(self.queue.remembered(f"epoch of {market}", str(time.time())))
        self.slots = Slots(settings.pools, settings.market, epoch)
        self.holds = Holds(Path(config.holds_file))
        self.gangs = Gangs(root, settings, self.queue, self.wake)
        self.plans = Plans(self.slots, self.gangs.running)
        self.is_draining = False
        self._wake = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None
        self._looked_at = time.time()
        self._beat_at = 0.0

    def wake(self) -> None:
        self._wake.set()

    # life

    def open(self) -> None:
        """Take over what an earlier scheduler left, then go."""
        self._recover()
        self.gangs.agency.open()
        self._loop = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Let running jobs checkpoint for `drain_s`, then end them; they are queued again and resume."""
        self.drain()
        deadline = time.time() + self.settings.drain_s + 1
        while self.gangs.running and time.time() < deadline:
            await asyncio.sleep(0.02)
        if self._loop:
            self._loop.cancel()
        await self.gangs.close()
        self.queue.close()

    def drain(self) -> None:
        """Start nothing more and ask what runs to stop. More than once is as once."""
        if not self.is_draining:
            self.is_draining = True
            for gang in self.gangs.running.values():
                self.gangs.ask_to_end(gang, Cause.DRAINED, self.settings.drain_s)
            self.wake()

    def _recover(self) -> None:
        """End what an earlier scheduler left running, for certain, and queue its jobs again."""
        left = self.queue.left_open()
        processes = [process for _, found in left for process in found]
        while leftovers.alive(processes):
            leftovers.end(processes)
            time.sleep(0.01)
        self.queue.close_left_open()
        now = time.time()
        for job, _ in left:
            if job.state == "stopping":
                self.queue.update(job.id, state="stopped", ended_at=now)
                self.gangs.event(job.id, "stopped", by=job.by, reason=job.message)
            else:
                reason = "the scheduler was started anew"
                self.queue.update(job.id, state="queued", waiting_since=now, message=reason)
                self.gangs.event(job.id, "queued", reason=reason, cause=Cause.LOST.value)

    async def _run(self) -> None:
        while True:
            try:
                pause = self.tick() - time.time()
            except (sqlite3.Error, OSError, SkywrightError) as error:
                sys.stderr.write(f"error: {cannot_write(self.database, error)}\n")
                sys.stderr.flush()
                if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
                    os.kill(os.getpid(), signal.SIGTERM)  # a damaged database is set aside by the next start
                pause = PULSE_S
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), min(max(pause, 0.001), PULSE_S))
            self._wake.clear()

    # what people ask for

    def submit(
        self, spec: JobSpec, *, by: str, lineage: dict[str, Any], contract: dict[str, Any] | None, id: str | None = None
    ) -> Job:
        """Put a job into the queue; one that is there under this `id` is left as it is.

        Raises UserError for the impossible, Held for a hold, OSError or sqlite3.Error.
        """
        if id is not None:
            with contextlib.suppress(KeyError):
                return self.queue.job(id)
        placement.require_possible(spec, self.settings.pools)
        secrets_of(spec, Path(self.config.root))
        hold = placement.blocking(self.holds.active(), Effect.BLOCK_NEW, spec.team)
        if hold:
            raise Held(
                f"hold {hold.id} on {hold.scope} keeps new jobs out: {hold.reason}",
                f"An admin lifts it: skywright budget release {hold.id} --reason ...",
            )
        origin = Origin(id or f"{spec.name}-{uuid.uuid4().hex[:8]}", by, time.time(), lineage)
        run = RunDir(self.runs, origin.id)
        run.create(spec, origin, contract or contract_of(self.config, self.settings))
        job = self.queue.add(spec, origin)
        run.write("submitted", at=origin.submitted_at, by=by)
        run.write("queued", at=origin.submitted_at, reason="submitted")
        self.wake()
        return job

    def stop(self, job_id: str, *, by: str, reason: str) -> Job:
        """Stop a job, with a checkpoint when it runs. Raises KeyError, or UserError when it is over."""
        job = self.queue.job(job_id)
        gang = self.gangs.running.get(job_id)
        if job.state not in ACTIVE:
            raise UserError(f"job {job_id} is {job.state}; only queued and running jobs can be stopped")
        message = f"stopped by {by}: {reason}"
        if gang is None:
            self.queue.update(job_id, state="stopped", ended_at=time.time(), message=message)
            self.gangs.event(job_id, "stopped", by=by, reason=reason)
        else:
            self.queue.update(job_id, state="stopping", message=message)
            gang.stopped = {"by": by, "reason": reason}
            self.gangs.ask_to_end(gang, Cause.STOPPED, self.settings.stop_grace_s)
        self.wake()
        return self.queue.job(job_id)

    def preempt(self, slot: str, *, notice_s: float, away_s: float) -> None:
        """Do by hand what a market does. Raises KeyError."""
        self.slots.preempt(slot, time.time(), notice_s=notice_s, away_s=away_s)
        for gang in self.gangs.running.values():
            if slot in gang.slots and notice_s == 0:
                self.gangs.take_away(gang, slot)
        self._follow_market(time.time())
        self.wake()

    # the clock

    def tick(self) -> float:
        """Act on the market, the holds and the queue as they are now; when to look again (POSIX seconds)."""
        now = time.time()
        self._follow_market(now)
        self.gangs.settle(now)
        if self.gangs.running and now - self._beat_at >= self.settings.heartbeat_s:
            self.queue.heartbeat(now)
            self._beat_at = now
        plan = self.plan(now)
        for job, hold in plan.stops.items():
            gang = self.gangs.running[job]
            if gang.cause is None:
                notice_s = self.settings.stop_grace_s
                self.gangs.event(job, "notice", slot=gang.slots[0], notice_s=notice_s, hold=hold.id, reason=hold.reason)
                self.gangs.ask_to_end(gang, Cause.HELD, notice_s)
        for gang in self.gangs.running.values():
            held = self.queue.job(gang.job)
            if gang.cause is None and self.plans.moves(gang, held, now, self._remaining_s(held, now)):
                self.gangs.event(gang.job, "replanned", slot=gang.slots[0])
                self.gangs.ask_to_end(gang, Cause.REPLANNED, self.settings.stop_grace_s)
        if self.gangs.agency.is_ready and not self.is_draining:
            for start in plan.starts:
                pool = self.slots.pools[start.pool]
                notice_s = self.slots.usual_notice(pool, self.settings.stop_grace_s)
                self.gangs.begin(self.queue.job(start.job), pool, start.slots, notice_s=notice_s)
        kills = [gang.kill_at for gang in self.gangs.running.values() if gang.kill_at and not gang.ended]
        return min([plan.wake_at, self.slots.next_change(now), *kills])

    def plan(self, now: float) -> placement.Plan:
        """What `placement.decide` says of the state as it is."""
        holder = {slot: gang for gang in self.gangs.running.values() for slot in gang.slots}
        slots = [
            placement.Slot(
                slot,
                instance.pool.name,
                self.slots.condition(slot, now).state == "up",
                holder[slot].job if slot in holder else None,
                holder[slot].spec.team if slot in holder else "default",
            )
            for slot, instance in self.slots.instances.items()
        ]
        queued = self.queue.in_state("queued")
        self.plans.keep({job.id for job in queued} | set(self.gangs.running))
        return placement.decide(
            now,
            [self._ask(job, now) for job in queued],
            slots,
            self.settings.pools,
            self.holds.active(),
            spot_fallback_s=self.settings.spot_fallback_s,
            patience_s=self.settings.patience_s,
        )

    def _remaining_s(self, job: Job, now: float) -> float:
        """Of the estimate, less the time that it had and did not lose."""
        if not job.spec.deadline_s or not job.spec.estimated_work_s:
            return 0.0
        used_s = self.queue.used(job.id, now)[0] / job.spec.resources.nodes - self.gangs.watch.look(job.id).lost_s
        return max(0.0, job.spec.estimated_work_s - max(0.0, used_s))

    def _ask(self, job: Job, now: float) -> placement.Ask:
        spec = job.spec
        remaining_s = self._remaining_s(job, now)
        planned = self.plans.of(job, now, remaining_s)
        return placement.Ask(
            job=job.id,
            team=spec.team,
            order=job.seq,
            waiting_since=job.waiting_since,
            nodes=spec.resources.nodes,
            ranks=spec.resources.count,
            accelerator=spec.resources.accelerator,
            capacity=spec.capacity,
            priority=job.priority,
            deadline_at=job.submitted_at + spec.deadline_s if spec.deadline_s else None,
            remaining_s=remaining_s,
            has_started=job.attempts > 0,
            not_before=job.not_before,
            planned=planned[0] if planned else None,
            planned_until=planned[1] if planned else math.inf,
        )

    def _follow_market(self, now: float) -> None:
        """Notices and losses since the last look, also of outages that came and went in between."""
        for gang in list(self.gangs.running.values()):
            for slot in gang.slots:
                condition = self.slots.condition(slot, now)
                if condition.state == "away" or self._was_lost(gang, slot, now):
                    self.gangs.take_away(gang, slot)
                elif condition.state == "notice" and gang.cause is None:
                    gang.slot, gang.notice_s = slot, condition.notice_s
                    self.gangs.event(gang.job, "notice", slot=slot, notice_s=round(condition.notice_s, 3))
                    self.gangs.ask_to_end(gang, Cause.PREEMPTED, condition.until - now)
        self._looked_at = now

    def _was_lost(self, gang: Gang, slot: str, now: float) -> bool:
        return self.slots.was_lost(slot, max(self._looked_at, gang.started_at), now)
