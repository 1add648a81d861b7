"""Who gets which slots now: a pure function of the queue, the slots, the holds and the clock.

The rules, in order:
1. Jobs are looked at by priority, higher first, then by when they were submitted. Running jobs are never ended for
   one of higher priority.
2. A job takes its whole gang, `nodes` slots of one pool, or nothing. Cheaper pools first.
3. spot_preferred takes spot when it is there. It goes to on-demand when it has waited `spot_fallback_s`, when no spot
   pool could ever take it, or at once when waiting any longer would miss its deadline; then on-demand comes first.
   With a deadline and an estimate of its work the planner says which of the two it takes, or that it waits for spot.
4. Smaller jobs may pass one that doesn't fit. Once that one has waited `patience_s`, what is free in the pools that it
   may take is kept for it: nobody behind it starts there, so that running jobs end and it comes in.
5. A `block_new` hold keeps jobs back that have never started. A `stop_spot` hold gives running spot jobs a notice, and
   whatever may use spot waits: it does not move to on-demand, which would cost more.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from catalog.errors import UserError
from ml_jobs.contract import Capacity, JobSpec, Pool
from ml_jobs.holds import Effect, Hold
from ml_jobs.spot.observation import Capacity as Planned


@dataclass(frozen=True, slots=True)
class Ask:
    """A queued job. Times are POSIX seconds; `order` is its place in line by submission. `planned`: what the planner
    says of it, until `planned_until`; None where it has nothing to say."""

    job: str
    team: str
    order: int
    waiting_since: float
    nodes: int = 1
    ranks: int = 1
    accelerator: str | None = None
    capacity: Capacity = Capacity.SPOT_PREFERRED
    priority: int = 0
    deadline_at: float | None = None
    remaining_s: float = 0
    has_started: bool = False
    not_before: float = 0
    planned: Planned | None = None
    planned_until: float = math.inf


@dataclass(frozen=True, slots=True)
class Slot:
    """One instance of a pool, and who runs on it. `is_usable`: there, and without notice."""

    id: str
    pool: str
    is_usable: bool = True
    job: str | None = None
    team: str = "default"


@dataclass(frozen=True, slots=True)
class Start:
    job: str
    pool: str
    slots: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """`stops`: running jobs that get a notice, with the hold. `waiting`: why each other job waits.

    `wake_at`: when the clock alone could change the plan.
    """

    starts: tuple[Start, ...] = ()
    stops: Mapping[str, Hold] = field(default_factory=dict)
    waiting: Mapping[str, str] = field(default_factory=dict)
    wake_at: float = math.inf


def candidates(ask: Ask | JobSpec, pools: Iterable[Pool]) -> list[Pool]:
    """Pools that could ever take it, cheapest first, whatever is free now."""
    if isinstance(ask, JobSpec):
        ranks, nodes, accelerator = ask.resources.count, ask.resources.nodes, ask.resources.accelerator
    else:
        ranks, nodes, accelerator = ask.ranks, ask.nodes, ask.accelerator
    wanted = (accelerator or "").lower()
    fitting = [
        pool
        for pool in pools
        if (pool.accelerator or "").lower() == wanted
        and pool.count >= ranks
        and pool.max_count >= nodes
        and not (ask.capacity is Capacity.SPOT_ONLY and not pool.is_spot)
        and not (ask.capacity is Capacity.ON_DEMAND_ONLY and pool.is_spot)
    ]
    return sorted(fitting, key=lambda pool: (not pool.is_spot, pool.usd_per_hour or 0, pool.name))


def require_possible(spec: JobSpec, pools: Sequence[Pool]) -> None:
    """Raise UserError, with what the pools offer, when no pool could ever take the job."""
    if candidates(spec, pools):
        return
    asked = spec.resources
    offers = "; ".join(
        f"{pool.name}: {pool.max_count} x {pool.count} {pool.accelerator or 'cpu'} ranks, "
        f"{'spot' if pool.is_spot else 'on demand'}"
        for pool in pools
    )
    raise UserError(
        f"job {spec.name} asks for {asked.nodes} nodes x {asked.count} {asked.accelerator or 'cpu'} ranks, "
        f"capacity {spec.capacity.value}, which no pool can give; the pools offer {offers}",
        "Ask for less, or raise training.pools in the stack and bring it up.",
    )


def blocking(holds: Iterable[Hold], effect: Effect, team: str) -> Hold | None:
    """The first hold of that effect that covers the team."""
    return next((hold for hold in holds if hold.effect is effect and hold.scope in ("stack", f"team:{team}")), None)


def decide(
    now: float,
    asks: Iterable[Ask],
    slots: Sequence[Slot],
    pools: Sequence[Pool],
    holds: Sequence[Hold] = (),
    *,
    spot_fallback_s: float = 30,
    patience_s: float = 30,
) -> Plan:
    """What to start and what to stop now."""
    free: dict[str, list[str]] = {pool.name: [] for pool in pools}
    for slot in slots:
        if slot.is_usable and slot.job is None:
            free[slot.pool].append(slot.id)
    is_spot = {pool.name: pool.is_spot for pool in pools}
    stops = {
        slot.job: hold
        for slot in slots
        if slot.job and is_spot[slot.pool] and (hold := blocking(holds, Effect.STOP_SPOT, slot.team))
    }
    starts: list[Start] = []
    waiting: dict[str, str] = {}
    kept: dict[str, str] = {}  # pool -> the job that it is kept for
    wake_at = math.inf
    for ask in sorted(asks, key=lambda ask: (-ask.priority, ask.order)):
        reason = _held_back(ask, now, holds)
        if reason:
            waiting[ask.job] = reason
            if ask.not_before > now:
                wake_at = min(wake_at, ask.not_before)
            continue
        order, next_change = _preference(ask, now, pools, spot_fallback_s)
        wake_at = min(wake_at, next_change)
        taken = next((p for p in order if p.name not in kept and len(free[p.name]) >= ask.nodes), None)
        if taken:
            chosen, free[taken.name] = free[taken.name][: ask.nodes], free[taken.name][ask.nodes :]
            starts.append(Start(ask.job, taken.name, tuple(chosen)))
            continue
        waiting[ask.job] = _why(ask, order, free, kept)
        if now - ask.waiting_since >= patience_s:
            for pool in order:
                kept.setdefault(pool.name, ask.job)
        else:
            wake_at = min(wake_at, ask.waiting_since + patience_s)
    return Plan(tuple(starts), stops, waiting, wake_at)


def _held_back(ask: Ask, now: float, holds: Sequence[Hold]) -> str:
    if not ask.has_started and (hold := blocking(holds, Effect.BLOCK_NEW, ask.team)):
        return f"held: {hold.reason} ({hold.id})"
    if ask.capacity is not Capacity.ON_DEMAND_ONLY and (hold := blocking(holds, Effect.STOP_SPOT, ask.team)):
        return f"held: {hold.reason} ({hold.id})"
    return "waits to be tried again" if ask.not_before > now else ""


def _preference(ask: Ask, now: float, pools: Sequence[Pool], spot_fallback_s: float) -> tuple[list[Pool], float]:
    """Pools in the order in which the job takes them now, and when that order changes by the clock."""
    possible = candidates(ask, pools)
    if ask.planned is not None:
        wanted = [pool for pool in possible if ask.planned is (Planned.SPOT if pool.is_spot else Planned.ON_DEMAND)]
        return wanted, ask.planned_until
    spot = [pool for pool in possible if pool.is_spot]
    on_demand = [pool for pool in possible if not pool.is_spot]
    if ask.capacity is not Capacity.SPOT_PREFERRED or not spot or not on_demand:
        return possible, math.inf
    latest_start = math.inf if ask.deadline_at is None else ask.deadline_at - ask.remaining_s
    hurry_at = latest_start - spot_fallback_s
    if now >= hurry_at:
        return on_demand + spot, math.inf
    fallback_at = ask.waiting_since + spot_fallback_s
    if now >= fallback_at:
        return spot + on_demand, hurry_at
    return spot, min(fallback_at, hurry_at)


def _why(ask: Ask, order: Sequence[Pool], free: Mapping[str, list[str]], kept: Mapping[str, str]) -> str:
    if not order:
        return "waits for spot: the deadline leaves time for it"
    needs = f"needs {ask.nodes} slot{'s' if ask.nodes > 1 else ''}"
    return f"{needs}; " + ", ".join(
        f"{pool.name} is kept for {kept[pool.name]}"
        if pool.name in kept
        else f"{pool.name} has {len(free[pool.name])} free"
        for pool in order
    )
