"""Metrics to the registry, in batches, from a thread of their own.

The loop only appends to a bounded buffer: a registry that is slow, full or away loses points and never makes it wait.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import Any

from catalog.errors import SkywrightError

log = logging.getLogger(__name__)

BUFFER = 20_000
BATCH = 1000
EVERY_S = 1.0
SLOWEST_S = 30.0
TIMEOUT_S = 5.0


class Tracker:
    """Sends one job's metrics. `send` never blocks and never raises. Attempts of one job share one tracking run."""

    def __init__(self, url: str, token: str, *, job: str, params: dict[str, Any], tags: dict[str, str]) -> None:
        self._url, self._token, self._job = url, token, job
        self._params, self._tags = params, tags
        self._points: deque[tuple[str, float, int, float]] = deque(maxlen=BUFFER)
        self._wake = threading.Event()
        self._is_closing = self._is_done = False
        self.sent = 0
        self.dropped = 0
        self.is_away = False
        self._thread = threading.Thread(target=self._work, name="metrics", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def send(self, step: int, values: dict[str, float]) -> None:
        at = time.time()
        for name, value in values.items():
            self.dropped += len(self._points) == BUFFER
            self._points.append((name, value, step, at))

    def close(self, wait_s: float = 2.0, *, is_done: bool = False) -> None:
        """Send what is left, for at most `wait_s` seconds, less when the registry was away; the rest is dropped."""
        self._is_done, self._is_closing = is_done, True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(min(wait_s, 0.3) if self.is_away else wait_s)

    def _work(self) -> None:
        from ml_jobs.registry.runs import Runs
        from ml_jobs.registry.transport import Transport

        class Once(Transport):
            """Asks once: what fails is sent with the next batch."""

            def send(self, method: str, path: str, body: dict[str, Any] | None = None, *, repeat: bool = True) -> Any:
                return super().send(method, path, body, repeat=False)

        transport = Once(self._url, self._token, timeout_s=TIMEOUT_S)
        runs, run_id = Runs(transport), ""
        delay_s, is_warned = EVERY_S, False
        while True:
            self._wake.wait(delay_s)
            is_last = self._is_closing
            try:
                if self._points:
                    run_id = run_id or runs.create_run(self._job, self._params, self._tags)
                while self._points:
                    batch = [self._points.popleft() for _ in range(min(BATCH, len(self._points)))]
                    self._send(runs, run_id, batch)
                delay_s, self.is_away = EVERY_S, False
                if is_last and self._is_done and run_id:
                    runs.finish(run_id)
            except Exception as error:  # whatever a registry does, training goes on
                delay_s, self.is_away = min(delay_s * 2, SLOWEST_S), True
                if getattr(error, "status", None) == 404:
                    run_id = ""  # the registry's database was rebuilt: the run is made anew
                if not is_warned:
                    is_warned = True
                    why = str(error) if isinstance(error, SkywrightError) else f"{type(error).__name__}: {error}"
                    log.warning("metrics are kept back, training goes on: %s", why)
            if is_last:
                transport.close()
                return

    def _send(self, runs: Any, run_id: str, batch: list[tuple[str, float, int, float]]) -> None:
        try:
            runs.log_batch(run_id, batch)
            self.sent += len(batch)
        except BaseException:
            kept = batch[max(0, len(batch) - (BUFFER - len(self._points))) :]
            self.dropped += len(batch) - len(kept)
            self._points.extendleft(reversed(kept))
            raise
