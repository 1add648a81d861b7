"""Our model server beside MLServer, LitServe and BentoML: iris by the same logistic regression, one worker, one core.

Each peer in an environment of its own, made at the first run. Rounds are interleaved, so that a slow minute of the
machine meets all; beside them the floor, our HTTP stack with no model. Server and client have a core each. Shown are
medians of the rounds, and ratios within a round. Then twice the load that a heavier model holds, for a minute.
Ends with 1 when a goal is missed.

    .venv/bin/python tests/bench/serving.py [--rounds 7] [--seconds 1] [--overload-s 60] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1]), str(HERE.parent / "ml_jobs" / "serve")]

from load_client import Seen, closed_loop, open_loop, request_bytes  # noqa: E402
from serving_house import make_artifact, request  # noqa: E402
from serving_peers import environments  # noqa: E402
from serving_peers.servers import Server, ours, start_all  # noqa: E402

CONNECTIONS = (1, 8, 32)
GOAL_RATE, GOAL_P50, GOAL_P99, GOAL_FLOOR = 3.0, 0.5, 0.5, 1.1
"""At 8 connections, against MLServer; the last against the floor, where half of MLServer's p99 is below the floor's."""

MAX_WAIT_S = 0.2
OTHERS_S = 0.5
"""The machine is shared: what the latency under overload may take beyond the server's own bound."""


@dataclass(frozen=True)
class Point:
    rate: float
    p50_ms: float
    p99_ms: float
    errors: int


Rounds = dict[str, dict[int, list[Point]]]


def measured(servers: list[Server], rounds: int, seconds: float) -> Rounds:
    """Every server in every round with every number of connections, taking turns at going first."""
    asked = {server.name: server.ask((5.1, 3.5, 1.4, 0.2)) for server in servers}
    for server in servers:
        closed_loop(server.port, asked[server.name], 8, 1)
    found: Rounds = {server.name: {count: [] for count in CONNECTIONS} for server in servers}
    for number in range(rounds):
        turn = number % len(servers)
        for server in servers[turn:] + servers[:turn]:
            for count in CONNECTIONS:
                found[server.name][count].append(point(closed_loop(server.port, asked[server.name], count, seconds)))
        sys.stderr.write(f"round {number + 1} of {rounds}\n")
    return found


def point(seen: Seen) -> Point:
    return Point(seen.rate, seen.quantile_ms(0.5), seen.quantile_ms(0.99), seen.errors)


def disagreements(servers: list[Server]) -> list[str]:
    """Rows of iris that a server labels otherwise than ours does."""
    from sklearn.datasets import load_iris

    rows = load_iris().data[::3]
    labels = {
        server.name: [
            server.label(closed_loop(server.port, server.ask([float(v) for v in row]), 1, 0).last) for row in rows
        ]
        for server in servers
        if server.name != "floor"
    }
    return [name for name, found in labels.items() if found != labels["skywright"]]


def median(found: Rounds, name: str, count: int, what: str) -> float:
    return statistics.median(getattr(each, what) for each in found[name][count])


def ratio(found: Rounds, name: str, peer: str, count: int, what: str) -> float:
    """Of the rounds' ratios the median."""
    pairs = zip(found[name][count], found[peer][count], strict=True)
    return statistics.median(getattr(mine, what) / getattr(theirs, what) for mine, theirs in pairs)


def verdicts(found: Rounds, disagree: list[str]) -> dict[str, bool]:
    rate = ratio(found, "skywright", "mlserver", 8, "rate")
    p50, p99 = (ratio(found, "skywright", "mlserver", 8, what) for what in ("p50_ms", "p99_ms"))
    floor_p99 = ratio(found, "skywright", "floor", 8, "p99_ms")
    floor_allows = ratio(found, "floor", "mlserver", 8, "p99_ms") <= GOAL_P99
    errors = {name: sum(each.errors for points in by.values() for each in points) for name, by in found.items()}
    tail = (
        (f"p99 {p99:.2f} x MLServer's (goal <= {GOAL_P99:g})", p99 <= GOAL_P99)
        if floor_allows
        else (f"p99 {floor_p99:.2f} x the floor's (goal <= {GOAL_FLOOR:g})", floor_p99 <= GOAL_FLOOR)
    )
    return {
        f"throughput {rate:.2f} x MLServer's (goal >= {GOAL_RATE:g})": rate >= GOAL_RATE,
        f"p50 {p50:.2f} x MLServer's (goal <= {GOAL_P50:g})": p50 <= GOAL_P50,
        tail[0]: tail[1],
        f"errors {errors} (goal: none of ours)": errors["skywright"] == 0,
        f"other predictions than ours: {', '.join(disagree) or 'none'}": not disagree,
    }


