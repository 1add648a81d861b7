"""The monitor as a process: alarms that fire, call and clear; peers that die; damaged files; who may look."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from local_stack import EndedEarly, LocalStack, eventually, free_port, serving
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from ml_jobs.identity import Role

SECRET = "wh00k-canary-5ecret"


class Peer:
    """A process with metrics: spending and answers."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.spend = Gauge("skywright_spend_ratio", "", registry=self.registry)
        self.requests = Counter("skywright_requests", "", ["release", "code"], registry=self.registry)
        self.failures = Counter("skywright_job_failures", "", registry=self.registry)
        self.releases: dict[str, Any] = {}
        self.garbage = ""
        self.app = Starlette(routes=[Route("/metrics", self.metrics), Route("/routes", self.routes)])

    async def metrics(self, request: Request) -> Response:
        if not request.headers.get("authorization", "").startswith("Bearer ey"):
            return PlainTextResponse("", 401)
        return PlainTextResponse(self.garbage or generate_latest(self.registry))

    async def routes(self, _: Request) -> Response:
        return JSONResponse({"routing": {}, "releases": self.releases})


class Hook:
    """A webhook that refuses the first `refusals` calls."""

    def __init__(self, refusals: int = 0) -> None:
        self.refusals = refusals
        self.calls = 0
        self.news: list[dict[str, Any]] = []
        self.headers: list[Any] = []
        self.app = Starlette(routes=[Route("/alarms", self.take, methods=["POST"])])

    async def take(self, request: Request) -> Response:
        self.calls += 1
        if self.calls <= self.refusals:
            return Response(status_code=500)
        self.news.append(await request.json())
        self.headers.append(request.headers)
        return Response(status_code=204)


def rule(name: str, metric: str, **changes: Any) -> dict[str, Any]:
    return {"name": name, "metric": metric, "threshold": 0, "window_s": 1, **changes}


SPEND = rule("spend-high", "spend_ratio", aggregation="max", threshold=0.8, severity="critical")


def settings(*alerts: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"alerts": list(alerts), "scrape_s": 0.1, "webhook_retry_s": 0.05, **changes}


def body(stack: LocalStack) -> dict[str, Any]:
    answer: dict[str, Any] = stack.ask("monitor", "/api/alarms").json()
    return answer


def status(stack: LocalStack, name: str) -> str:
    return next(str(one["status"]) for one in body(stack)["rules"] if one["name"] == name)


def is_up(stack: LocalStack, peer: str) -> bool | None:
    return next((one["is_up"] for one in body(stack)["peers"] if one["name"] == peer), None)


@pytest.fixture
def hook_settings(stack: LocalStack) -> dict[str, Any]:
    token = stack.root / "secrets-webhook"
    token.write_text(SECRET + "\n")
    return {"webhook_token_file": str(token)}


def test_an_alarm_fires_calls_once_and_clears(stack: LocalStack, hook_settings: dict[str, Any]) -> None:
    peer, hook = Peer(), Hook(refusals=2)
    with serving(peer.app) as url, serving(hook.app) as hook_url:
        changes = {**hook_settings, "webhook_url": f"{hook_url}/alarms"}
        stack.start("monitor", settings(SPEND, **changes), {"ledger": url})
        eventually(lambda: is_up(stack, "ledger"), what="a scrape")
        assert status(stack, "spend-high") == "ok"
        peer.spend.set(0.93)
        eventually(lambda: status(stack, "spend-high") == "firing", what="it fires")
        eventually(lambda: len(hook.news) == 1, what="the webhook takes it")
        eventually(lambda: body(stack)["webhook"]["waiting"] == 0, what="and that is noted")
        stack.kill("monitor")
        stack.run("monitor")  # what fires is not told again
        asked = body(stack)["now"]
        eventually(lambda: min(one["at"] for one in body(stack)["peers"]) > asked, what="a round after the restart")
        assert len(hook.news) == 1
        peer.spend.set(0.1)
        eventually(lambda: status(stack, "spend-high") == "ok", what="it clears")
        eventually(lambda: len(hook.news) == 2, what="the webhook hears of it")
    fired, cleared = hook.news
    assert (fired["event"], cleared["event"]) == ("fired", "cleared")
    assert fired["alarm"]["value"] == 0.93
    assert fired["alarm"]["condition"] == "max spend ratio over 1 s > 0.8"
    assert (fired["stack"], fired["alarm"]["severity"]) == ("test", "critical")
    assert {headers["authorization"] for headers in hook.headers} == {f"Bearer {SECRET}"}
    assert len({headers["idempotency-key"] for headers in hook.headers}) == 2
    [alarm] = body(stack)["alarms"]
    assert (alarm["name"], alarm["state"], alarm["value"]) == ("spend-high", "cleared", 0.93)
    assert alarm["ended_at"] > alarm["at"]
    lines = (stack.root / "logs" / "alarms.log").read_text().splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["fired", "cleared"]
    written = stack.log("monitor") + "".join(lines) + json.dumps(body(stack))
    assert SECRET not in written
    assert "Traceback" not in written


