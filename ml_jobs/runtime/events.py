"""A run's time line: one JSON object a line, appended, shared with the scheduler. A full disk never stops training.

Where no scheduler of ours reads the folder, a publisher takes the lines to the run's URL.
"""

from __future__ import annotations

import json
import logging
import os
import time
from pathlib import Path
from typing import Any

from ml_jobs.runtime.publisher import Publisher

log = logging.getLogger(__name__)

FILE = "events.jsonl"
METRICS_EVERY_S = 0.25
"""At most four lines of metrics a second; values between two lines are folded into their mean."""


class Events:
    """Appends to `folder`/events.jsonl. Each line goes out in one write, so that writers don't tear each other's."""

    def __init__(self, folder: Path | None, *, is_enabled: bool = True, publisher: Publisher | None = None) -> None:
        self._path = folder / FILE if folder is not None and is_enabled else None
        self.publisher = publisher
        self._warned = False
        self._pending: dict[str, list[float]] = {}
        self._pending_step = 0
        self._flushed_at = 0.0

    def write(self, type: str, **fields: Any) -> None:
        """Append one event of `type`, stamped with the time. Never raises."""
        line = _line(type, fields)
        if self.publisher is not None:
            self.publisher.add(line, type)
        if self._path is None:
            return
        try:
            handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                os.write(handle, line.encode())
            finally:
                os.close(handle)
        except OSError as error:
            if not self._warned:
                self._warned = True
                log.warning("%s can't be written: %s; training goes on without it", self._path, error.strerror)

    def announce(self, type: str, **fields: Any) -> None:
        """Publish what a scheduler of ours would write by itself, where there is none."""
        if self.publisher is not None:
            self.publisher.add(_line(type, fields), type)

    def metrics(self, step: int, values: dict[str, float]) -> None:
        """Note values of a step; they are written in batches."""
        if self._path is None:
            return
        for name, value in values.items():
            self._pending.setdefault(name, []).append(value)
        self._pending_step = step
        if time.monotonic() - self._flushed_at >= METRICS_EVERY_S:
            self.flush()

    def flush(self) -> None:
        if self._pending:
            means = {name: sum(values) / len(values) for name, values in self._pending.items()}
            self._pending = {}
            self._flushed_at = time.monotonic()
            self.write("metrics", step=self._pending_step, values=means)


def _line(type: str, fields: dict[str, Any]) -> str:
    return json.dumps({"at": round(time.time(), 3), "type": type, **fields}, default=str) + "\n"
