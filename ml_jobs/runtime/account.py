"""What a run's time went into, across its attempts: useful, lost, blocked by saving, starting.

The job's folder keeps a small progress file, rewritten at every step (one write into the page cache), so that an
attempt can tell what the one before it lost, also when that was killed without notice. An attempt on another node
starts from what was published.
"""

from __future__ import annotations

import json
import os
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from statistics import median
from typing import Any

from ml_jobs.runtime.storage import write_atomic

PROGRESS = "progress.json"
SUMMARY = "summary.json"
_WIDTH = 768


@dataclass
class Totals:
    """Counters over all attempts; times in seconds. `useful_s`: loop time of steps that stand, saving excluded."""

    steps: int = 0
    useful_s: float = 0.0
    lost_steps: int = 0
    lost_s: float = 0.0
    blocked_s: float = 0.0
    slowed_s: float = 0.0
    flags_s: float = 0.0
    load_s: float = 0.0
    held_s: float = 0.0
    checkpoints: int = 0
    resumes: int = 0
    attempts: int = 0
    usd: float | None = 0.0
    """What the held time cost on all nodes; None once a part of it has no known price."""


@dataclass
class Account:
    """One rank's book; rank 0's is written down."""

    folder: Path | None
    usd_per_hour: float | None = None
    """Of all nodes together, in this attempt."""
    totals: Totals = field(default_factory=Totals)
    _started: float = field(default_factory=time.monotonic)
    _held_before: float = 0.0
    _usd_before: float | None = 0.0
    _step_times: deque[float] = field(default_factory=lambda: deque(maxlen=256))
    _handle: int | None = None

    def open(self, published: Mapping[str, Any] | None = None) -> None:
        """Read what earlier attempts left, here or `published`, whichever is further, and begin a new one.

        A missing or torn file counts from zero.
        """
        if self.folder is None:
            return
        path = self.folder / PROGRESS
        try:
            here = _totals(json.loads(path.read_text()))
        except (OSError, ValueError):
            here = Totals()
        self.totals = max(here, _totals(published or {}), key=lambda totals: totals.held_s)
        self._held_before, self._usd_before = self.totals.held_s, self.totals.usd
        self.totals.attempts += 1
        try:
            self._handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
        except OSError:
            self._handle = None
        self.mark()

    def mark(self) -> None:
        """Note where the run is. Costs some ten microseconds; never raises."""
        held_s = time.monotonic() - self._started
        self.totals.held_s = self._held_before + held_s
        before, price = self._usd_before, self.usd_per_hour
        self.totals.usd = None if before is None or price is None else before + held_s * price / 3600
        if self._handle is None:
            return
        try:
            os.pwrite(self._handle, json.dumps(asdict(self.totals)).ljust(_WIDTH).encode(), 0)
        except OSError:
            os.close(self._handle)
            self._handle = None

    def stepped(self, step: int, seconds: float) -> None:
        self.totals.steps = step
        self.totals.useful_s += seconds
        self._step_times.append(seconds)

    def resumed(self, step: int, useful_s: float, load_s: float, *, counts: bool = True) -> tuple[int, float]:
        """Continue at `step`, which had `useful_s` behind it. Returns what was lost: steps, seconds."""
        lost = max(0, self.totals.steps - step), max(0.0, self.totals.useful_s - useful_s)
        self.totals.lost_steps += lost[0]
        self.totals.lost_s += lost[1]
        self.totals.steps, self.totals.useful_s = step, useful_s
        self.totals.load_s += load_s
        self.totals.resumes += counts
        return lost

    @property
    def step_s(self) -> float:
        return median(self._step_times) if self._step_times else 0.0

    def summary(self) -> dict[str, Any]:
        """`goodput`: the share of the time that capacity was held (all attempts) that went into steps that stand.

        `usd`: what that time cost on all nodes, None where a price is not known; `usd_per_useful_step` likewise.
        """
        self.mark()
        totals = {key: _rounded(value) for key, value in asdict(self.totals).items()}
        held, usd = self.totals.held_s, self.totals.usd
        return {
            **totals,
            "step_s": round(self.step_s, 6),
            "goodput": round(min(1.0, self.totals.useful_s / held), 4) if held else 0.0,
            "usd_per_useful_step": usd / self.totals.steps if usd is not None and self.totals.steps else None,
        }

    def write_summary(self) -> dict[str, Any]:
        summary = self.summary()
        if self.folder is not None:
            write_atomic(self.folder / SUMMARY, json.dumps(summary, indent=1).encode() + b"\n")
        return summary


def _totals(seen: Any) -> Totals:
    """Counters as they were written down; zeros for what can't be read."""
    known = {f.name for f in fields(Totals)}
    try:
        found = Totals(**{key: value for key, value in seen.items() if key in known})
        return found if all(_is_number(value) for value in asdict(found).values()) else Totals()
    except (AttributeError, TypeError):
        return Totals()


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _rounded(value: Any) -> Any:
    return value if value is None else round(value, 6)
