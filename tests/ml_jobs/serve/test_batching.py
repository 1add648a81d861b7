"""The batcher on a real event loop, with models that the tests hold and let go."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_jobs.serve import batching
from ml_jobs.serve.batching import Answer, Batcher, Cost
from ml_jobs.serve.limits import Limits, Refused

SHORT, LONG = Cost(0.0001), Cost(0.05)


class Held:
    """A model that doubles its rows; it answers a call only when `let_go` has been called for it."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.at_once = 0
        self.began = threading.Semaphore(0)
        self._gate = threading.Semaphore(0)
        self._running = 0

    def __call__(self, inputs: Any) -> dict[str, Any]:
        self._running += 1
        self.at_once = max(self.at_once, self._running)
        self.calls.append(len(inputs["x"]))
        self.began.release()
        assert self._gate.acquire(timeout=20)
        self._running -= 1
        return double(inputs)

    def let_go(self, calls: int = 1) -> None:
        self._gate.release(calls)


def double(inputs: Any) -> dict[str, Any]:
    if (inputs["x"] < 0).any():
        raise ValueError("negative")
    return {"y": 2 * inputs["x"]}


def rows(count: int, value: float = 1) -> dict[str, Any]:
    return {"x": np.full((count, 2), value)}


@pytest.fixture
def worker() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


def ask(batcher: Batcher, count: int = 1, value: float = 1) -> asyncio.Task[Answer]:
    return asyncio.ensure_future(batcher.answer(rows(count, value), count))


async def begun(model: Held) -> None:
    assert await asyncio.to_thread(model.began.acquire, True, 20)


async def test_what_waits_while_the_model_is_busy_is_answered_by_one_call(worker):
    model = Held()
    batcher = Batcher(model, LONG, worker, Limits())
    first = ask(batcher)
    await begun(model)
    others = [ask(batcher, count, value=count) for count in (1, 2, 3)]
    await asyncio.sleep(0)
    assert batcher.waiting == 3
    model.let_go(2)
    answers = await asyncio.gather(first, *others)
    assert model.calls == [1, 6]
    assert [answer.outputs["y"].tolist() for answer in answers] == [
        [[2, 2]], [[2, 2]], [[4, 4]] * 2, [[6, 6]] * 3,
    ]  # fmt: skip


async def test_long_calls_leave_the_event_loop_and_never_run_two_at_a_time(worker):
    model, turns = Held(), 0
    batcher = Batcher(model, LONG, worker, Limits(max_batch_rows=1))
    calls = [ask(batcher) for _ in range(4)]
    await begun(model)
    for _ in range(50):  # the loop goes on while the model does not
        await asyncio.sleep(0)
        turns += 1
    assert turns == 50 and not any(call.done() for call in calls)
    model.let_go(4)
    await asyncio.gather(*calls)
    assert model.at_once == 1
    assert model.calls == [1, 1, 1, 1]


async def test_a_fast_model_answers_what_came_in_one_turn_together_and_at_once(worker):
    calls = []
    batcher = Batcher(double, SHORT, worker, Limits(), observe=lambda counts, seconds: calls.append(list(counts)))
    await asyncio.gather(*(ask(batcher, count) for count in (1, 2, 1)))
    alone = ask(batcher)
    for _ in range(4):  # its own round, two that bring no other and the model's answer: no clock is waited for
        await asyncio.sleep(0)
    assert alone.done()
    assert calls == [[1, 2, 1], [1]]


async def test_models_that_take_no_batches_are_called_for_each_request(worker):
    calls = []
    batcher = Batcher(
        double, SHORT, worker, Limits(), is_batchable=False, observe=lambda counts, _: calls.append(list(counts))
    )
    await asyncio.gather(*(ask(batcher, 2) for _ in range(3)))
    assert calls == [[2], [2], [2]]


async def test_who_sends_what_the_model_fails_on_fails_alone(worker):
    batcher = Batcher(double, SHORT, worker, Limits())
    answers = await asyncio.gather(ask(batcher), ask(batcher, value=-1), ask(batcher, 2), return_exceptions=True)
    assert [type(answer) for answer in answers] == [Answer, ValueError, Answer]


async def test_a_model_that_loses_rows_answers_nobody_with_anothers(worker):
    batcher = Batcher(lambda inputs: {"y": inputs["x"][:1]}, SHORT, worker, Limits())
    answers = await asyncio.gather(ask(batcher, 1, 1), ask(batcher, 1, 2))
    assert [answer.outputs["y"].tolist() for answer in answers] == [[[1, 1]], [[2, 2]]]


async def test_a_full_queue_is_429_and_says_when_to_come_again(worker):
    model = Held()
    batcher = Batcher(model, LONG, worker, Limits(max_queue=2))
    accepted = [ask(batcher)]
    await begun(model)
    accepted += [ask(batcher), ask(batcher)]
    await asyncio.sleep(0)
    with pytest.raises(Refused, match="2 requests wait") as refused:
        await ask(batcher)
    assert (refused.value.status, refused.value.retry_after_s) == (429, 1)
    model.let_go(2)
    await asyncio.gather(*accepted)


