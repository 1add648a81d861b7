"""Holds: how anything acts against declared state. What runs is what is declared, limited by the holds."""

from __future__ import annotations

import time
import uuid
from enum import Enum
from pathlib import Path
from typing import Any

from ml_jobs.audit import ChainedLog
from ml_jobs.contract import Record


class Effect(str, Enum):
    BLOCK_NEW = "block_new"
    STOP_SPOT = "stop_spot"
    SCALE_TO_ZERO = "scale_to_zero"
    ROUTE_TO = "route_to"


class Hold(Record):
    """`scope`: `stack`, `team:NAME` or `endpoint:NAME`. `target`: the release that ROUTE_TO sends everything to."""

    id: str
    scope: str = "stack"
    effect: Effect
    reason: str
    by: str
    at: float
    target: str | None = None


class Holds:
    """The holds of a stack, in one chained file: written by the ledger, read by whatever must obey."""

    def __init__(self, path: Path) -> None:
        self._log = ChainedLog(path)
        self._seen: tuple[int, int] | None = None
        self._active: tuple[Hold, ...] = ()

    def active(self) -> tuple[Hold, ...]:
        """Holds that stand, oldest first. Cheap when the file has not changed."""
        try:
            stat = self._log.path.stat()
        except FileNotFoundError:
            return ()
        seen = (stat.st_mtime_ns, stat.st_size)
        if seen != self._seen:
            standing: dict[str, Hold] = {}
            for entry in self._log.entries():
                if "hold" in entry:
                    hold = Hold.read(entry["hold"])
                    standing[hold.id] = hold
                else:
                    standing.pop(entry.get("lifted", ""), None)
            self._active, self._seen = tuple(standing.values()), seen
        return self._active

    def find(self, effect: Effect, *scopes: str) -> Hold | None:
        """The first standing hold of that effect on the stack or on any of `scopes`."""
        for hold in self.active():
            if hold.effect is effect and hold.scope in ("stack", *scopes):
                return hold
        return None

    def set(self, effect: Effect, *, reason: str, by: str, scope: str = "stack", target: str | None = None) -> Hold:
        hold = Hold(
            id=uuid.uuid4().hex[:8], scope=scope, effect=effect, reason=reason, by=by, at=time.time(), target=target
        )
        self._log.append(hold=hold.model_dump(mode="json"))
        return hold

    def lift(self, hold_id: str, *, reason: str, by: str) -> Hold | None:
        """Lift a hold; None when no such hold stands."""
        hold = next((hold for hold in self.active() if hold.id == hold_id), None)
        if hold:
            self._log.append(lifted=hold_id, by=by, reason=reason)
        return hold

    def history(self) -> list[dict[str, Any]]:
        return self._log.entries()