def test_a_dead_webhook_never_stops_the_monitor_and_is_told_later(
    stack: LocalStack, hook_settings: dict[str, Any]
) -> None:
    peer, hook, port = Peer(), Hook(), free_port()
    peer.spend.set(2)
    with serving(peer.app) as url:
        changes = {**hook_settings, "webhook_url": f"http://127.0.0.1:{port}/alarms?key={SECRET}"}
        stack.start("monitor", settings(SPEND, **changes), {"ledger": url})
        eventually(lambda: body(stack)["webhook"]["why"], what="the webhook is away")
        assert body(stack)["webhook"]["waiting"] == 1
        asked = body(stack)["now"]
        eventually(lambda: body(stack)["peers"][0]["at"] > asked, what="the monitor goes on")
        stack.kill("monitor")  # the news outlives the monitor
        stack.run("monitor")
        with serving(hook.app, port):
            eventually(lambda: len(hook.news) == 1, what="it is told at last")
            eventually(lambda: body(stack)["webhook"]["waiting"] == 0, what="nothing waits")
    assert SECRET not in stack.log("monitor") + json.dumps(body(stack))


def test_failures_are_counted_over_a_restart_of_their_process(stack: LocalStack) -> None:
    failing = rule("failing", "job_failures", aggregation="sum", threshold=2, window_s=60)
    peer, port = Peer(), free_port()
    peer.failures.inc(50)  # before the monitor's time
    with serving(peer.app, port) as url:
        stack.start("monitor", settings(failing), {"scheduler": url})
        eventually(lambda: is_up(stack, "scheduler"), what="a scrape")
        peer.failures.inc(2)
        eventually(lambda: body(stack)["rules"][0]["value"] == 2, what="two failures")
        assert status(stack, "failing") == "ok"
    eventually(lambda: is_up(stack, "scheduler") is False, what="the scheduler is away")
    again = Peer()
    again.failures.inc()
    with serving(again.app, port):
        eventually(lambda: body(stack)["rules"][0]["value"] == 3, what="one more after the restart")
        assert status(stack, "failing") == "firing"


def test_servers_are_found_by_the_router_and_count_as_not_ready_when_away(stack: LocalStack) -> None:
    ready = rule("replicas", "replicas_ready", aggregation="min", comparison="<", threshold=1, absent="ok")
    errors = rule("errors-of-b", "error_ratio", threshold=0.2, window_s=60, labels={"release": "b"})
    router, server = Peer(), Peer()
    gauge = Gauge("skywright_server_ready", "", ["release"], registry=server.registry)
    gauge.labels("b").set(1)
    with serving(router.app) as url:
        with serving(server.app) as server_url:
            router.releases = {"b": {"url": server_url}}
            stack.start("monitor", settings(ready, errors), {"router": url})
            eventually(lambda: is_up(stack, "server-b"), what="the server is scraped")
            eventually(lambda: body(stack)["rules"][0]["value"] == 1, what="one replica")
            router.requests.labels("a", "500").inc(9)
            router.requests.labels("b", "200").inc(3)
            router.requests.labels("b", "500").inc(1)
            eventually(lambda: body(stack)["rules"][1]["value"] == 0.25, what="errors of b alone")
            assert status(stack, "errors-of-b") == "firing"
        eventually(lambda: status(stack, "replicas") == "firing", what="the server is away")
        assert is_up(stack, "server-b") is False
        router.releases = {}
        eventually(lambda: is_up(stack, "server-b") is None, what="it is no peer any more")
        eventually(lambda: status(stack, "replicas") == "ok", what="nothing declared, nothing absent")


