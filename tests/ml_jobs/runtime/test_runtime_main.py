"""How a rank ends: the exit code, the line in its log, the event; and what stops nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from catalog.errors import UserError
from ml_jobs.runtime.account import Account
from ml_jobs.runtime.environment import detect
from ml_jobs.runtime.environment import job as job_of
from ml_jobs.runtime.events import Events
from ml_jobs.runtime.metrics import BUFFER, Tracker
from ml_jobs.runtime.preemption import Agreed, leaves_time, stride
from ml_jobs.runtime.sampler import Sampler

RANKS = {"RANK": "1", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "MASTER_ADDR": "h", "MASTER_PORT": "29500"}


@pytest.mark.parametrize(
    ("env", "platform", "rank", "world_size"),
    [
        ({}, "alone", 0, 1),
        ({"HOSTNAME": "x"}, "alone", 0, 1),
        (RANKS, "torchrun", 1, 4),
        ({**RANKS, "TORCHELASTIC_RESTART_COUNT": "2"}, "torchrun", 1, 4),
    ],
)
def test_the_table_finds_the_place(env, platform, rank, world_size):
    place = detect(env)
    assert (place.platform, place.rank, place.world_size) == (platform, rank, world_size)
    assert place.attempt == int(env.get("TORCHELASTIC_RESTART_COUNT", 0))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"RANK": "x"}, "RANK is 'x'; allowed: a whole number"),
        ({"RANK": "4"}, "RANK is 4; allowed: 0 to 3"),
        ({"WORLD_SIZE": "0"}, "WORLD_SIZE is 0"),
        ({"LOCAL_RANK": "9"}, "LOCAL_RANK is 9"),
        ({"MASTER_PORT": ""}, "MASTER_PORT"),
    ],
)
def test_a_wrong_place_is_one_line(change, said):
    with pytest.raises(UserError) as refused:
        detect({**RANKS, **change})
    assert said in str(refused.value)


def test_a_job_file_that_is_missing_or_wrong_is_one_line(tmp_path):
    broken = tmp_path / "job.json"
    broken.write_text('{"name": "a", "entry": "no function"}')
    for env, said in (
        ({}, "SKYWRIGHT_JOB is not set"),
        ({"SKYWRIGHT_JOB": "/nowhere"}, "/nowhere"),
        ({"SKYWRIGHT_JOB": str(broken)}, "entry"),
        ({"SKYWRIGHT_JOB": str(broken), "SKYWRIGHT_NOTICE_S": "-1"}, "entry"),
    ):
        with pytest.raises(UserError) as refused:
            job_of(env)
        assert said in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("no.such.module:train", "there is no module no"),
        ("sample_jobs:nothing", "sample_jobs has no function nothing"),
    ],
)
def test_an_unknown_entry_ends_with_78(job, entry, said):
    run = job(entry)
    assert run.run() == [78, 78]
    assert said in run.log() and "Traceback" not in run.log()
    assert run.events("failed")[0]["exit_code"] == 78


def test_an_authors_bug_is_a_traceback_in_the_log_and_one_line_in_the_events(job):
    run = job(epochs=1, raise_at=3)
    assert run.run() == [1, 1]
    assert "Traceback" in run.log() and "ValueError: the author's bug" in run.log()
    messages = {event["message"] for event in run.events("failed")}
    assert messages == {"ValueError: the author's bug"}


def test_a_job_that_ends_itself_keeps_its_code(job):
    assert job("sample_jobs:leaves").run() == [3, 3]


def test_a_registry_that_is_away_neither_stops_nor_slows_training(job):
    run = job(epochs=10, pace_s=0.01)  # two seconds and more: the first batch is sent after one
    assert run.run() == [0, 0]
    assert "metrics are kept back, training goes on" in run.log() and "Traceback" not in run.log()
    assert len(run.events("metrics")) >= 4
    summary = run.events("succeeded")[0]["summary"]
    assert summary["held_s"] - summary["useful_s"] < 10


class _Silent(BaseHTTPRequestHandler):
    """Accepts and never answers until told."""

    def do_GET(self) -> None:
        self.server.held.wait(10)  # type: ignore[attr-defined]

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        pass


def test_a_registry_that_hangs_costs_the_loop_nothing():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Silent)
    server.held = threading.Event()  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    tracker = Tracker(f"http://127.0.0.1:{server.server_port}", "t", job="j", params={}, tags={})
    tracker.start()
    started = time.perf_counter()
    for step in range(BUFFER + 500):
        tracker.send(step, {"loss": 1.0})
    assert time.perf_counter() - started < 2
    assert tracker.dropped == 500
    started = time.perf_counter()
    tracker.close(wait_s=0.2)
    assert time.perf_counter() - started < 1.5
    server.held.set()  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()


class _Registry(BaseHTTPRequestHandler):
    """MLflow's four requests; refuses the first batch with 503."""

    def do_GET(self) -> None:
        self._answer({"experiment": {"experiment_id": "1"}})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        seen = self.server.seen  # type: ignore[attr-defined]
        seen.append((self.path.rsplit("mlflow/", 1)[1], body, self.headers["authorization"]))
        if self.path.endswith("log-batch") and body.get("metrics") and not self.server.refused:  # type: ignore[attr-defined]
            self.server.refused = True  # type: ignore[attr-defined]
            self._answer({"error": "starting"}, 503)
        elif self.path.endswith("runs/create"):
            self._answer({"run": {"info": {"run_id": "r1"}}})
        else:
            self._answer({})

    def _answer(self, body: object, status: int = 200) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