def overloaded(folder: Path, core: int, seconds: float) -> tuple[dict[str, Any], dict[str, bool]]:
    """A perceptron whose time is the model's, at twice the rate that it holds."""
    release = make_artifact(folder / "heavy", sizes=(4, 1024, 1024, 3))
    server = ours(folder, core, release, max_wait_s=MAX_WAIT_S, max_queue=64)
    try:
        server.wait()
        asked = request_bytes("/v2/models/toy/infer", request(32))
        process = psutil.Process(server.process.pid)
        holds = closed_loop(server.port, asked, 16, 3)
        open_loop(server.port, asked, 2 * holds.rate, 256, 3)  # what it allocates once
        before = process.memory_info().rss
        seen = open_loop(server.port, asked, 2 * holds.rate, 256, seconds)
        grown_mib = (process.memory_info().rss - before) / 2**20
        is_alive = closed_loop(server.port, asked, 1, 0.5).errors == 0
    finally:
        server.stop()
    bound_ms = 1000 * (1.5 * MAX_WAIT_S + OTHERS_S)
    told = {
        "holds_per_s": holds.rate,
        "offered_per_s": 2 * holds.rate,
        "answered_per_s": seen.rate,
        "by_status": {status: len(times) for status, times in sorted(seen.seconds.items())},
        "accepted_p50_ms": seen.quantile_ms(0.5),
        "accepted_p99_ms": seen.quantile_ms(0.99),
        "memory_grown_mib": grown_mib,
    }
    others = {status for status in seen.seconds if status not in (200, 429, 503)}
    return told, {
        f"accepted p99 {seen.quantile_ms(0.99):.0f} ms (bound {bound_ms:.0f} ms)": seen.quantile_ms(0.99) <= bound_ms,
        f"memory grew by {grown_mib:.1f} MiB (goal <= 16)": grown_mib <= 16,
        f"answers other than 200, 429, 503: {others or 'none'}; unanswered: {seen.unanswered}": not others
        and not seen.unanswered,
        "some were told to come again": bool(seen.seconds[429] or seen.seconds[503]),
        f"it goes on answering, and ended with {server.process.returncode}": is_alive and not server.process.returncode,
    }


def show(found: Rounds) -> None:
    names = list(found)
    for count in CONNECTIONS:
        print(f"\n{count} connections   requests/s   x MLServer      p50 ms   x MLServer      p99 ms   x MLServer")
        for name in names:
            cells = []
            for what, form in (("rate", "12.0f"), ("p50_ms", "12.3f"), ("p99_ms", "12.3f")):
                share = ratio(found, name, "mlserver", count, what)
                cells.append(f"{median(found, name, count, what):{form}} {share:12.2f}")
            print(f"{name:12}{''.join(cells)}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1, help="of each measurement")
    parser.add_argument("--overload-s", type=float, default=60)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    server_core, client_core = cores[0], cores[-1]
    if server_core == client_core:
        sys.stderr.write("note: there is one core; server and client share it\n")
    os.sched_setaffinity(0, {client_core})
    with tempfile.TemporaryDirectory(prefix="skywright-bench-") as place:
        servers = start_all(Path(place), server_core)
        try:
            for server in servers:
                server.wait()
            found = measured(servers, args.rounds, args.seconds)
            disagree = disagreements(servers)
        finally:
            for server in servers:
                server.stop()
        told, held = overloaded(Path(place), server_core, args.overload_s)
    goals = {**verdicts(found, disagree), **held}
    if args.json:
        shown = {
            name: {
                count: {what: median(found, name, count, what) for what in ("rate", "p50_ms", "p99_ms")} for count in by
            }
            for name, by in found.items()
        }
        print(json.dumps({"servers": shown, "overload": told, "goals": goals}, indent=2))
    else:
        versions = ", ".join(package for packages in environments.PACKAGES.values() for package in packages)
        print(f"{versions}; medians of {args.rounds} interleaved rounds of {args.seconds:g} s")
        show(found)
        print(f"\ntwice what it holds, {args.overload_s:g} s: {json.dumps(told)}\n")
        for goal, is_met in goals.items():
            print(f"{'met   ' if is_met else 'MISSED'} {goal}")
    return 0 if all(goals.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
