"""The planner applied to a run that lives: it watches, decides at every step, and moves the run where that pays.

A move is a stop, with a checkpoint, and the run's next attempt on the other kind of capacity. To wait is to wait for
spot: a request that the platform has not granted yet costs nothing and is the question itself. While on-demand runs
there is no such request: spot is tried again where its chance, as the platform or the run's history tells it, is worth
the restart that a refusal costs. Nothing is kept in memory: each decision reads the run's own record, so that another
process can go on where one was lost.

Live an answer is not a promise: spot that was there goes in the middle of a step, and a request that looked good is not
granted. So a step is kept in reserve: plans are for a deadline that is a step earlier than the job's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

from ml_jobs import contract
from ml_jobs.contract import JobSpec
from ml_jobs.launch.base import Launcher, LaunchError, Origin, Run
from ml_jobs.launch.pools import possible
from ml_jobs.launch.records import Attempt, EventReader, Records
from ml_jobs.spot.market import sent_to, terms
from ml_jobs.spot.observation import Capacity, Observation
from ml_jobs.spot.observe import Market, Told, observed, told
from ml_jobs.spot.odds import NOBODY, Odds
from ml_jobs.spot.planner import WORTH, decide, gain
from ml_jobs.spot.tries import TRIED, belief, rests_until

BY = "planner"
STEP_S = 60.0
"""Between two looks at a run that is not planned."""
POLL_S = 5.0
KINDS = {Capacity.SPOT: contract.Capacity.SPOT_ONLY, Capacity.ON_DEMAND: contract.Capacity.ON_DEMAND_ONLY}


class Clock(Protocol):
    def time(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided at `at` (POSIX seconds), and what ran until then. `refused`: the platform's words, if any."""

    at: float
    chosen: Capacity
    running: Capacity
    refused: str = ""