async def test_what_would_wait_too_long_is_refused_at_once_but_nothing_is_by_an_idle_model(worker):
    model = Held()
    batcher = Batcher(model, Cost(call_s=30), worker, Limits(max_wait_s=5))
    first = ask(batcher)
    await begun(model)
    with pytest.raises(Refused) as refused:
        await ask(batcher)
    assert refused.value.status == 429
    assert 29 <= refused.value.retry_after_s <= 30
    model.let_go()
    await first


class Clock:
    now = 0.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(batching, "time", clock)
    return clock


async def test_what_has_waited_too_long_for_a_model_that_hangs_is_503(worker, clock):
    model = Held()
    batcher = Batcher(model, LONG, worker, Limits(max_wait_s=1))
    first = ask(batcher)
    await begun(model)
    clock.now = 10
    late, in_time = ask(batcher), None
    await asyncio.sleep(0)
    clock.now = 10.9
    in_time = ask(batcher)
    await asyncio.sleep(0)
    clock.now = 11.5
    model.let_go(2)
    with pytest.raises(Refused) as refused:
        await late
    assert refused.value.status == 503
    assert (await in_time).outputs["y"].tolist() == [[2, 2]]
    await first


async def test_it_learns_that_the_model_has_become_slower(worker, clock):
    """Calls that take ten times as long as when it was loaded: batches become smaller, waits longer."""

    def slow(inputs: Any) -> dict[str, Any]:
        clock.now += 0.01 * len(inputs["x"])
        return double(inputs)

    sizes: list[int] = []
    limits = Limits(max_wait_s=0.2)
    batcher = Batcher(slow, Cost(0, 0.001), worker, limits, observe=lambda counts, _: sizes.append(sum(counts)))
    await asyncio.gather(*(ask(batcher) for _ in range(100)))
    for _ in range(60):
        await ask(batcher)
    await asyncio.gather(*(ask(batcher) for _ in range(12)))
    assert sizes[0] == 100
    assert max(sizes[-2:]) <= 10  # 10 rows take 0.1 s, half of the bound
    refused = await asyncio.gather(*(ask(batcher) for _ in range(40)), return_exceptions=True)
    assert 15 <= sum(isinstance(answer, Refused) for answer in refused) <= 25


async def test_whose_caller_has_gone_is_not_computed(worker):
    model = Held()
    batcher = Batcher(model, LONG, worker, Limits())
    first = ask(batcher)
    await begun(model)
    gone, stays = ask(batcher, 5), ask(batcher, 2)
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.sleep(0)
    model.let_go(2)
    await asyncio.gather(first, stays)
    assert model.calls == [1, 2]


@given(st.lists(st.integers(1, 12), min_size=1, max_size=40), st.integers(1, 16), st.booleans())
def test_each_gets_its_own_rows_and_no_batch_is_larger_than_allowed(counts, most, is_long):
    batches: list[list[int]] = []

    async def scenario(worker: ThreadPoolExecutor) -> list[Answer]:
        batcher = Batcher(
            double,
            Cost(0.0021 if is_long else 0.0001),
            worker,
            Limits(max_batch_rows=most),
            observe=lambda sizes, _: batches.append(list(sizes)),
        )
        return await asyncio.gather(*(ask(batcher, count, value) for value, count in enumerate(counts)))

    with ThreadPoolExecutor(1) as worker:
        answers = asyncio.run(scenario(worker))
    assert [answer.outputs["y"].tolist() for answer in answers] == [
        [[2 * value, 2 * value]] * count for value, count in enumerate(counts)
    ]
    assert [count for batch in batches for count in batch] == counts
    assert all(len(batch) == 1 or sum(batch) <= most for batch in batches)


@pytest.mark.parametrize(
    ("cost", "seconds", "rows"),
    [(Cost(0.1, 0.01), 1, 90), (Cost(2, 0.01), 1, 1), (Cost(0.1, 0), 1, 1_000_000_000), (Cost(0, 1e-12), 1, 10**9)],
)
def test_how_many_rows_fit_into_a_time(cost: Cost, seconds: float, rows: int):
    assert cost.rows_within(seconds) == rows


async def test_what_arrives_while_the_loop_still_reads_is_answered_together(worker):
    """As connections that are read one after another: each round of the loop brings one request more."""
    calls: list[list[int]] = []
    batcher = Batcher(double, SHORT, worker, Limits(), observe=lambda counts, _: calls.append(list(counts)))
    asked = []
    for _ in range(5):
        asked.append(ask(batcher))
        await asyncio.sleep(0)
    await asyncio.gather(*asked)
    assert calls == [[1] * 5]