def test_metrics_reach_the_registry_in_batches_and_once(monkeypatch):
    monkeypatch.setattr("ml_jobs.runtime.metrics.EVERY_S", 0.05)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Registry)
    server.seen, server.refused = [], False  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    tracker = Tracker(f"http://127.0.0.1:{server.server_port}", "secret", job="job-1", params={"width": 8}, tags={})
    tracker.start()
    for step in range(2500):
        tracker.send(step, {"loss": float(step)})
    deadline = time.monotonic() + 10
    while tracker.sent < 2500 and time.monotonic() < deadline:
        time.sleep(0.01)
    tracker.close(is_done=True)
    assert server.seen[-1][0] == "runs/update" and server.seen[-1][1]["status"] == "FINISHED"  # type: ignore[attr-defined]
    batches = [body["metrics"] for path, body, _ in server.seen if path == "runs/log-batch" and body.get("metrics")]  # type: ignore[attr-defined]
    steps = [metric["step"] for batch in batches[1:] for metric in batch]  # the first was refused, and sent again
    assert steps == list(range(2500)) and max(map(len, batches)) <= 1000
    assert {token for _, _, token in server.seen} == {"Bearer secret"}  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()


def test_metrics_on_the_time_line_are_batched(tmp_path):
    events = Events(tmp_path)
    for step in range(2000):
        events.metrics(step, {"loss": 2.0})
    events.flush()
    lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert 1 <= len(lines) <= 6 and lines[-1] == {**lines[-1], "step": 1999, "values": {"loss": 2.0}}


def test_events_that_cannot_be_written_stop_nothing(tmp_path):
    Events(tmp_path / "missing").write("metrics", step=1)


def test_what_an_attempt_lost_is_counted_by_the_next(tmp_path):
    first = Account(tmp_path)
    first.open()
    for step in range(1, 11):
        first.stepped(step, 0.5)
    first.mark()
    second = Account(tmp_path)
    second.open()
    assert second.resumed(6, 3.0, 0.1) == (4, 2.0)
    summary = second.summary()
    assert summary["attempts"] == 2 and summary["resumes"] == 1 and summary["lost_s"] == 2.0 and summary["steps"] == 6


def test_a_torn_progress_file_counts_from_zero(tmp_path):
    (tmp_path / "progress.json").write_text('{"steps": 1')
    account = Account(tmp_path)
    account.open()
    assert account.totals.attempts == 1


@pytest.mark.parametrize(
    ("notice_s", "spent_s", "save_s", "is_enough"), [(30, 0, 5, True), (30, 26, 5, False), (0, 0, 0.01, False)]
)
def test_a_last_save_needs_time(notice_s, spent_s, save_s, is_enough):
    assert leaves_time(Agreed(spent_s=spent_s, save_s=save_s), notice_s) is is_enough


@pytest.mark.parametrize(("step_s", "steps"), [(0.0, 1), (5.0, 1), (0.02, 5), (1e-6, 64)])
def test_short_steps_exchange_flags_less_often(step_s, steps):
    assert stride(step_s) == steps


@pytest.mark.parametrize("world_size", [1, 2, 3, 5])
@pytest.mark.parametrize(("samples", "batch", "epochs"), [(10, 5, 3), (17, 5, 2), (8, 16, 4), (103, 10, 1)])
def test_every_sample_comes_once_an_epoch_on_any_number_of_ranks(world_size, samples, batch, epochs):
    sampler = Sampler(samples, batch, epochs, seed=3)
    seen = []
    for number in range(sampler.total):
        shares = [sampler.step(number, rank, world_size) for rank in range(world_size)]
        whole = [int(index) for share in shares for index in share.indices]
        assert whole == sampler.global_batch(number).tolist()
        assert sum(share.weight for share in shares) == pytest.approx(world_size)
        seen += whole
    for epoch in range(epochs):
        assert sorted(seen[epoch * samples : (epoch + 1) * samples]) == list(range(samples))


def test_ml_jobs_run_where_pulumi_is_not_installed():
    script = (
        "import sys\n"
        "for name in ('pulumi', 'pulumi_policy', 'pulumi_aws'): sys.modules[name] = None\n"
        "import ml_jobs.contract, ml_jobs.runtime, ml_jobs.runtime.main, ml_jobs.runtime.data, ml_jobs.train.digits\n"
        "from ml_jobs.runtime import Run, Model\n"
        "assert 'torch' not in sys.modules and 'sklearn' not in sys.modules and 'mlflow' not in sys.modules\n"
        "raise SystemExit(ml_jobs.runtime.main.main())\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, env={"PATH": ""})
    assert done.returncode == 78, done.stderr
    assert "SKYWRIGHT_JOB is not set" in done.stderr and "Traceback" not in done.stderr
