"""Adaptive micro-batching: what waits while the model is busy is answered together; nothing waits while it is idle.

A model that answers fast is called on the event loop, with what arrives while the loop is reading; a slow one in a
thread, with what arrived since its last call. The queue is bounded by number and by time: a request is refused at once
when it is not expected to reach the model within `max_wait_s`, and later when it has waited longer. A batch is expected
to take at most half of that, so an answer takes at most 1.5 `max_wait_s`, or `max_wait_s` and the request's own time in
the model. A row's answer may differ in its last bits by the rows beside it, as matrix products do by their shape.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np

from ml_jobs.serve.limits import Limits, Refused
from ml_jobs.serve.tensors import Array

SHORT_S = 0.002
"""A call expected to be shorter is made on the event loop: handing it to a thread would cost as much again."""

SMOOTHING = 0.1
"""Weight of the latest call in how much slower the model is now than when it was loaded."""

Outputs = dict[str, Array]


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds that the model takes for a call, and for each row of it."""

    call_s: float
    row_s: float = 0.0

    def of(self, rows: int) -> float:
        return self.call_s + self.row_s * rows

    def rows_within(self, seconds: float) -> int:
        """The most rows that one call answers in time; at least one."""
        return max(1, int(min((seconds - self.call_s) / self.row_s, 1e9))) if self.row_s else 1_000_000_000


@dataclass(slots=True)
class Answer:
    """`seconds`: the model's, for the whole batch."""

    outputs: Outputs
    seconds: float


@dataclass(slots=True, eq=False)
class _Waiting:
    inputs: Mapping[str, Array]
    rows: int
    since: float
    answer: asyncio.Future[Answer]


