"""What runs now: gangs are started, asked to end, ended, and judged, through the agent."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

from catalog.errors import EXIT_PREEMPTED, UserError
from ml_jobs.contract import Pool
from ml_jobs.local.scheduler import leftovers
from ml_jobs.local.scheduler.agency import Agency
from ml_jobs.local.scheduler.environment import free_port, rank_environment, secrets_of
from ml_jobs.local.scheduler.gang import Cause, Gang, Verdict, judge
from ml_jobs.local.scheduler.queue import Job, Queue
from ml_jobs.local.scheduler.rundir import RunDir
from ml_jobs.local.scheduler.settings import SchedulerSettings
from ml_jobs.local.scheduler.watch import Watch

LINGER_S = 60
"""How long ranks may run on after the first of their gang has ended well."""


class Gangs:
    """The running gangs by job. `on_change` is called when slots came free or an agent came up."""

    def __init__(self, root: Path, settings: SchedulerSettings, queue: Queue, on_change: Callable[[], None]) -> None:
        self.root = root
        self.runs = root / "runs"
        self.settings = settings
        self.queue = queue
        self.on_change = on_change
        self.running: dict[str, Gang] = {}
        self.watch = Watch(self.runs)
        self.agency = Agency(settings.rank_main, settings.preload, self._on_agent)
        self.on_wait: Callable[[float], None] = lambda _: None
        self.goodput: float | None = None
        self.step_s: float | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def run(self, job: str) -> RunDir:
        return RunDir(self.runs, job)

    def event(self, job: str, kind: str, **fields: Any) -> None:
        """Add to a job's time line; a disk that refuses is said once per event, and stops nothing."""
        try:
            self.run(job).write(kind, **fields)
        except OSError as error:
            sys.stderr.write(f"error: {self.run(job).events_file} can't be written: {error.strerror}\n")
            sys.stderr.flush()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End the agent with all ranks, and put what still ran back into the queue."""
        await self.agency.close()
        for task in self._tasks:
            task.cancel()
        for gang in list(self.running.values()):
            gang.cause = gang.cause or Cause.DRAINED
            self._give_up(gang)

    # starting and ending

    def begin(self, job: Job, pool: Pool, slots: tuple[str, ...], *, notice_s: float) -> None:
        """Start an attempt on these slots. Raises sqlite3.Error when it can't be written down; then nothing runs."""
        now = time.time()
        run = self.run(job.id)
        try:
            secrets = secrets_of(job.spec, self.root)
        except UserError as error:
            self.queue.update(job.id, state="failed", ended_at=now, exit_code=error.exit_code, message=str(error))
            self.event(job.id, "failed", exit_code=error.exit_code, message=str(error))
            return
        price = pool.usd_per_hour or 0.0
        attempt = self.queue.begin(job, pool.name, slots, is_spot=pool.is_spot, usd_per_hour=price, at=now)
        gang = Gang(job.id, attempt, pool.name, slots, job.spec.resources.world_size, job.spec, now)
        self.running[job.id] = gang
        self.on_wait(now - job.waiting_since)
        where = {"pool": pool.name, "slot": slots[0], "slots": slots, "is_spot": pool.is_spot, "usd_per_hour": price}
        self.event(job.id, "started", at=now, attempt=attempt, **where)
        base, port = {**os.environ, **secrets}, free_port()
        for rank in range(gang.world_size):
            env = rank_environment(
                base,
                job.spec,
                job=job.id,
                attempt=attempt,
                rank=rank,
                pool=pool.name,
                port=port,
                notice_s=notice_s,
                run_dir=str(run.path),
            )
            self.agency.start(gang.key(rank), env, str(run.log_file(rank)))

    def ask_to_end(self, gang: Gang, cause: Cause, grace_s: float) -> None:
        """SIGTERM to every rank, SIGKILL after `grace_s`. The first cause stands; only a stop by hand replaces it."""
        if gang.cause is not None and cause is not Cause.STOPPED:
            return
        gang.cause = cause
        gang.kill_at = min(gang.kill_at or float("inf"), time.time() + grace_s)
        for rank in gang.remaining:
            self.agency.signal(gang.key(rank), signal.SIGTERM)

    def take_away(self, gang: Gang, slot: str) -> None:
        """The slot is gone: its gang ends at once, whatever it was doing."""
        if gang.cause in (None, Cause.HELD):
            gang.cause, gang.slot, gang.notice_s = Cause.PREEMPTED, slot, 0
        self.kill(gang)

    def kill(self, gang: Gang) -> None:
        if gang.remaining and not gang.ended:
            gang.ended, gang.killed_at = set(gang.remaining), time.time()
            for rank in gang.remaining:
                self.agency.signal(gang.key(rank), signal.SIGKILL)

    def settle(self, now: float) -> None:
        """End what is overdue; judge again what could not be written down when it ended."""
        for gang in list(self.running.values()):
            if not gang.remaining:
                self._finish(gang)
            elif gang.kill_at is not None and now >= gang.kill_at:
                self.kill(gang)

    # what the agent says

    def _on_agent(self, message: dict[str, Any]) -> None:
        if message["event"] == "died":
            for ended in self.running.values():
                self.spawn(self._lost(ended))
        elif "key" in message:
            job, attempt, rank = message["key"].split("/")
            gang = self.running.get(job)
            if gang and gang.attempt == int(attempt):
                try:
                    self._on_rank(gang, int(rank), message)
                except sqlite3.Error as error:  # the code is kept; `settle` judges when the disk is well again
                    sys.stderr.write(f"error: {self.queue.path} can't be read: {error}\n")
                    sys.stderr.flush()
        self.on_change()

    def _on_rank(self, gang: Gang, rank: int, message: dict[str, Any]) -> None:
        if message["event"] == "started":
            gang.processes.update(zip([rank], leftovers.identify([message["pid"]]), strict=False))
            if len(gang.processes) == gang.world_size:
                self._written(lambda: self.queue.note_processes(gang.job, gang.attempt, gang.processes.values()))
            return
        gang.codes[rank] = code = int(message["code"])
        gang.exited_at = max(gang.exited_at or 0.0, float(message["at"]))
        if not gang.remaining:
            self._finish(gang)
        elif gang.cause is None and code not in (0, EXIT_PREEMPTED):
            self.kill(gang)
        elif gang.kill_at is None:
            gang.kill_at = time.time() + (LINGER_S if code == 0 else self.settings.stop_grace_s)

    async def _lost(self, gang: Gang) -> None:
        """The agent died, and its ranks with it: make sure of that before the job may start again."""
        gang.cause = gang.cause or Cause.LOST
        processes = [process for rank, process in gang.processes.items() if rank not in gang.codes]
        while leftovers.alive(processes):
            leftovers.end(processes)
            await asyncio.sleep(0.01)
        self._give_up(gang)
        self.on_change()

    def _give_up(self, gang: Gang) -> None:
        if self.running.get(gang.job) is gang:  # and not a later attempt of the job
            gang.ended |= set(gang.remaining)
            gang.codes.update(dict.fromkeys(gang.remaining, -signal.SIGKILL))
            self._finish(gang)

    def _written(self, change: Callable[[], None]) -> bool:
        """Do a change of the queue; False, said in one line, when the disk refuses it for now."""
        try:
            change()
        except sqlite3.Error as error:
            sys.stderr.write(f"error: {self.queue.path} can't be written: {error}; tried again\n")
            sys.stderr.flush()
            return False
        return True

    # the judgement

    def _finish(self, gang: Gang) -> None:
        """All ranks have ended. Until that is written down the gang keeps its slots, and is looked at again."""
        job = self.queue.job(gang.job)
        seen = self.watch.look(gang.job)
        came_further = seen.checkpoint_step > job.progress
        kills = 0 if came_further else job.interruptions
        retries = gang.spec.retries.failure
        verdict = judge(gang.outcomes(), gang.cause, failures=job.failures, retries=retries, kills_in_a_row=kills)
        if verdict.outcome == "failed" and seen.failure:
            verdict = replace(verdict, message=f"{seen.failure} (exit code {verdict.exit_code})")
        fields = self._fields(job, verdict, kills)
        fields["progress"] = max(job.progress, seen.checkpoint_step)
        if seen.model:
            fields["model"] = json.dumps(seen.model)
        summary = self.run(gang.job).summary() if verdict.state == "succeeded" else {}
        if "useful_s" in summary:
            fields["useful_s"] = summary["useful_s"]
        at = time.time()
        if not self._written(lambda: self.queue.end(gang.job, gang.attempt, outcome=verdict.outcome, at=at, **fields)):
            return
        del self.running[gang.job]
        self.step_s = seen.step_s or self.step_s
        self._tell(gang, verdict, summary, at)
        if verdict.state != "queued":
            self.watch.forget(gang.job)
        if "useful_s" in fields:
            used_s, _ = self.queue.used(gang.job, at)
            self.goodput = fields["useful_s"] * gang.spec.resources.nodes / used_s if used_s else None

    def _fields(self, job: Job, verdict: Verdict, kills: int) -> dict[str, Any]:
        """What the judgement changes in the job's row."""
        now = time.time()
        counted = {"preemptions": job.preemptions, "failures": job.failures, "interruptions": kills}
        if verdict.counts:
            counted[verdict.counts] += 1
        fields: dict[str, Any] = {"state": verdict.state, "exit_code": verdict.exit_code, **counted}
        if not (verdict.state == "stopped" and job.message):
            fields["message"] = verdict.message
        if verdict.state == "queued":
            delay = self.settings.retry_delay_s * 2 ** (counted["failures"] - 1) if verdict.counts == "failures" else 0
            return fields | {"waiting_since": now, "not_before": now + delay}
        return fields | {"ended_at": now}

    def _tell(self, gang: Gang, verdict: Verdict, summary: dict[str, Any], at: float) -> None:
        """The judgement, in the run's time line."""
        ended_at = gang.killed_at or gang.exited_at
        ended = {"ended_at": round(ended_at, 4)} if ended_at else {}
        codes = {"codes": [gang.codes[rank] for rank in sorted(gang.codes)]}
        match verdict.state:
            case "succeeded":
                self.event(gang.job, "succeeded", at=at, summary=summary)
            case "stopped":
                self.event(gang.job, "stopped", at=at, **(gang.stopped or {"by": "", "reason": verdict.message}))
            case "failed":
                told = {"exit_code": verdict.exit_code, "message": verdict.message}
                self.event(gang.job, "failed", at=at, **told, **codes)
            case _:
                if verdict.outcome == "preempted":
                    where = {"slot": gang.slot or gang.slots[0], "notice_s": round(gang.notice_s, 3)}
                    self.event(gang.job, "preempted", at=at, **where, **ended, **codes)
                cause = "failure" if verdict.counts == "failures" else verdict.outcome
                self.event(gang.job, "queued", at=at, reason=verdict.message, cause=cause, **ended)
