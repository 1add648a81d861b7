"""From a notice to an agreed end: a signal raises a flag, the ranks agree on the step, each decides alike.

At a step boundary each rank posts its flags (an all-reduce of a few numbers on the control group) and reads the answer
at a later one: the exchange runs beside the computation, and all ranks see one answer at one step. How many steps later
is agreed in the same exchange, so that short steps don't pay for one each.
"""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from types import FrameType
from typing import Any

EXCHANGE_EVERY_S = 0.1
"""About how often flags are exchanged; a notice is acted on after two exchanges at most."""
MAX_STRIDE = 64

SAFETY_S = 0.5
"""Kept free between the end of a last save and the end of the notice."""


class Preempted(Exception):
    """All ranks stop at `step`; `saved_step` is the checkpoint that stands."""

    def __init__(self, step: int, saved_step: int) -> None:
        self.step, self.saved_step = step, saved_step
        super().__init__(f"preempted at step {step}; checkpoint of step {saved_step} stands")


class Notice:
    """The flag that SIGTERM or the cloud's metadata raises. `spent_s` counts from its arrival."""

    def __init__(self) -> None:
        self._at: float | None = None
        self._is_warned = False
        self.why = ""
        """What the cloud told; empty for a signal."""

    def install(self) -> Notice:
        """Listen for SIGTERM. Only the main thread can."""
        signal.signal(signal.SIGTERM, self._hear)
        return self

    def _hear(self, _signal: int, _frame: FrameType | None) -> None:
        self.give()

    def give(self, why: str = "") -> None:
        """The capacity goes away. The first one counts."""
        if self._at is None:
            self.why, self._at = why, time.monotonic()

    def warn(self) -> None:
        """The capacity may go away: what is not saved is at risk."""
        self._is_warned = True

    def take_warning(self) -> bool:
        """True once after each warning."""
        was, self._is_warned = self._is_warned, False
        return was

    @property
    def is_given(self) -> bool:
        return self._at is not None

    @property
    def spent_s(self) -> float:
        return 0.0 if self._at is None else time.monotonic() - self._at


@dataclass(frozen=True, slots=True)
class Agreed:
    """What all ranks know alike at one boundary: the largest of what each posted."""

    is_stopping: bool = False
    is_saving: bool = False
    has_failed: bool = False
    spent_s: float = 0.0
    save_s: float = 0.0
    stride: int = 1
    """Steps from this exchange to the next."""


def stride(step_s: float) -> int:
    """How many steps of `step_s` seconds pass between two exchanges; 1 while that is not known."""
    return max(1, min(MAX_STRIDE, int(EXCHANGE_EVERY_S / step_s))) if step_s > 0 else 1


def leaves_time(agreed: Agreed, notice_s: float) -> bool:
    """True when a save that takes as long as the longest so far ends before the notice does."""
    return notice_s - agreed.spent_s - SAFETY_S > agreed.save_s


class Flags:
    """The exchange. `post` and `read` alternate; both are collective over the ranks of `group`."""

    def __init__(self, group: Any) -> None:
        import torch
        import torch.distributed as dist

        self._group, self._dist = group, dist
        self._values = torch.zeros(6, dtype=torch.float64)
        self._work: Any = None
        self.seconds = 0.0
        """What the exchange took from the loop."""

    def post(self, mine: Agreed) -> None:
        started = time.perf_counter()
        self._values[0] = float(mine.is_stopping)
        self._values[1] = float(mine.is_saving)
        self._values[2] = float(mine.has_failed)
        self._values[3] = mine.spent_s
        self._values[4] = mine.save_s
        self._values[5] = mine.stride
        self._work = self._dist.all_reduce(self._values, op=self._dist.ReduceOp.MAX, group=self._group, async_op=True)
        self.seconds += time.perf_counter() - started

    def read(self) -> Agreed:
        """The answer to the last post; all false when nothing was posted."""
        if self._work is None:
            return Agreed()
        started = time.perf_counter()
        self._work.wait()
        self._work = None
        stop, save, failed, spent, save_s, steps = self._values.tolist()
        self.seconds += time.perf_counter() - started
        return Agreed(stop > 0, save > 0, failed > 0, spent, save_s, int(steps))
