"""The budget's ladder: which steps spending has reached, and what follows. Pure.

A step acts once in a period, when spending reaches it. Raising the limit above what is spent takes the step back.
A step that somebody has released stays released until spending reaches a higher step, or the period ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Literal

LEDGER = "ledger"
"""Who lifts a hold when the ladder itself takes a step back."""


@dataclass(frozen=True, slots=True)
class Step:
    """At `percent` of the limit, `effect` (a value of ml_jobs.holds.Effect); None only tells."""

    percent: float
    effect: str | None


@dataclass(frozen=True, slots=True)
class Standing:
    """A step that was reached, and when somebody released it."""

    reached_at: float
    released_at: float | None = None


@dataclass(frozen=True, slots=True)
class Action:
    """`reach`: the step takes effect; `renew`: it does again after a release; `unreach`: it ends."""

    kind: Literal["reach", "renew", "unreach"]
    percent: float


Standings = Mapping[float, Standing]


def decide(spent: Decimal, limit: Decimal, steps: Sequence[Step], standings: Standings) -> list[Action]:
    """What has to happen now. After `apply` the same input asks for nothing more."""
    over = {step.percent for step in steps if spent * 100 >= limit * Decimal(str(step.percent))}
    new = sorted(over - standings.keys())
    actions = [Action("unreach", percent) for percent in sorted(standings.keys() - over)]
    if new:
        actions += [
            Action("renew", percent)
            for percent, standing in sorted(standings.items())
            if percent in over and standing.released_at is not None and percent < new[-1]
        ]
    return actions + [Action("reach", percent) for percent in new]


def apply(standings: Standings, actions: Iterable[Action], now: float) -> dict[float, Standing]:
    after = dict(standings)
    for action in actions:
        if action.kind == "unreach":
            after.pop(action.percent, None)
        elif action.kind == "reach":
            after[action.percent] = Standing(now)
        else:
            after[action.percent] = replace(after[action.percent], released_at=None)
    return after


def release(standings: Standings, percent: float, now: float) -> dict[float, Standing]:
    return {**standings, percent: replace(standings[percent], released_at=now)}


def wanted(steps: Iterable[Step], standings: Standings, period: str) -> dict[str, Step]:
    """The holds that should stand, by their author's name (see `author`)."""
    return {
        author(period, step.percent): step
        for step in steps
        if step.effect is not None
        and (standing := standings.get(step.percent)) is not None
        and standing.released_at is None
    }


def author(period: str, percent: float) -> str:
    """Who a step's hold is set by. It names the step, so that a ledger that died after setting it knows it again."""
    return f"budget:{period}:{percent:g}"


def percent_of(by: str, period: str) -> float | None:
    """The step that a hold's author names; None for a hold of somebody else or of another period."""
    prefix = author(period, 0)[:-1]
    return float(by.removeprefix(prefix)) if by.startswith(prefix) else None


def recover(history: Iterable[Mapping[str, Any]], period: str) -> dict[float, Standing]:
    """The standings of a period as the log of holds tells them, for a ledger that has lost its own."""
    standings: dict[float, Standing] = {}
    steps: dict[str, float] = {}
    for entry in history:
        hold, lifted = entry.get("hold"), entry.get("lifted")
        if isinstance(hold, Mapping):
            percent = percent_of(str(hold.get("by", "")), period)
            if percent is not None:
                steps[str(hold["id"])] = percent
                standings[percent] = Standing(float(hold["at"]))
        elif lifted in steps:
            percent = steps[str(lifted)]
            if entry.get("by") == LEDGER:
                standings.pop(percent, None)
            elif percent in standings:
                standings = release(standings, percent, float(entry.get("at", 0)))
    return standings
