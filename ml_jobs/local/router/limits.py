"""The holds that bear on this endpoint, read at most four times a second."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from catalog.errors import SkywrightError
from ml_jobs.holds import Effect, Holds
from ml_jobs.local.router.routing import NO_LIMIT, Limit

CHECK_S = 0.25


class Limits:
    """`current()` costs a clock read between two looks at the file."""

    def __init__(self, holds_file: Path, endpoint: str) -> None:
        self._holds = Holds(holds_file)
        self._scope = f"endpoint:{endpoint}"
        self._next = 0.0
        self._limit = NO_LIMIT

    def current(self) -> Limit:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + CHECK_S
            try:
                self._limit = self._read()
            except SkywrightError as error:  # the last holds read go on
                sys.stderr.write(f"error: {error}\n")
        return self._limit

    def _read(self) -> Limit:
        stopped = self._holds.find(Effect.SCALE_TO_ZERO, self._scope)
        if stopped:
            return Limit(is_stopped=True, reason=f"{stopped.reason} (hold {stopped.id} by {stopped.by})")
        routed = self._holds.find(Effect.ROUTE_TO, self._scope)
        if routed and routed.target:
            return Limit(route_to=routed.target, reason=f"{routed.reason} (hold {routed.id} by {routed.by})")
        return NO_LIMIT
