"""Notices from each cloud's metadata: AWS's own mock, and small servers that answer as Google and Azure document it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import servers

from catalog.errors import UserError
from ml_jobs.runtime import metadata
from ml_jobs.runtime.metadata import Aws, Azure, Google, Watch, source
from ml_jobs.runtime.preemption import Notice


class Server(ThreadingHTTPServer):
    """`answer(method, path, headers, body)` -> status, headers, text."""

    daemon_threads = True

    def __init__(self, answer: Callable[..., tuple[int, dict[str, str], str]]) -> None:
        outer = self
        self.answer, self.asked = answer, threading.Semaphore(0)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                outer.asked.release()
                status, headers, text = outer.answer(self.command, self.path, self.headers, body)
                self.send_response(status)
                for name, value in {**headers, "content-length": str(len(text))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text.encode())

            do_POST = do_PUT = do_GET

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def env(self) -> dict[str, str]:
        return {"SKYWRIGHT_METADATA_URL": f"http://127.0.0.1:{self.server_port}"}

    def handle_error(self, *_: object) -> None:
        """A client that went away in the middle."""


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    made: list[Server] = []

    def start(answer: Callable[..., tuple[int, dict[str, str], str]]) -> Server:
        made.append(Server(answer))
        return made[-1]

    yield start
    for server in made:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    for kind in (Aws, Azure):
        monkeypatch.setattr(kind, "every_s", 0.01)
    monkeypatch.setattr(metadata, "SLOWEST_S", 0.02)


def until(holds: Callable[[], Any], timeout_s: float = 10) -> None:
    ends = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.002)


@pytest.mark.parametrize("action", ["terminate", "stop"])
def test_aws_own_mock_is_understood(action):
    port = servers.free_port()
    command = [str(servers.program("ec2-metadata-mock")), "spot", "--hostname", "127.0.0.1", "--port", str(port)]
    with servers.running([*command, "--imdsv2", "--action", action], port):
        notice = Notice()
        watch = Watch(Aws, notice, {"SKYWRIGHT_METADATA_URL": f"http://127.0.0.1:{port}"}).start()
        until(lambda: notice.is_given and notice.take_warning())  # it tells of both
        watch.close(is_ended=True)
    assert notice.why.startswith(f"spot {action} at 2")


class _Ec2:
    """IMDSv2: nothing without a token; tokens can be made to expire."""

    def __init__(self) -> None:
        self.tokens, self.valid, self.said = 0, "", {}

    def __call__(self, method, path, headers, _body):
        if method == "PUT":
            assert path == "/latest/api/token" and headers["X-aws-ec2-metadata-token-ttl-seconds"]
            self.tokens += 1
            self.valid = f"token-{self.tokens}"
            return 200, {}, self.valid
        if headers.get("X-aws-ec2-metadata-token") != self.valid:
            return 401, {}, ""
        said = self.said.get(path.removeprefix("/latest/meta-data/"))
        return (200, {}, json.dumps(said)) if said else (404, {}, "")


def test_a_rebalance_asks_for_a_save_once_and_stops_nothing(serve):
    ec2 = _Ec2()
    server, notice = serve(ec2), Notice()
    watch = Watch(Aws, notice, server.env).start()
    ec2.said["events/recommendations/rebalance"] = {"noticeTime": "2026-11-02T08:22:00Z"}
    until(lambda: watch._known)
    for _ in range(10):
        assert server.asked.acquire(timeout=5)
    assert notice.take_warning() and not notice.take_warning() and not notice.is_given
    watch.close(is_ended=False)


def test_a_token_that_expired_is_renewed(serve):
    ec2 = _Ec2()
    notice = Notice()
    server = serve(ec2)
    watch = Watch(Aws, notice, server.env).start()
    until(lambda: ec2.tokens == 1)
    ec2.valid = "another"
    until(lambda: ec2.tokens >= 2)
    ec2.said["spot/instance-action"] = {"action": "terminate", "time": "2026-11-02T08:22:00Z"}
    until(lambda: notice.is_given)
    watch.close(is_ended=True)


class _Gce:
    """Answers at once the first time, then on a change."""

    def __init__(self) -> None:
        self.changed, self.requests = threading.Event(), []

    def __call__(self, _method, path, headers, _body):
        query = parse_qs(urlsplit(path).query)
        self.requests.append(query)
        if headers.get("Metadata-Flavor") != "Google":
            return 403, {}, ""
        if query.get("wait_for_change"):
            assert query["last_etag"] == ["e1"]
            self.changed.wait(10)
        told = self.changed.is_set()
        return 200, {"Metadata-Flavor": "Google", "ETag": "e2" if told else "e1"}, "TRUE" if told else "FALSE"


def test_googles_preemption_comes_by_the_request_that_waits(serve):
    gce = _Gce()
    notice = Notice()
    watch = Watch(Google, notice, serve(gce).env).start()
    until(lambda: len(gce.requests) == 2)
    assert not notice.is_given and "wait_for_change" not in gce.requests[0]
    gce.changed.set()
    until(lambda: notice.is_given)
    assert notice.why == "the instance is preempted"
    watch.close(is_ended=True)


class _AzureVm:
    def __init__(self) -> None:
        self.events, self.started = [], []

    def __call__(self, method, path, headers, body):
        if headers.get("Metadata") != "true":
            return 400, {}, ""
        if path.startswith("/metadata/instance/compute/name"):
            return 200, {}, "pool_3"
        if method == "POST":
            self.started += [item["EventId"] for item in json.loads(body)["StartRequests"]]
            return 200, {}, ""
        return 200, {}, json.dumps({"DocumentIncarnation": 1, "Events": self.events})


def event(number: str, kind: str, *names: str) -> dict[str, Any]:
    return {"EventId": number, "EventType": kind, "Resources": names, "NotBefore": "Mon, 02 Nov 2026 18:29:47 GMT"}


def test_azures_events_count_for_the_instance_that_they_name(serve):
    vm = _AzureVm()
    server, notice = serve(vm), Notice()
    vm.events = [event("a", "Preempt", "pool_4"), event("b", "Freeze", "pool_3"), event("c", "Redeploy", "pool_3")]
    watch = Watch(Azure, notice, server.env).start()
    until(lambda: watch._known)
    assert not notice.is_given and notice.take_warning()
    vm.events.append(event("d", "Preempt", "pool_2", "pool_3"))
    until(lambda: notice.is_given)
    assert notice.why == "Preempt not before Mon, 02 Nov 2026 18:29:47 GMT" and vm.started == []
    watch.close(is_ended=True)
    assert vm.started == ["d"]


def test_an_end_that_the_ranks_did_not_stop_for_is_not_acknowledged(serve):
    vm = _AzureVm()
    notice = Notice()
    vm.events = [event("d", "Terminate", "pool_3")]
    watch = Watch(Azure, notice, serve(vm).env).start()
    until(lambda: notice.is_given)
    watch.close(is_ended=False)
    assert vm.started == []


@pytest.mark.parametrize("kind", [Aws, Google, Azure])
@pytest.mark.parametrize("how", ["absent", "broken", "a login page"])
def test_what_is_no_metadata_server_is_passed_over_in_silence(kind, how, serve, caplog):
    answers = {"broken": (500, {}, ""), "a login page": (200, {"content-type": "text/html"}, "<html>sign in</html>")}
    notice = Notice()
    if how == "absent":
        watch = Watch(kind, notice, {"SKYWRIGHT_METADATA_URL": f"http://127.0.0.1:{servers.free_port()}"}).start()
        watch._thread.join(0.1)
    else:
        server = serve(lambda *_: answers[how])
        watch = Watch(kind, notice, server.env).start()
        for _ in range(3):
            assert server.asked.acquire(timeout=5)
    assert watch._thread.is_alive() and not notice.is_given and not caplog.records
    watch.close(is_ended=True)


def test_a_server_that_hangs_holds_nobody(serve):
    held = threading.Event()
    server = serve(lambda *_: (held.wait(10), (404, {}, ""))[1])
    began = time.perf_counter()
    watch = Watch(Aws, Notice(), server.env).start()
    assert server.asked.acquire(timeout=5)
    watch.close(is_ended=True)
    assert time.perf_counter() - began < 1.5
    held.set()


def test_a_run_stops_at_an_agreed_step_when_one_nodes_metadata_says_so(job, serve):
    gce = _Gce()
    run = job(epochs=6, pace_s=0.02)
    run.env = {"SKYWRIGHT_METADATA": "gcp", **serve(gce).env}
    attempt = run.start()
    run.until_step(10)
    gce.changed.set()
    assert attempt.wait() == [75, 75], run.log()
    assert "the cloud tells: the instance is preempted" in run.log()


@pytest.mark.parametrize(
    ("cloud", "env", "kind"),
    [
        ("aws", {}, Aws),
        ("gcp", {}, Google),
        ("azure", {}, Azure),
        ("local", {}, None),
        ("kubernetes", {}, None),
        ("kubernetes", {"SKYWRIGHT_METADATA": "gcp"}, Google),
        ("aws", {"SKYWRIGHT_METADATA": "none"}, None),
    ],
)
def test_whom_to_ask_is_the_clouds_or_said(cloud, env, kind):
    assert source(cloud, env) is kind


def test_an_unknown_source_is_a_mistake():
    with pytest.raises(UserError, match="Did you mean azure"):
        source("aws", {"SKYWRIGHT_METADATA": "azur"})