class Controller:
    """Keeps one run on the capacity that the planner chooses, and resumes it after each preemption and failure.

    A job that may take one kind of capacity only stays on that, and so does one without a deadline, on spot.
    """

    def __init__(
        self,
        launcher: Launcher,
        records: Records,
        job: JobSpec,
        origin: Origin,
        *,
        clock: Clock = time,
        alarm: Callable[[str], None] = lambda _: None,
        odds: Callable[[], Odds] = lambda: NOBODY,
    ) -> None:
        """`alarm` is told, in one line, when on-demand is refused too; `odds` is asked for spot's while that runs.

        Raises UserError for what can't be planned.
        """
        self.market = terms(job, launcher.stack)
        self.odds = odds
        self.step_s = self.market.step_s if self.market else STEP_S
        self.launcher, self.records, self.job, self.origin = launcher, records, job, origin
        self.clock, self.alarm = clock, alarm
        self._usual = Capacity.SPOT if possible(job, launcher.stack)[0].is_spot else Capacity.ON_DEMAND

    def events(self) -> Iterator[dict[str, Any]]:
        """The run's time line with what is decided in it, until the run is over. The first decision submits it."""
        reader = EventReader(self.records.url, self.origin.run)
        before: Decision | None = None
        while True:
            run = self.look()
            if run is not None and self._is_over(run):
                yield from reader.new()
                return
            made = self.step(run)
            if before is None or (made.chosen, made.refused) != (before.chosen, before.refused):
                yield {"at": made.at, "type": "decided", "chosen": made.chosen.value, "refused": made.refused}
            before, until = made, self.clock.time() + self.step_s
            while (left_s := until - self.clock.time()) > 0:
                yield from reader.new()
                self.clock.sleep(min(POLL_S, left_s))

    def look(self) -> Run | None:
        """The run as it stands; None before it was submitted."""
        return self.launcher.status(self.origin.run) if self.origin.run in self.records.ids() else None

    def step(self, run: Run | None) -> Decision:
        """One decision about the run as it stands, carried out."""
        attempts = self.records.attempts(self.origin.run) if run else []
        asked = _asked(attempts, run)
        if run is not None and asked is not Capacity.NONE:
            self._note(asked, run)
        now = self.clock.time()  # what was noted counts
        if self.market is None:
            chosen, running, is_there = self._usual, asked, True
        else:
            seen, known = self._observe(self.market, run, now)
            chosen, running, is_there = decide(seen), seen.running, seen.spot_available
            if chosen is running is Capacity.ON_DEMAND and not is_there and self._tries(seen, known, now):
                chosen = Capacity.SPOT
        wanted = Capacity.SPOT if chosen is Capacity.NONE and not is_there else chosen
        if wanted is asked:
            return Decision(now, chosen, running)
        if asked is not Capacity.NONE:
            self.launcher.stop(self.origin.run, by=BY, reason=f"{wanted.value} is cheaper from here")
        if wanted is Capacity.NONE:
            return Decision(now, chosen, running)
        return Decision(now, chosen, running, self._send(wanted, len(attempts)))

    def _observe(self, market: Market, run: Run | None, now: float) -> tuple[Observation, Told]:
        """What the planner sees, with a step of the deadline in reserve."""
        events = self.records.events(self.origin.run) if run else []
        known = told(events, began_at=self.origin.at, now=now, step_s=market.step_s)
        market = replace(market, deadline_s=market.deadline_s - market.step_s)
        left_s = self._remaining_s()
        return observed(known, market, began_at=self.origin.at, now=now, remaining_work_s=left_s), known

    def _tries(self, seen: Observation, known: Told, now: float) -> bool:
        """Whether on-demand is left for spot that nobody has granted; it is noted, with the chance that it has."""
        events = self.records.events(self.origin.run)
        if now < rests_until(events, seen.restart_overhead_s, known.since):
            return False
        odds = self.odds()
        chance = belief(known.history, known.known) if odds.chance is None else odds.chance
        if gain(seen, chance) <= WORTH:
            return False
        why = odds.why if odds.chance is not None else f"by the run's own history; {odds.why}"
        self.records.note(self.origin.run, TRIED, chance=round(chance, 3), why=why)
        return True

    def _is_over(self, run: Run) -> bool:
        """A run whose attempt the planner stopped, or that was preempted, is not over: it waits for its next one."""
        if not run.is_over or run.state == "succeeded":
            return run.is_over
        last = next((event for event in reversed(self.records.events(run.id)) if event["type"] in LASTS), None)
        if last is None or run.exit_code == 78:
            return True
        if last["type"] == "failed":
            return (run.failures or 0) > self.job.retries.failure
        return bool(last["type"] == "stopping" and last.get("by") != BY)

    def _send(self, chosen: Capacity, number: int) -> str:
        job = sent_to(self.job, KINDS[chosen]) if self.market else self.job
        request = self.launcher.render(job, self.origin, attempt=number)
        try:
            self.launcher.submit(request)
        except LaunchError as refused:
            if refused.kind not in ("capacity", "quota", "unreachable"):
                raise
            if chosen is Capacity.SPOT:
                self.records.note(self.origin.run, "probe", granted=False)
            else:
                self.alarm(f"on-demand is refused too, and is tried again in {self.step_s:g} s: {refused.what}")
            return refused.what
        return ""

    def _note(self, asked: Capacity, run: Run) -> None:
        """Spot that runs was granted, spot that waits was not; and what has come to run since is told once."""
        started = [event for event in self.records.events(run.id) if event["type"] in ("started", "submitted")]
        is_running = run.state == "running"
        if is_running and (not started or started[-1]["type"] == "submitted"):
            pool = self.records.attempts(run.id)[-1].pool
            self.records.note(run.id, "started", is_spot=asked is Capacity.SPOT, pool=pool)
        elif asked is Capacity.SPOT and run.state == "queued":
            self.records.note(run.id, "probe", granted=False)

    def _remaining_s(self) -> float:
        """Of the estimate; one step at least while the run has not said that it is done."""
        done_s = float(self.records.summary(self.origin.run).get("useful_s") or 0.0)
        return max((self.job.estimated_work_s or 0.0) - done_s, self.step_s)


LASTS = frozenset({"failed", "preempted", "stopping", "refused", "submitted"})


def _asked(attempts: list[Attempt], run: Run | None) -> Capacity:
    """What the latest attempt, running or waiting, is on."""
    if run is None or run.is_over or not attempts:
        return Capacity.NONE
    return Capacity.SPOT if attempts[-1].capacity == "spot" else Capacity.ON_DEMAND
