"""The router as a process, before stand-ins of model servers."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from router_house import INFER, RunningRouter, StandIn
from serving_house import eventually, stop

from catalog.errors import SkywrightError
from ml_jobs.audit import audit
from ml_jobs.holds import Effect, Holds
from ml_jobs.identity import Role
from ml_jobs.local.router.routes import Routes, RoutesFile


@pytest.fixture
def router(running: RunningRouter) -> RunningRouter:
    """The one router of these tests, with nothing released."""
    assert running.put({}).status_code == 200
    return running


@pytest.fixture
def stable():
    with StandIn(label=1).running() as stand_in:
        yield stand_in


@pytest.fixture
def canary():
    with StandIn(label=2).running() as stand_in:
        yield stand_in


def test_before_a_release_it_says_that_nothing_is_released(router):
    answer = router.ask()
    assert answer.status_code == 503
    assert answer.json()["error"].startswith("nothing released here")


def test_a_request_reaches_its_release_whole_with_the_routers_own_token(router, stable):
    router.put({"stable": stable.route()})
    answer = router.caller.post(
        f"{INFER}?a=%20b", content=b'{"x": 1}', headers={"x-trace": "t1", "content-type": "application/json"}
    )
    assert answer.json()["outputs"][0]["data"] == [1]
    assert answer.headers["x-skywright-release"] == "stable"
    assert answer.headers["x-own"] == "kept"
    seen = stable.seen[-1]
    assert seen["body"] == b'{"x": 1}'
    assert seen["headers"]["x-trace"] == "t1"
    assert seen["headers"]["authorization"] == f"Bearer {router.house.server_token.read_text()}"
    assert len(answer.headers.get_list("content-length")) == 1


def test_long_answers_are_streamed_through(router, stable):
    router.put({"stable": stable.route()})
    assert router.caller.get("/v2/stream").text == "".join(f"{number} " * 1000 for number in range(50))


def test_unkeyed_shares_are_within_half_a_point_also_under_concurrency(router, stable, canary):
    router.put({"stable": stable.route(weight=90), "canary": canary.route(2, weight=10)})
    with ThreadPoolExecutor(4) as pool:
        taken = Counter(pool.map(lambda _: router.ask().headers["x-skywright-release"], range(600)))
    assert abs(taken["canary"] / 6 - 10) <= 0.5
    assert taken.total() == 600


def test_a_key_sticks_and_a_pin_overrules_it(router, stable, canary):
    router.put(
        {"stable": stable.route(weight=50), "canary": canary.route(2, weight=50)}, mode="sticky", key_header="x-user"
    )
    first = {str(user): router.ask(x_user=str(user)).headers["x-skywright-release"] for user in range(40)}
    again = {str(user): router.ask(x_user=str(user)).headers["x-skywright-release"] for user in range(40)}
    assert first == again
    assert set(first.values()) == {"stable", "canary"}
    assert router.ask(x_user="1", x_skywright_release="canary").json()["outputs"][0]["data"] == [2]
    missing = router.ask(x_skywright_release="canry")
    assert (missing.status_code, "Did you mean canary?" in missing.json()["error"]) == (404, True)


def test_a_shadow_answers_nobody_and_is_recorded(router, stable, canary):
    canary.delay_s = 0.1
    router.put({"stable": stable.route(), "next": canary.route(2, weight=0, shadow=50)})
    for _ in range(10):
        assert router.ask().json()["outputs"][0]["data"] == [1]
    shown = eventually(
        "5 copies are recorded", lambda: (s := router.caller.get("/shadow").json()) and len(s["records"]) == 5 and s
    )
    record = shown["records"][0]
    assert (record["release"], record["shadow"], record["agrees"], record["max_difference"]) == (
        "stable",
        "next",
        False,
        1,
    )
    assert json.loads(record["shadow_answer"])["outputs"][0]["data"] == [2]
    assert shown["releases"][0] | {"mean_seconds": 0} == {
        "release": "next", "copies": 5, "agree": 0, "mean_seconds": 0, "failed": 0,
    }  # fmt: skip
    assert 'skywright_shadow_total{agrees="false",release="next"} 5.0' in router.caller.get("/metrics").text
    assert len(router.caller.get("/shadow?limit=2").json()["records"]) == 2
    assert router.caller.get("/shadow?limit=x").status_code == 400


def test_a_slow_or_missing_shadow_slows_no_answer(router, stable, canary):
    canary.delay_s = 2
    gone = StandIn()
    router.put(
        {
            "stable": stable.route(),
            "slow": canary.route(2, weight=0, shadow=100),
            "gone": gone.route(3, weight=0, shadow=100),
        }
    )
    seconds = [router.ask().elapsed.total_seconds() for _ in range(20)]
    assert max(seconds) < 1
    eventually(
        "the missing one is recorded",
        lambda: any(r["shadow_status"] == 0 for r in router.caller.get("/shadow").json()["records"]),
    )


def test_holds_go_before_what_is_declared(router, stable, canary):
    router.put({"stable": stable.route(weight=0), "canary": canary.route(2, weight=100)})
    holds = Holds(Path(router.config.holds_file))
    assert router.ask().headers["x-skywright-release"] == "canary"
    routed = holds.set(Effect.ROUTE_TO, reason="errors", by="ann", scope="endpoint:predict", target="stable")
    eventually("the hold is obeyed", lambda: router.ask().headers["x-skywright-release"] == "stable", 2)
    assert router.ask(x_skywright_release="canary").headers["x-skywright-release"] == "stable"
    holds.set(Effect.ROUTE_TO, reason="not ours", by="ann", scope="endpoint:other", target="canary")
    stopped = holds.set(Effect.SCALE_TO_ZERO, reason="budget at 120 %", by="ledger")
    answer = eventually("the stop is obeyed", lambda: (a := router.ask()).status_code == 503 and a, 2)
    assert "budget at 120 %" in answer.json()["error"]
    assert router.caller.get("/routes").json()["held"]["is_stopped"]
    holds.lift(stopped.id, reason="raised", by="ann")
    holds.lift(routed.id, reason="mended", by="ann")
    eventually(
        "lifted", lambda: (a := router.ask()).status_code == 200 and a.headers["x-skywright-release"] == "canary", 2
    )


def test_a_release_that_is_away_is_one_clear_line(router, stable):
    gone = StandIn()
    router.put({"gone": gone.route(4, weight=50), "stable": stable.route(weight=50)})
    taken = [router.ask() for _ in range(4)]
    assert sorted(answer.status_code for answer in taken) == [200, 200, 502, 502]
    failed = next(answer for answer in taken if answer.status_code == 502)
    assert failed.json()["error"].startswith("release gone (toy version 4) does not answer")
    assert failed.headers["x-skywright-release"] == "gone"


def test_a_release_that_hangs_is_504(router, canary):
    canary.delay_s = 2.5
    router.put({"slow": canary.route()})
    assert router.ask().status_code == 504


def test_a_request_in_flight_ends_on_the_old_route_and_its_pool_is_closed(router, stable, canary):
    canary.delay_s = 1
    router.put({"old": canary.route()})
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(router.ask)
        eventually("it is in flight", lambda: canary.seen)
        router.put({"new": stable.route(2)})
        assert router.caller.get("/routes").json()["draining"] == {canary.url: 1}
        assert router.ask().headers["x-skywright-release"] == "new"
        assert slow.result(5).headers["x-skywright-release"] == "old"
    assert router.caller.get("/routes").json()["draining"] == {}


def test_a_connection_that_the_server_closed_meanwhile_fails_no_request(router):
    port = None
    for label in range(3):  # the same address, each time a new server: every pooled connection is dead
        stand_in = StandIn(label=label) if port is None else StandIn(label=label, port=port)
        port = stand_in.port
        with stand_in.running():
            router.put({"stable": stand_in.route()})
            assert [router.ask().json()["outputs"][0]["data"] for _ in range(3)] == [[label]] * 3


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            {"releases": {"a": {"url": "http://h:1", "model": "toy", "version": 1, "weight_percent": 90}}},
            "a 90 sum to 90",
        ),
        ({"releases": {"a": {"url": "h", "model": "toy", "version": 1, "weight_percent": 100}}}, "releases.a.url"),
        ({"releases": {"A!": {"url": "http://h:1", "model": "toy", "version": 1}}}, "A!"),
        ({"releases": {"a": {"url": "http://h:1", "model": "toy", "version": 1, "weight": 100}}}, "releases.a.weight"),
        ({"routing": {"mode": "random"}}, "routing.mode"),
        ([], "routes"),
    ],
)
def test_wrong_routes_are_refused_and_the_old_ones_stay(router, stable, body, words):
    router.put({"stable": stable.route()})
    answer = router.admin.put("/routes", json=body)
    assert answer.status_code == 400
    assert words in answer.json()["error"]
    assert router.ask().status_code == 200


def test_bodies_are_bounded(router, stable):
    router.put({"stable": stable.route()})
    for content in (b"x" * 100_001, (b"x" * 1000 for _ in range(200))):
        answer = router.caller.post(INFER, content=content)
        assert answer.status_code == 413
        assert "larger than 100000 bytes" in answer.json()["error"]


@pytest.mark.parametrize("role", [None, *Role])
def test_roles(router, role):
    with router.house.client(router.url, role) as http:
        expected = 401 if role is None else 200
        assert http.get("/routes").status_code == expected
        assert http.get("/shadow").status_code == expected
        assert http.get("/metrics").status_code == expected
        assert http.post(INFER, json={}).status_code == (401 if role is None else 503)
        put = http.put("/routes", json={}).status_code
        assert put == (401 if role is None else 200 if role is Role.ADMIN else 403)
        assert http.get("/healthz").json()["name"] == "router"
        assert http.delete("/routes").status_code == (401 if role is None else 403)


def test_changes_and_refusals_are_audited(router, stable):
    seen = len(audit(router.config.artifacts_url).entries())
    router.put({"stable": stable.route()})
    router.put({"stable": stable.route()})
    router.caller.put("/routes", json={})
    log = audit(router.config.artifacts_url)
    assert [(entry["what"], entry["role"], entry["outcome"]) for entry in log.entries()][seen:] == [
        ("PUT /routes", "admin", "done"), ("PUT /routes", "viewer", "refused"),
    ]  # fmt: skip
    assert log.verify() is None


def test_metrics_are_per_release_and_code(router, stable):
    router.put({"counted": stable.route(), "absent": StandIn().route(2, weight=0)})
    router.ask()
    router.ask(x_skywright_release="absent")
    text = router.caller.get("/metrics").text
    assert 'skywright_requests_total{code="200",release="counted"} 1.0' in text
    assert 'skywright_requests_total{code="502",release="absent"} 1.0' in text
    assert 'skywright_request_seconds_count{release="counted"} 1.0' in text
    assert 'skywright_release_weight_percent{release="counted"} 100.0' in text
    assert 'skywright_release_weight_percent{release="stable"}' not in text


def test_sigkill_keeps_the_routes_and_sigterm_ends_with_0(house, stable, canary):
    router = RunningRouter(house)
    shares = {"stable": stable.route(weight=90), "canary": canary.route(2, weight=10)}
    router.put(shares, mode="sticky")
    before = router.caller.get("/routes").json()
    os.kill(router.process.pid, signal.SIGKILL)
    router.process.wait(10)
    router.start()
    assert router.caller.get("/routes").json() == before
    assert router.ask().status_code == 200
    assert stop(router.process) == 0


CORRUPT = ["", "{", "[]", '{"version": 9}', '{"releases": {"a": {"weight_percent": 3}}}']


@pytest.mark.parametrize("content", CORRUPT)
def test_corrupt_routes_are_recognised_and_kept_aside(tmp_path, content):
    file = RoutesFile(tmp_path / "routes.json")
    file.path.write_text(content)
    routes, why = file.load()
    assert routes.releases == {}
    (aside,) = tmp_path.glob("routes.json.corrupt-*")
    assert aside.read_text() == content
    assert aside.name in why


def test_a_router_with_corrupt_routes_starts_with_nothing_released_and_says_so(house):
    (house.root / "state" / "routes.json").write_text("{")
    (house.root / "state" / "shadow.db").write_text("no database" * 100)
    router = RunningRouter(house)
    answer = router.ask()
    assert answer.status_code == 503
    assert "nothing released here: routes.json could not be read" in answer.json()["error"]
    assert "routes.json.corrupt-" in house.log("router")
    assert router.put({}).status_code == 200
    assert router.caller.get("/routes").json()["note"] == ""
    assert (house.root / "state" / "routes.json").exists()
    assert router.caller.get("/shadow").json() == {"releases": [], "records": []}


def test_a_router_that_may_not_write_ends_with_one_line(house):
    (house.root / "state" / "shadow.db").mkdir()
    process = house.start("ml_jobs.local.router", house.config("router", {}))
    assert process.wait(60) == 1
    (line,) = house.log("router").splitlines()
    assert line.startswith("error: ") and "shadow.db can't be opened" in line


def test_a_disk_that_takes_nothing_leaves_the_routes_as_they_were(tmp_path):
    (tmp_path / "state").write_text("a file where the folder should be")
    with pytest.raises(SkywrightError, match="the routes stay as they were"):
        RoutesFile(tmp_path / "state" / "routes.json").save(Routes())
