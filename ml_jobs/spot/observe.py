"""From what happened to what the planner sees: a run's time line, resampled to steps.

Live there is no oracle. In a step spot was available if it ran through it, or if the last time that somebody asked for
it, it was granted; a step in which nobody asked carries the last answer on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ml_jobs.spot.observation import Capacity, Observation

ENDS = frozenset({"preempted", "failed", "queued", "stopped", "stopping", "succeeded", "refused"})
"""Events after which an attempt runs no more."""


@dataclass(frozen=True, slots=True)
class Market:
    """What a run asks for again and again. Times in seconds, prices in USD per hour."""

    step_s: float
    deadline_s: float
    restart_overhead_s: float
    spot_price: float
    on_demand_price: float


@dataclass(frozen=True, slots=True)
class Told:
    """What the time line says at a moment. `since`: when what runs was started.

    `known`: how many of the steps there is an answer until; those after it carry the last one on.
    """

    history: tuple[bool, ...]
    is_available: bool
    running: Capacity
    since: float
    known: int = 0


def told(events: Iterable[Mapping[str, Any]], *, began_at: float, now: float, step_s: float) -> Told:
    """Read the events until `now` (POSIX seconds), oldest first. Pure.

    Taken in are `started` (with `is_spot`), `probe` (with `granted`), `preempted` and ENDS; what has another type, or
    is before `began_at`, is passed over. Before the first answer spot counts as available: to ask is to know.
    """
    steps = max(0, int((now - began_at) / step_s))
    answers: dict[int, bool] = {}
    answer, running, since = True, Capacity.NONE, began_at
    spells: list[tuple[float, float]] = []
    for event in events:
        at, kind = float(event.get("at", 0)), event.get("type")
        if not began_at <= at <= now:
            continue
        number = min(int((at - began_at) / step_s), steps)
        if kind == "probe":
            answers[number] = answer = bool(event.get("granted"))
            if not answer or running is Capacity.SPOT:
                continue
        if kind == "started":
            if running is Capacity.SPOT:
                spells.append((since, at))
            running, since = Capacity.SPOT if event.get("is_spot") else Capacity.ON_DEMAND, at
            if running is Capacity.SPOT:
                answers[number] = answer = True
        elif kind in ENDS and running is not Capacity.NONE:
            if running is Capacity.SPOT:
                spells.append((since, at))
            if kind == "preempted" and running is Capacity.SPOT:
                answers[number] = answer = False
            running = Capacity.NONE
    if running is Capacity.SPOT:
        spells.append((since, now))
    history, carried, known = [], True, 0
    for number in range(steps):
        begin = began_at + number * step_s
        if number in answers:
            carried, known = answers[number], number + 1
        elif any(start <= begin and begin + step_s <= end for start, end in spells):
            carried, known = True, number + 1
        history.append(carried)
    return Told(tuple(history), answer, running, since, known)


def observe(
    events: Iterable[Mapping[str, Any]], market: Market, *, began_at: float, now: float, remaining_work_s: float
) -> Observation:
    """What the planner is to decide on at `now`. Pure."""
    found = told(events, began_at=began_at, now=now, step_s=market.step_s)
    return observed(found, market, began_at=began_at, now=now, remaining_work_s=remaining_work_s)


def observed(found: Told, market: Market, *, began_at: float, now: float, remaining_work_s: float) -> Observation:
    """The same from a time line that has been read. Pure."""
    pending_s = 0.0
    if found.running is not Capacity.NONE:
        pending_s = max(0.0, market.restart_overhead_s - (now - found.since))
    return Observation(
        elapsed_s=now - began_at,
        step_s=market.step_s,
        remaining_work_s=remaining_work_s,
        deadline_s=market.deadline_s,
        restart_overhead_s=market.restart_overhead_s,
        pending_overhead_s=pending_s,
        running=found.running,
        spot_available=found.is_available,
        spot_price=market.spot_price,
        on_demand_price=market.on_demand_price,
        history=found.history,
    )
