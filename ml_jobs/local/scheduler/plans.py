"""The spot planner at work in the queue: which capacity each job with a deadline and an estimate is to have now.

The scheduler is the market's own host: it knows when spot was there. A plan holds for a step, and is made anew when
what runs or what is there changes.
"""

from __future__ import annotations

from collections.abc import Mapping

from catalog.errors import UserError
from ml_jobs.local.scheduler.gang import Gang
from ml_jobs.local.scheduler.placement import candidates
from ml_jobs.local.scheduler.queue import Job
from ml_jobs.local.scheduler.slots import Slots
from ml_jobs.spot import Capacity, Observation, decide
from ml_jobs.spot.market import market, split

SHORTEST_S = 1.0
LOAD_S = 1.0
"""What joining the peers and loading a checkpoint take on one machine."""


class Plans:
    """Decisions by job, kept for the step that they were made in."""

    def __init__(self, slots: Slots, running: Mapping[str, Gang]) -> None:
        self._slots, self._running = slots, running
        self._made: dict[str, tuple[tuple[object, ...], Capacity]] = {}

    def moves(self, gang: Gang, job: Job, now: float, remaining_s: float) -> bool:
        """Whether a running job is better off on capacity of the other kind, which it could have now."""
        is_spot = self._slots.pools[gang.pool].is_spot
        planned = self.of(job, now, remaining_s, Capacity.SPOT if is_spot else Capacity.ON_DEMAND, gang.started_at)
        other = Capacity.ON_DEMAND if is_spot else Capacity.SPOT
        if planned is None or planned[0] is not other:
            return False
        return self._count(now, job, is_spot=not is_spot) >= job.spec.resources.nodes

    def of(
        self, job: Job, now: float, remaining_s: float, running: Capacity = Capacity.NONE, since: float | None = None
    ) -> tuple[Capacity, float] | None:
        """What the job is to run on, and until when (POSIX seconds) that holds. None where there is nothing to plan.

        `since`: when what runs was started, in POSIX seconds.
        """
        spec = job.spec
        found = split(candidates(spec, list(self._slots.pools.values())), spec)
        if found is None or spec.deadline_s is None or spec.estimated_work_s is None:
            return None
        try:
            terms = market(spec, found, shortest_s=SHORTEST_S, load_s=LOAD_S)
        except UserError:  # no price, or no time for a start: the queue's own rules hold
            return None
        began = job.submitted_at
        number = int((now - began) / terms.step_s)
        has_spot = self._count(now, job, is_spot=True) >= spec.resources.nodes
        key = (number, has_spot, running)
        made = self._made.get(job.id)
        if made is None or made[0] != key:
            seen = Observation(
                elapsed_s=now - began,
                step_s=terms.step_s,
                remaining_work_s=max(remaining_s, terms.step_s),
                deadline_s=terms.deadline_s,
                restart_overhead_s=terms.restart_overhead_s,
                pending_overhead_s=0.0 if since is None else max(0.0, terms.restart_overhead_s - (now - since)),
                running=running,
                spot_available=has_spot,
                spot_price=terms.spot_price,
                on_demand_price=terms.on_demand_price,
                history=tuple(
                    self._was_there(began + step * terms.step_s, spec.resources.nodes) for step in range(number)
                ),
            )
            self._made[job.id] = made = key, decide(seen)
        return made[1], began + (number + 1) * terms.step_s

    def _count(self, now: float, job: Job, *, is_spot: bool) -> int:
        """Slots that the job could have now: usable, and nobody else's."""
        taken = {slot for gang in self._running.values() if gang.job != job.id for slot in gang.slots}
        return sum(
            instance.pool.is_spot == is_spot and slot not in taken and self._slots.condition(slot, now).state == "up"
            for slot, instance in self._slots.instances.items()
        )

    def _was_there(self, at: float, nodes: int) -> bool:
        spot = [slot for slot, instance in self._slots.instances.items() if instance.pool.is_spot]
        return sum(self._slots.condition(slot, at).state != "away" for slot in spot) >= nodes

    def keep(self, jobs: set[str]) -> None:
        """Forget all but these."""
        self._made = {job: made for job, made in self._made.items() if job in jobs}
