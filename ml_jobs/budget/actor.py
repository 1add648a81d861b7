"""One look of the actor: spending in, standing steps out, and each step's act carried out or taken back. Pure but for
the cloud's own hands, which are handed in.

The state is one JSON document beside the artifacts: {"period", "spent_usd", "limit_usd", "at", "standings": {percent:
{"reached_at", "released_at"}}, "effects": [...]}. Whoever releases a step writes `released_at` there; the actor never
takes that back in the same period unless spending reaches a higher step.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Protocol

from ml_jobs.budget import ladder

EFFECTS = ("block_new", "stop_spot", "scale_to_zero")


class Hands(Protocol):
    """What the cloud's file can do. Each must be idempotent; `False` takes the effect back."""

    def block_new(self, is_held: bool) -> None: ...
    def stop_spot(self, is_held: bool) -> None: ...
    def scale_to_zero(self, is_held: bool) -> None: ...
    def load(self) -> Mapping[str, Any] | None: ...
    def save(self, state: Mapping[str, Any]) -> None: ...


def steps_of(declared: Sequence[Mapping[str, Any]]) -> list[ladder.Step]:
    """`[{"percent": 80, "effect": "block_new"}, ...]` as the ladder takes them."""
    return [
        ladder.Step(float(step["percent"]), None if step["effect"] == "notify" else str(step["effect"]))
        for step in declared
    ]


def look(
    hands: Hands, *, spent_usd: float | Decimal, limit_usd: float, steps: Sequence[Mapping[str, Any]], now: float
) -> dict[str, Any]:
    """Decide, act, and keep the state. Acts come before the state is saved: a crash between them repeats the act."""
    earlier = hands.load() or {}
    period = datetime.datetime.fromtimestamp(now, datetime.UTC).strftime("%Y-%m")
    standings = _standings(earlier) if earlier.get("period") == period else {}
    declared = steps_of(steps)
    actions = ladder.decide(Decimal(str(spent_usd)), Decimal(str(limit_usd)), declared, standings)
    standings = ladder.apply(standings, actions, now)
    wanted = {step.effect for step in ladder.wanted(declared, standings, period).values()}
    for effect in EFFECTS:
        getattr(hands, effect)(effect in wanted)
    state = {
        "period": period,
        "at": now,
        "spent_usd": float(spent_usd),
        "limit_usd": float(limit_usd),
        "standings": {
            f"{percent:g}": {"reached_at": item.reached_at, "released_at": item.released_at}
            for percent, item in sorted(standings.items())
        },
        "effects": [effect for effect in EFFECTS if effect in wanted],
    }
    hands.save(state)
    return state


def _standings(state: Mapping[str, Any]) -> dict[float, ladder.Standing]:
    return {
        float(percent): ladder.Standing(float(item["reached_at"]), item.get("released_at"))
        for percent, item in state.get("standings", {}).items()
    }