def test_unreadable_metrics_and_damaged_files_are_told_in_one_line(stack: LocalStack) -> None:
    peer = Peer()
    peer.spend.set(2)
    with serving(peer.app) as url:
        stack.start("monitor", settings(SPEND), {"ledger": url})
        eventually(lambda: status(stack, "spend-high") == "firing", what="it fires")
        peer.garbage = "<html>{{{"
        eventually(lambda: is_up(stack, "ledger") is False, what="garbage is no answer")
        assert "can't be read" in body(stack)["peers"][0]["why"]
        peer.garbage = ""
        stack.kill("monitor")
        database = stack.root / "state" / "monitor.db"
        for file in database.parent.glob("monitor.db-*"):
            file.unlink()
        database.write_bytes(b"rubbish" * 3000)
        stack.run("monitor")
        eventually(lambda: status(stack, "spend-high") == "firing", what="it fires again")
    assert stack.log("monitor").count("is damaged") == 1
    assert "Traceback" not in stack.log("monitor")
    assert list(database.parent.glob("monitor.db.corrupt-*"))


def test_a_full_disk_is_told_once_and_the_watch_goes_on(stack: LocalStack) -> None:
    peer = Peer()
    with serving(peer.app) as url:
        stack.start("monitor", settings(SPEND), {"ledger": url})
        eventually(lambda: is_up(stack, "ledger"), what="a scrape")
        stack.limit_files("monitor", 20_000)
        eventually(lambda: body(stack)["trouble"], what="the disk is full")
        peer.spend.set(2)
        stack.limit_files("monitor")
        eventually(lambda: status(stack, "spend-high") == "firing", what="it fires after all")
        assert body(stack)["trouble"] is None
    assert stack.log("monitor").count("can't be used") == 1
    assert "Traceback" not in stack.log("monitor")


def test_a_rule_that_is_taken_away_clears_and_an_impossible_one_says_why(stack: LocalStack) -> None:
    peer = Peer()
    peer.spend.set(2)
    with serving(peer.app) as url:
        memory = rule("memory", "accelerator_memory", absent="alarm")
        stack.start("monitor", settings(SPEND, memory), {"ledger": url})
        eventually(lambda: status(stack, "spend-high") == "firing", what="it fires")
        told = body(stack)["rules"][1]
        assert (told["status"], "CPU" in told["why"]) == ("unsupported", True)
        assert (
            'skywright_alarm_firing{name="spend-high",severity="critical"} 1.0' in stack.ask("monitor", "/metrics").text
        )
        assert stack.kill("monitor", signal.SIGTERM) == 0
        stack.start("monitor", settings(memory), {"ledger": url})
        eventually(lambda: body(stack)["alarms"][0]["state"] == "cleared", what="it is cleared")


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    stack = LocalStack(tmp_path_factory.mktemp("quiet") / "stack")
    stack.start("monitor", settings(), {})
    yield stack
    stack.close()


@pytest.mark.parametrize("role", [None, *Role])
@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/healthz", {None, *Role}),
        ("GET", "/", {None, *Role}),
        ("GET", "/metrics", set(Role)),
        ("GET", "/api/alarms", set(Role)),
        ("GET", "/api/page", set(Role)),
        ("POST", "/api/alarms", set()),
        ("GET", "/nothing", set()),
    ],
)
def test_who_may_look(quiet: LocalStack, role: Role | None, method: str, path: str, allowed: set[Any]) -> None:
    answer = quiet.ask("monitor", path, role=role, method=method)
    if role in allowed:
        assert answer.status_code == 200
    else:
        assert answer.status_code == (401 if role is None else 403)
        assert quiet.audit[-1]["outcome"] == "refused"


def test_a_forged_token_is_refused(quiet: LocalStack) -> None:
    answer = httpx.get(
        f"{quiet.url('monitor')}/api/alarms", headers={"authorization": "Bearer eyJhbGciOiJub25lIn0.e30."}
    )
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"alerts": [{"name": "r", "metric": "moon_phase", "threshold": 1}]}, "request_rate"),
        ({"webhook_url": "ftp://x"}, "webhook_url"),
    ],
)
def test_bad_settings_are_one_line(stack: LocalStack, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(EndedEarly, match=said) as ended:
        stack.start("monitor", {**settings(), **changes}, {})
    assert str(ended.value).count("\n") == 1
