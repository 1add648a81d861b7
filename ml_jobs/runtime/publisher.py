"""A run's time line and summary where a launcher reads them: in the stack's own store, from a thread.

    <run's URL>/events/<attempt:03d>-<seq:06d>.jsonl   lines as in events.jsonl, oldest first
    <run's URL>/summary.json                           what the time went into so far; the next attempt starts from it

The loop only appends to a bounded buffer: a store that is slow, full or away loses lines and never makes it wait.
"""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from catalog.errors import SkywrightError
from ml_jobs.runtime.storage import Folder

log = logging.getLogger(__name__)

BUFFER = 20_000
EVERY_S, SLOWEST_S = 3.0, 30.0
GROWTH = 0.01
"""The pause between two batches is this share of the attempt's time, within EVERY_S and SLOWEST_S: a week's run leaves
some ten thousand objects, and a short one is followed closely.
"""
QUIET = frozenset({"metrics"})
"""Types that wait for the next batch; all others are sent at once, EVERY_S apart at least."""
SUMMARY = "summary.json"
_NAME = re.compile(r"(\d{3,})-(\d{6,})\.jsonl")


class Publisher:
    """Publishes one attempt. `add` never blocks and never raises; `summary` is asked for what to write down."""

    def __init__(self, url: str, attempt: int | None = None) -> None:
        """`attempt`: None for one more than the store has. Raises UserError for a URL that can't be opened."""
        self._folder = Folder(url)
        self._events = self._folder.child("events")
        self._attempt, self._seq = attempt, 0
        self.summary: Callable[[], Mapping[str, Any]] | None = None
        self._lines: deque[str] = deque(maxlen=BUFFER)
        self._batch: list[str] = []
        self._has_news = self._is_warned = False
        self._closing = threading.Event()
        self._began = time.monotonic()
        self._thread = threading.Thread(target=self._work, name="publisher", daemon=True)
        self.is_away = False
        self.dropped = 0

    def earlier(self) -> dict[str, Any]:
        """What earlier attempts wrote down of themselves; empty when there was none or the store is away.

        To be called before `start`: it also finds the attempt's number and the first free name for its lines.
        """
        try:
            self._place()
            seen = json.loads(self._folder.read(SUMMARY))
            return seen if isinstance(seen, dict) else {}
        except (FileNotFoundError, ValueError):
            return {}
        except SkywrightError as error:
            self._warn(error)
            return {}

    def start(self) -> Publisher:
        if self._thread.ident is None:
            self._thread.start()
        return self

    def add(self, line: str, type: str) -> None:
        self.dropped += len(self._lines) == BUFFER
        self._lines.append(line)
        self._has_news |= type not in QUIET

    def close(self, wait_s: float = 5.0) -> None:
        """Send what is left, for at most `wait_s` seconds; the rest is dropped."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(min(wait_s, 1.0) if self.is_away else wait_s)

    def _work(self) -> None:
        pause_s = EVERY_S
        while True:
            self._rest(pause_s)
            is_last = self._closing.is_set()
            try:
                self._send()
                self.is_away = False
                pause_s = min(SLOWEST_S, max(EVERY_S, GROWTH * (time.monotonic() - self._began)))
            except Exception as error:  # whatever a store does, training goes on
                self.is_away, pause_s = True, min(pause_s * 2, SLOWEST_S)
                self._warn(error)
            if is_last:
                return

    def _rest(self, pause_s: float) -> None:
        """Until the next batch is due: after the pause, at the first of every EVERY_S with news, or at the end."""
        ends = time.monotonic() + pause_s
        while (left_s := ends - time.monotonic()) > 0:
            if self._closing.wait(min(EVERY_S, left_s)) or (self._has_news and not self.is_away):
                return

    def _send(self) -> None:
        self._has_news = False
        while self._lines and len(self._batch) < BUFFER:
            self._batch.append(self._lines.popleft())
        if self._batch:
            data = "".join(self._batch).encode()
            if not self._seq:
                self._place()
            while not self._events.create(name := f"{self._attempt:03d}-{self._seq:06d}.jsonl", data):
                if self._events.read(name) == data:
                    break  # ours: only the answer was lost
                self._seq += 1
            self._seq += 1
            self._batch = []
        if self.summary is not None:
            self._folder.write(SUMMARY, json.dumps(self.summary(), indent=1, default=str).encode() + b"\n")

    def _place(self) -> None:
        """The attempt's number, and the first sequence number that none of its earlier processes has taken."""
        taken = [match for name in self._events.names() if (match := _NAME.fullmatch(name))]
        if self._attempt is None:
            self._attempt = max((int(match[1]) for match in taken), default=-1) + 1
        mine = [int(match[2]) for match in taken if int(match[1]) == self._attempt]
        self._seq = max(self._seq, max(mine, default=0) + 1)

    def _warn(self, error: Exception) -> None:
        if not self._is_warned:
            self._is_warned = True
            why = str(error) if isinstance(error, SkywrightError) else f"{type(error).__name__}: {error}"
            log.warning("the time line is kept back, training goes on: %s", why)
