"""The page's JSON: what is in it, what never is, and what it costs the peers."""

from __future__ import annotations

import json
import math
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_jobs.local.page import rates, sources
from ml_jobs.local.page.clean import LONGEST, clean
from ml_jobs.local.page.timeline import MOST_POINTS, Timeline
from tests.page import world
from tests.page.fixtures import Stack

Serve = Callable[[world.World], Stack]
CANARY = "c4n4ry-5ecret-0f-th3-st4ck"


def ask(stack: Stack, run: str | None = None) -> Any:
    headers = {"authorization": f"Bearer {stack.token}"}
    answer = httpx.get(f"{stack.url}/api/page", params={"run": run} if run else {}, headers=headers)
    assert answer.status_code == 200
    return answer.json()


def test_no_secret_and_no_token_is_in_it(served: Serve) -> None:
    made = world.busy()
    stack = served(made)
    for job in made.jobs:
        job["spec"] |= {"env": {"KEY": CANARY}, "params": {"password": CANARY}, "secret_refs": {"a": CANARY}}
        job["lineage"] = {"env": CANARY}
    made.jobs[0]["message"] = f"could not log in with {stack.token} at https://ada:{CANARY}@example.org/"
    made.jobs[1]["message"] = f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----"
    made.versions["digits"][0]["lineage"]["environment"] = {"TOKEN": CANARY}
    made.budget["webhook"] = CANARY
    text = json.dumps(ask(stack))
    assert CANARY not in text and stack.token not in text and "signature" not in text
    assert "[withheld]" in text


def test_many_viewers_cost_the_peers_no_more_than_one(busy: Stack) -> None:
    ask(busy)
    busy.world.asked.clear()
    started = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: ask(busy), range(40)))
    seconds = time.monotonic() - started
    assert busy.world.asked.count("scheduler/slots") <= seconds + 1
    assert busy.world.asked.count(f"scheduler/jobs/{world.RUN}/events") <= seconds + 1