class Batcher:
    """Of one model, on one event loop. `observe(rows of each request, seconds)` is told of every call."""

    def __init__(
        self,
        predict: Callable[[Mapping[str, Array]], Outputs],
        cost: Cost,
        worker: Executor,
        limits: Limits,
        *,
        is_batchable: bool = True,
        observe: Callable[[Sequence[int], float], None] = lambda rows, seconds: None,
    ) -> None:
        self._predict = predict
        self._cost = cost
        self._worker = worker
        self._limits = limits
        self._is_batchable = is_batchable
        self._observe = observe
        self._queue: deque[_Waiting] = deque()
        self._rows = 0  # in the queue
        self._busy_until = 0.0  # expected end of the call that runs in the thread
        self._is_busy = False
        self._slowdown = 1.0

    @property
    def waiting(self) -> int:
        return len(self._queue)

    async def answer(self, inputs: Mapping[str, Array], rows: int) -> Answer:
        """Raises Refused when it would take too long, and what the model raises."""
        now = time.perf_counter()
        if self._is_busy or self._queue:
            self._admit(now)
        loop = asyncio.get_running_loop()
        waiting = _Waiting(inputs, rows, now, loop.create_future())
        if not self._queue and not self._is_busy:
            loop.call_soon(self._gather, loop, 0)
        self._queue.append(waiting)
        self._rows += rows
        return await waiting.answer

    def _admit(self, now: float) -> None:
        wait_s = self._wait_s(now)
        if len(self._queue) >= self._limits.max_queue or wait_s > self._limits.max_wait_s:
            raise Refused(
                f"{len(self._queue)} requests wait for the model already, about {wait_s:.2g} s; try again later",
                429,
                wait_s,
            )

    def _wait_s(self, now: float) -> float:
        """Until the model is expected to begin on what comes now."""
        calls = -(-self._rows // self._batch_rows) if self._is_batchable else len(self._queue)
        queued_s = self._slowdown * (calls * self._cost.call_s + self._rows * self._cost.row_s)
        return queued_s + (max(0.0, self._busy_until - now) if self._is_busy else 0.0)

    @property
    def _batch_rows(self) -> int:
        within = self._cost.rows_within(self._limits.max_wait_s / 2 / self._slowdown)
        return min(self._limits.max_batch_rows, within)

    def _gather(self, loop: asyncio.AbstractEventLoop, seen: int) -> None:
        """Go round the event loop as long as each round brings more requests: what has arrived is read together, and
        what has not is not waited for."""
        waiting = len(self._queue)
        is_late = time.perf_counter() - self._queue[0].since > SHORT_S
        if waiting == seen or is_late or self._rows >= self._batch_rows:
            self._turn(loop)
        else:
            loop.call_soon(self._gather, loop, waiting)

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        """One call of the model, when there is something to answer."""
        batch, rows = self._take(time.perf_counter())
        if not batch:
            return
        expected_s = self._slowdown * self._cost.of(rows)
        if expected_s < SHORT_S:
            self._deliver(batch, rows, *self._call(batch))
            if self._queue:
                loop.call_soon(self._turn, loop)
            return
        self._is_busy = True
        self._busy_until = time.perf_counter() + expected_s

        def done(call: asyncio.Future[tuple[list[Outputs | Exception], float]]) -> None:
            self._is_busy = False
            self._deliver(batch, rows, *call.result())
            self._turn(loop)

        loop.run_in_executor(self._worker, self._call, batch).add_done_callback(done)

    def _take(self, now: float) -> tuple[list[_Waiting], int]:
        batch: list[_Waiting] = []
        most, rows = (self._batch_rows if self._is_batchable else 1), 0
        while self._queue and (not batch or (self._is_batchable and rows + self._queue[0].rows <= most)):
            waiting = self._queue.popleft()
            self._rows -= waiting.rows
            if waiting.answer.done():  # its caller has gone
                continue
            if now - waiting.since > self._limits.max_wait_s:
                waiting.answer.set_exception(
                    Refused(f"the model was not free within {self._limits.max_wait_s:g} s; try again later", 503)
                )
                continue
            batch.append(waiting)
            rows += waiting.rows
        return batch, rows

    def _call(self, batch: list[_Waiting]) -> tuple[list[Outputs | Exception], float]:
        """An answer for each, and the seconds that they took. Who sent what the model fails on fails alone."""
        began = time.perf_counter()
        answers: list[Outputs | Exception]
        try:
            answers = list(_together(self._predict, batch))
        except Exception as error:
            answers = [error] if len(batch) == 1 else [self._alone(waiting) for waiting in batch]
        return answers, time.perf_counter() - began

    def _alone(self, waiting: _Waiting) -> Outputs | Exception:
        try:
            return next(iter(_together(self._predict, [waiting])))
        except Exception as error:
            return error

    def _deliver(self, batch: list[_Waiting], rows: int, answers: list[Outputs | Exception], seconds: float) -> None:
        slowdown = min(100.0, seconds / max(1e-9, self._cost.of(rows)))
        self._slowdown += SMOOTHING * (slowdown - self._slowdown)
        self._observe([waiting.rows for waiting in batch], seconds)
        for waiting, answer in zip(batch, answers, strict=True):
            if waiting.answer.done():
                continue
            if isinstance(answer, Exception):
                waiting.answer.set_exception(answer)
            else:
                waiting.answer.set_result(Answer(answer, seconds))


def _together(predict: Callable[[Mapping[str, Array]], Outputs], batch: list[_Waiting]) -> list[Outputs]:
    """The batch's answers by one call."""
    if len(batch) == 1:
        return [predict(batch[0].inputs)]
    inputs = {name: np.concatenate([waiting.inputs[name] for waiting in batch]) for name in batch[0].inputs}
    outputs = predict(inputs)
    total = sum(waiting.rows for waiting in batch)
    for name, array in outputs.items():
        if len(array) != total:
            raise ValueError(f"the model gave {len(array)} rows of {name} for {total} rows")
    answers, start = [], 0
    for waiting in batch:
        end = start + waiting.rows
        answers.append({name: array[start:end] for name, array in outputs.items()})
        start = end
    return answers
