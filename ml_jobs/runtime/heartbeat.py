"""Finds a rank that hangs: no step ended for far longer than steps take. It says where, and ends the process, so that
the gang is started again from the last checkpoint.

A thread looks at the time of the step at hand. A second, of the interpreter's own making and free of its lock, ends the
process when the first one can't run either.
"""

from __future__ import annotations

import faulthandler
import logging
import math
import os
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from statistics import median
from types import FrameType

from ml_jobs.runtime.environment import seconds

log = logging.getLogger(__name__)

EXIT_HUNG = 70
"""sysexits' EX_SOFTWARE: a failure like any other, retried."""

HANG_VARIABLE = "SKYWRIGHT_HANG_S"
"""The least that counts as hanging, in seconds; 0 for never."""

FACTOR = 20.0
FLOOR_S = 50.0
"""Shorter than the 60 s after which the other ranks give one up: the one that hangs is to say why."""
FLOOR_APART_S = 65.0
"""Where ranks lie on several nodes, one may have vanished: those that wait for it give it up first, and ask to be
resumed; of one that hangs they wait for its reason meanwhile (lost.LINGER_S).
"""
FLOOR_ALONE_S = 1800.0
"""Nobody waits for a rank that is alone; a long evaluation between two steps is none of our business."""
FIRST_S = 1800.0
"""The first step may compile."""
LOCKED = 2.4
"""With the interpreter's lock held for this many floors, the process is ended without a word of ours but the stacks."""


class Heartbeat:
    """Watches the calling thread's steps between `begin` and `end`, which cost a microsecond."""

    def __init__(
        self,
        on_hang: Callable[[str], None],
        *,
        floor_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`on_hang` gets one line and ends the process."""
        self._on_hang, self._floor_s, self._clock = on_hang, floor_s, clock
        self._times: deque[float] = deque(maxlen=64)
        self._at_hand: tuple[str, float, float | None] | None = None
        self._watched = threading.get_ident()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="heartbeat", daemon=True)

    def start(self) -> Heartbeat:
        if self._floor_s > 0:
            self._thread.start()
        return self

    def __enter__(self) -> Heartbeat:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def begin(self, step: int) -> None:
        self._at_hand = f"step {step + 1}", self._clock(), None

    def end(self) -> None:
        if self._at_hand is not None:
            self._times.append(self._clock() - self._at_hand[1])
            self._at_hand = None

    @contextmanager
    def guard(self, what: str, limit_s: float) -> Iterator[None]:
        """Watch something else than a step, which may take `limit_s`."""
        self._at_hand = what, self._clock(), limit_s
        try:
            yield
        finally:
            self._at_hand = None

    def close(self) -> None:
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join(1.0)
            faulthandler.cancel_dump_traceback_later()

    @property
    def limit_s(self) -> float:
        """How long the step at hand may take."""
        if not self._times:
            return max(FIRST_S if self._floor_s >= FLOOR_S else 0.0, self._floor_s)
        return max(self._floor_s, FACTOR * median(tuple(self._times)))

    def overdue(self) -> str | None:
        """What hangs where, in one line; None while the step at hand is in time."""
        at_hand = self._at_hand
        if at_hand is None:
            return None
        what, began, limit_s = at_hand
        usual = ""
        if limit_s is None:
            limit_s = self.limit_s
            usual = f"steps take {median(tuple(self._times)):.3g} s, " if self._times else "no step has ended yet, "
        if (spent_s := self._clock() - began) < limit_s:
            return None
        return (
            f"{what} has not ended after {spent_s:.0f} s ({usual}{limit_s:.0f} s are allowed): "
            f"it hangs in {where(sys._current_frames().get(self._watched))}"
        )

    def _work(self) -> None:
        tick_s, locked_s = min(1.0, self._floor_s / 4), LOCKED * self._floor_s
        armed_at = -math.inf
        while True:
            if time.monotonic() - armed_at > locked_s / 8:
                armed_at = time.monotonic()
                faulthandler.dump_traceback_later(locked_s, exit=True)
            if self._closing.wait(tick_s):
                return
            if (what := self.overdue()) is not None:
                faulthandler.dump_traceback(all_threads=True)
                self._on_hang(what)
                return


def where(frame: FrameType | None) -> str:
    """The innermost line, and the innermost one of the job's own code when that is another."""
    if frame is None:
        return "a thread that is gone"
    stack = traceback.extract_stack(frame)
    inner = stack[-1]
    libraries = (os.sep + "site-packages" + os.sep, os.path.dirname(os.__file__) + os.sep)  # noqa: PTH120
    own = next((line for line in reversed(stack) if not any(part in line.filename for part in libraries)), inner)
    shown = [own] if own is inner else [inner, own]
    return ", called from ".join(f"{line.filename}:{line.lineno} ({line.name}: {line.line})" for line in shown)


def floor(env: Mapping[str, str], world_size: int, *, are_apart: bool = False) -> float:
    """Seconds that count as hanging at least. Raises UserError for a variable that is no number."""
    together_s = FLOOR_APART_S if are_apart else FLOOR_S
    return seconds(env, HANG_VARIABLE, together_s if world_size > 1 else FLOOR_ALONE_S)