def test_a_peer_that_hangs_or_is_gone_holds_nothing_up(busy: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, socket.create_server(("127.0.0.1", 0)) as gone:
        busy.config.peers["ledger"] = f"http://127.0.0.1:{silent.getsockname()[1]}"  # takes the call, never answers
        busy.config.peers["registry"] = f"http://127.0.0.1:{gone.getsockname()[1]}"
        gone.close()
        monkeypatch.setattr(sources, "PATIENCE_S", 3)
        started = time.monotonic()
        data = ask(busy)
        assert 2 < time.monotonic() - started < 8
    assert data["sources"]["ledger"] == {"ok": False, "why": "no answer in 3 s", "at": None}
    assert data["sources"]["registry"] == {"ok": False, "why": "does not answer", "at": None}
    assert data["budget"] is None and data["sources"]["scheduler"]["ok"] and data["jobs"]


def test_an_unknown_run_is_said(busy: Stack) -> None:
    assert ask(busy, "nothing-00000000")["run"]["why"] == "there is no run nothing-00000000"
    assert ask(busy, "../../etc/passwd")["run"]["id"] == world.RUN


def test_only_new_events_are_asked_for(busy: Stack) -> None:
    before = ask(busy)["run"]
    now = time.time()
    busy.world.events[world.RUN].append({"at": now, "type": "checkpoint", "step": 999})
    deadline = time.monotonic() + 5
    while (after := ask(busy)["run"])["counts"]["checkpoint"] == before["counts"]["checkpoint"]:
        assert time.monotonic() < deadline
    assert after["marks"][-1] == {"at": now, "type": "checkpoint", "step": 999}
    assert len(after["points"]) == len(before["points"])


def test_a_broken_audit_chain_is_told_with_its_line(busy: Stack) -> None:
    log = Path(busy.config.artifacts_url.removeprefix("file://")) / "audit" / "log.jsonl"
    lines = log.read_text().splitlines()
    lines[3] = lines[3].replace("refused", "done")
    log.write_text("\n".join(lines) + "\n")
    data = ask(busy)
    assert data["audit"]["chain"] == {"ok": False, "line": 4, "why": "was altered"}
    assert len(data["audit"]["entries"]) == 12


def test_rates_and_quantiles_per_release() -> None:
    made = world.World()
    made.now, made.traffic = time.time(), {"stable": (50.0, 0.02, 0.01)}
    since = made.now - rates.SPAN_S
    found = rates.per_release(
        made.series("skywright_requests_total", since, {}),
        made.series("skywright_request_seconds_bucket", since, {}),
        since,
    )["stable"]
    assert found["error_ratio"] == pytest.approx(0.02, rel=0.01)
    assert 10 < found["request_rate"] < 100
    assert found["p50_s"] == pytest.approx(0.01 * math.sqrt(math.log(2)), rel=0.1)
    assert 0.01 < found["p50_s"] * 1.2 < found["p99_s"] <= 0.05


def test_a_counter_that_restarts_does_not_count_backwards() -> None:
    samples = [(10.0, 100.0, {"a": "x"}), (15.0, 110.0, {"a": "x"}), (22.0, 4.0, {"a": "x"}), (30.0, 9.0, {"a": "x"})]
    grown = rates.growth(samples, ("a",), 0.0)[("x",)]
    assert grown[:2] == [10.0, 9.0]


@settings(deadline=None)
@given(st.lists(st.floats(0, 1000), min_size=1, max_size=12), st.floats(0, 1))
def test_a_quantile_lies_within_its_buckets(grown: list[float], q: float) -> None:
    total, buckets = 0.0, {}
    for index, more in enumerate(grown):
        total += more
        buckets[float(index + 1)] = total
    buckets[math.inf] = total
    found = rates.quantile(q, buckets)
    assert (found is None) == (total <= 0)
    assert found is None or 0 <= found <= len(grown)


@settings(deadline=None)
@given(st.lists(st.integers(1, 40), max_size=20))
def test_a_time_line_is_the_same_however_its_events_arrive(cuts: list[int]) -> None:
    events = list(world.training(1000.0))
    whole, parts = Timeline(), Timeline()
    for event in events:
        whole.add(event)
    rest = events
    for cut in [*cuts, len(events)]:
        for event in rest[:cut]:
            parts.add(event)
        rest = rest[cut:]
    assert whole.view() == parts.view()
    assert [a["end"] for a in whole.attempts] == ["preempted", "preempted", "succeeded"]


def test_a_long_run_is_thinned_and_keeps_its_ends_and_marks() -> None:
    line = Timeline()
    line.add({"at": 0.0, "type": "started", "attempt": 1, "slot": "a", "is_spot": True})
    for step in range(50_000):
        line.add(
            {"at": float(step), "type": "metrics", "step": step, "values": {"loss": 1.0, "text": "no", "nan": math.nan}}
        )
    line.add({"at": 50_000.0, "type": "preempted", "slot": "a"})
    view = line.view()
    assert len(view["points"]) < 2.5 * MOST_POINTS
    assert (view["points"][0]["step"], view["points"][-1]["step"]) == (0, 49_999)
    assert view["counts"] == {"preempted": 1}


@pytest.mark.parametrize("event", [{}, {"type": 3}, {"type": "metrics", "at": 1, "values": None}, {"type": "started"}])
def test_a_malformed_event_is_passed_over(event: dict[str, Any]) -> None:
    line = Timeline()
    line.add(event)
    assert line.view()["points"] == [] and line.view()["attempts"] == []


def test_a_killed_attempt_ends_where_it_is_queued_again() -> None:
    line = Timeline()
    started = {"type": "started", "slot": "a", "is_spot": True}
    line.add({"at": 1.0, "attempt": 1, **started})
    line.add({"at": 5.0, "type": "queued", "reason": "a rank was ended by SIGKILL", "cause": "killed"})
    line.add({"at": 6.0, "attempt": 2, **started})
    assert [(attempt["to"], attempt["end"]) for attempt in line.view()["attempts"]] == [
        (5.0, "interrupted"),
        (None, None),
    ]
    assert line.view()["counts"] == {"queued": 1, "interrupted": 1}


def test_cleaning_strikes_credentials_and_shortens() -> None:
    assert clean("Bearer abcdefgh12345678") == "Bearer [withheld]"
    assert clean({"a": ["postgres://u:p@h/db"]}) == {"a": ["postgres://[withheld]@h/db"]}
    assert len(clean("x" * 10_000)) == LONGEST
    assert clean(math.nan) is None and clean(math.inf) is None
