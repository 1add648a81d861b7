"""Releases change under traffic: real model servers come and go, and no request fails."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from router_house import INFER, RunningRouter
from serving_house import House, answers, eventually, make_artifact, request

from ml_jobs.identity import Role

RATE = 200
"""Predictions per second."""

UNANSWERED = 200
"""So many requests may wait at once: on a machine that is too busy the rate falls, requests don't pile up."""


@dataclass
class Traffic:
    """An open loop: requests leave on time, not when the earlier ones are answered."""

    url: str
    token: str
    taken: list[tuple[float, int, str | None]] = field(default_factory=list)
    """(when it was sent, status, release), in the order of the answers."""
    is_over: bool = False

    async def run(self) -> None:
        body = json.dumps(request()).encode()
        headers = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        async with aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=60)) as session:

            async def one() -> None:
                sent_at = time.monotonic()
                try:
                    async with session.post(self.url + INFER, data=body) as response:
                        answer = await response.json()
                        status = response.status if "outputs" in answer else 0
                        release = response.headers.get("x-skywright-release")
                        self.taken.append((sent_at, status, release if status else f"{release}: {answer}"))
                except (aiohttp.ClientError, TimeoutError) as error:
                    self.taken.append((sent_at, 0, repr(error)))

            began, sent, asked = time.monotonic(), 0, set[asyncio.Task[None]]()
            while not self.is_over:
                due = int((time.monotonic() - began) * RATE)
                if len(asked) < UNANSWERED:
                    for _ in range(due - sent):
                        task = asyncio.create_task(one())
                        asked.add(task)
                        task.add_done_callback(asked.discard)
                sent = max(sent, due)
                await asyncio.sleep(0.002)
            await asyncio.gather(*asked)

    def usual_rate(self) -> float:
        """Requests sent in the median second."""
        return statistics.median(Counter(int(sent_at) for sent_at, _, _ in self.taken).values())


@pytest.mark.alone
async def test_200_predictions_a_second_flow_while_releases_change_and_none_fails(house: House) -> None:
    router = RunningRouter(house)
    artifacts = house.root / "artifacts" / "models" / "toy"
    first, second = (make_artifact(artifacts / f"job-{n}", seed=n, version=n) for n in (1, 2))
    stable, stable_process = house.server("stable", first)
    ready(stable)

    async def route(**shares: tuple[str, int, float]) -> None:
        releases = {
            name: {"url": url, "model": "toy", "version": version, "weight_percent": weight}
            for name, (url, version, weight) in shares.items()
        }
        answer = await asyncio.to_thread(router.put, releases)
        assert answer.status_code == 200, answer.text

    async def answered(count: int) -> Counter[str | None]:
        """Who answered the next `count` requests that are sent from now on."""
        now = time.monotonic()
        deadline = now + 120
        while len(since := [release for sent_at, _, release in traffic.taken if sent_at >= now]) < count:
            assert time.monotonic() < deadline, f"{len(since)} of {count} requests answered in 120 s"
            await asyncio.sleep(0.1)
        return Counter(since)

    async def drained(process: Any) -> None:
        process.terminate()
        assert await asyncio.to_thread(process.wait, 30) == 0

    await route(stable=(stable, 1, 100))
    traffic = Traffic(router.url, house.token(Role.VIEWER))
    flowing = asyncio.create_task(traffic.run())
    assert set(await answered(200)) == {"stable"}

    canary, canary_process = house.server("canary", second)
    await asyncio.to_thread(ready, canary)
    await route(stable=(stable, 1, 90), canary=(canary, 2, 10))
    shares = await answered(600)
    assert abs(100 * shares["canary"] / shares.total() - 10) < 1.5  # some still wait; test_router holds exact shares

    await route(stable=(stable, 1, 0), canary=(canary, 2, 100))
    assert set(await answered(200)) == {"canary"}
    await route(canary=(canary, 2, 100))
    await drained(stable_process)
    assert set(await answered(200)) == {"canary"}

    back, _ = house.server("stable-again", first)
    await asyncio.to_thread(ready, back)
    await route(stable=(back, 1, 100))
    await drained(canary_process)
    assert set(await answered(400)) == {"stable"}

    traffic.is_over = True
    await flowing
    assert [taken for taken in traffic.taken if taken[1] != 200] == []
    assert traffic.usual_rate() >= 0.9 * RATE


def ready(url: str) -> None:
    eventually(f"{url} is ready", answers(f"{url}/v2/health/ready"), 120)
