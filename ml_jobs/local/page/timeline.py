"""A run's events folded into what its time line draws: attempts, measurements and marks."""

from __future__ import annotations

from typing import Any

from ml_jobs.local.page.clean import clean

MOST_POINTS = 800
MARKS = {
    "notice", "preempted", "checkpoint", "resumed", "lost", "registered", "failed", "stopped", "succeeded", "queued",
    "submitted",
}  # fmt: skip
ENDS = {"preempted", "failed", "stopped", "succeeded"}


class Timeline:
    """Grows by `add`; `view` is the same for the same events, however they were split over calls."""

    def __init__(self) -> None:
        self.next = 0
        self.attempts: list[dict[str, Any]] = []
        self.points: list[dict[str, Any]] = []
        self.marks: list[dict[str, Any]] = []
        self.counts: dict[str, int] = {}
        self.lost = {"steps": 0.0, "seconds": 0.0}

    def add(self, event: dict[str, Any]) -> None:
        kind, at = event.get("type"), event.get("at")
        if not isinstance(kind, str) or not isinstance(at, int | float):
            return
        if kind == "started":
            self._close(at, "ended")
            slot = event.get("slot")
            self.attempts.append(
                {
                    "n": event.get("attempt", len(self.attempts) + 1),
                    "pool": clean(event.get("pool")),
                    "slot": clean(", ".join(map(str, slot)) if isinstance(slot, list) else slot),
                    "is_spot": bool(event.get("is_spot")),
                    "from": at,
                    "to": None,
                    "end": None,
                }
            )
        elif kind == "metrics":
            self._measure(at, event)
        elif kind in MARKS:
            if kind == "succeeded" and self.counts.get(kind):
                return  # the run and the scheduler both say it
            self._mark(at, kind, event)
            if kind == "lost":
                for key in self.lost:
                    self.lost[key] += event.get(key) or 0
        if kind in ENDS:
            self._close(at, kind)
        elif kind == "queued" and self.attempts and self.attempts[-1]["to"] is None:
            self._mark(at, "interrupted", event)  # back in the queue, and no market took its slot
            self._close(at, "interrupted")

    def _mark(self, at: float, kind: str, event: dict[str, Any]) -> None:
        detail = {key: clean(value) for key, value in event.items() if key not in ("seq", "at", "type", "summary")}
        if kind == "checkpoint" and len(self.marks) > 2 * MOST_POINTS:
            self._thin_checkpoints()
        self.marks.append({"at": at, "type": kind, **detail})
        self.counts[kind] = self.counts.get(kind, 0) + 1

    def _close(self, at: float, end: str) -> None:
        if self.attempts and self.attempts[-1]["to"] is None:
            self.attempts[-1].update(to=at, end=end)

    def _measure(self, at: float, event: dict[str, Any]) -> None:
        values = event.get("values")
        numbers = {
            str(key): clean(value)
            for key, value in (values.items() if isinstance(values, dict) else ())
            if isinstance(value, int | float) and not isinstance(value, bool)
        }
        if numbers:
            attempt = len(self.attempts)
            self.points.append({"at": at, "step": event.get("step"), "attempt": attempt, "values": numbers})
            if len(self.points) > 8 * MOST_POINTS:  # a long run keeps every other one, and its last
                self.points = self.points[:-1:2] + self.points[-1:]

    def _thin_checkpoints(self) -> None:
        kept, odd = [], False
        for mark in self.marks:
            odd = not odd if mark["type"] == "checkpoint" else odd
            if mark["type"] != "checkpoint" or odd:
                kept.append(mark)
        self.marks = kept

    def view(self) -> dict[str, Any]:
        """JSON for the page: at most about MOST_POINTS measurements, the first and last of each attempt among them."""
        stride = max(1, len(self.points) // MOST_POINTS)
        ends = {0, len(self.points) - 1}
        for index in range(1, len(self.points)):
            if self.points[index]["attempt"] != self.points[index - 1]["attempt"]:
                ends |= {index - 1, index}
        points = [point for index, point in enumerate(self.points) if index % stride == 0 or index in ends]
        return {
            "attempts": self.attempts,
            "points": points,
            "metrics": sorted(
                {key for point in points for key in point["values"]}, key=lambda key: (key != "loss", key)
            ),
            "marks": self.marks,
            "counts": self.counts,
            "lost": self.lost,
        }
