"""What the router costs: the same predictions through it and straight to the model server.

Rounds of both are interleaved, so that a slow minute of the machine meets both; medians of the rounds' medians are
reported, and beside them the floor: an ASGI app that answers the same bytes and does nothing.

    .venv/bin/python tests/bench/router.py [--rounds 7] [--requests 400] [--json]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import aiohttp

sys.path[:0] = [str(Path(__file__).parents[1] / "ml_jobs" / folder) for folder in ("serve", "router")]

from router_house import INFER, RunningRouter  # noqa: E402
from serving_house import House, answers, eventually, free_port, make_artifact, request  # noqa: E402

from ml_jobs.identity import Role  # noqa: E402

CONCURRENCY = 8


async def sequential(session: aiohttp.ClientSession, url: str, body: bytes, count: int) -> list[float]:
    """Seconds of each of `count` requests, one after the other."""
    seconds = []
    for _ in range(count):
        began = time.perf_counter()
        async with session.post(url, data=body) as response:
            await response.read()
            assert response.status == 200, response.status
        seconds.append(time.perf_counter() - began)
    return seconds


async def rate(session: aiohttp.ClientSession, url: str, body: bytes, count: int) -> float:
    """Requests per second with eight callers."""
    began = time.perf_counter()
    await asyncio.gather(*(sequential(session, url, body, count // CONCURRENCY) for _ in range(CONCURRENCY)))
    return count / (time.perf_counter() - began)


async def measure(urls: dict[str, str], token: str, rounds: int, count: int) -> dict[str, dict[str, float]]:
    body = json.dumps(request(1, 64)).encode()
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    seen: dict[str, dict[str, list[float]]] = {name: {"p50_ms": [], "p99_ms": [], "rate": []} for name in urls}
    async with aiohttp.ClientSession(headers=headers) as session:
        for url in urls.values():
            await sequential(session, url, body, count // 4)
        for number in range(rounds):
            order = list(urls.items())
            for name, url in order[number % len(order) :] + order[: number % len(order)]:
                seconds = sorted(await sequential(session, url, body, count))
                seen[name]["p50_ms"].append(1000 * seconds[len(seconds) // 2])
                seen[name]["p99_ms"].append(1000 * seconds[int(len(seconds) * 0.99)])
                seen[name]["rate"].append(await rate(session, url, body, count))
    return {name: {what: statistics.median(values) for what, values in each.items()} for name, each in seen.items()}


def bench(rounds: int, count: int) -> dict[str, dict[str, float]]:
    with tempfile.TemporaryDirectory(prefix="skywright-bench-") as folder:
        house = House(Path(folder))
        try:
            release = make_artifact(Path(folder) / "artifacts" / "toy", sizes=(64, 128, 10))
            server, _ = house.server("stable", release)
            eventually("the server is ready", answers(f"{server}/v2/health/ready"), 120)
            router = RunningRouter(house)
            route = {"url": server, "model": "toy", "version": 1, "weight_percent": 100}
            router.put({"stable": route}).raise_for_status()
            floor = house.config("floor", {}, free_port())
            house.start("tests.ml_jobs.router.floor_server", floor)
            floor_url = f"http://127.0.0.1:{floor.port}"
            eventually("the floor answers", answers(f"{floor_url}/healthz"))
            urls = {"floor": floor_url + INFER, "direct": server + INFER, "router": router.url + INFER}
            return asyncio.run(measure(urls, house.token(Role.ADMIN), rounds, count))
        finally:
            house.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    found = bench(args.rounds, args.requests)
    overhead = found["router"]["p50_ms"] - found["direct"]["p50_ms"]
    if args.json:
        print(json.dumps({**found, "overhead_ms": overhead}, indent=2))
        return
    for name, each in found.items():
        print(f"{name:8} p50 {each['p50_ms']:6.3f} ms   p99 {each['p99_ms']:7.3f} ms   {each['rate']:7.0f} requests/s")
    print(f"the router adds {overhead:.3f} ms to the median (medians of {args.rounds} interleaved rounds)")


if __name__ == "__main__":
    main()
