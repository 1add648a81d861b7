"""What a launcher reads of a run: published from a thread, whatever the store does."""

from __future__ import annotations

import json
import signal
import threading
import time

import pytest

from ml_jobs.contract import JobSpec, StackContract
from ml_jobs.runtime import publisher as module
from ml_jobs.runtime.account import Account
from ml_jobs.runtime.events import Events
from ml_jobs.runtime.price import usd_per_hour
from ml_jobs.runtime.publisher import BUFFER, Publisher
from ml_jobs.runtime.storage import Folder, StorageError


def published(root, attempt=None):
    names = sorted(path.name for path in (root / "events").glob("*.jsonl"))
    chosen = [name for name in names if attempt is None or name.startswith(f"{attempt:03d}-")]
    return [json.loads(line) for name in chosen for line in (root / "events" / name).read_text().splitlines()]


def test_lines_come_in_order_and_once_also_from_a_process_that_was_started_anew(tmp_path):
    for half in (range(500), range(500, 1000)):
        events = Events(tmp_path, publisher=Publisher(f"file://{tmp_path}/run", 0))
        events.publisher.earlier()
        events.publisher.start()
        for number in half:
            events.write("note", number=number)
        events.publisher.close()
    assert [event["number"] for event in published(tmp_path / "run", 0)] == list(range(1000))
    assert (tmp_path / "run" / "events" / "000-000002.jsonl").exists()


def test_an_attempt_without_a_number_takes_the_next(tmp_path):
    for _ in range(2):
        made = Publisher(f"file://{tmp_path}").start()
        made.add('{"type": "started"}\n', "started")
        made.close()
    assert sorted(path.name for path in (tmp_path / "events").iterdir()) == ["000-000001.jsonl", "001-000001.jsonl"]


def test_two_ranks_that_fail_at_once_both_tell(tmp_path):
    both = [Publisher(f"file://{tmp_path}", 3) for _ in range(2)]
    for rank, one in enumerate(both):
        one.earlier()  # both find the same name free
        one.add(json.dumps({"type": "failed", "rank": rank}) + "\n", "failed")
    for one in both:
        one.start().close()
    assert sorted(event["rank"] for event in published(tmp_path, 3)) == [0, 1]


def test_news_is_sent_at_the_next_tick_and_metrics_wait_for_the_pause(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "EVERY_S", 0.02)
    monkeypatch.setattr(module, "GROWTH", 1e6)
    monkeypatch.setattr(module, "SLOWEST_S", 600.0)
    made = Publisher(f"file://{tmp_path}", 0).start()
    _until(lambda: made._thread.is_alive())
    made.add('{"type": "checkpoint"}\n', "checkpoint")
    _until(lambda: published(tmp_path))
    made.add('{"type": "metrics"}\n', "metrics")
    made.add('{"type": "checkpoint"}\n', "checkpoint")
    _until(lambda: len(published(tmp_path)) == 3)
    made.close()


class _Away:
    """A folder whose store answers when it is told to."""

    def __init__(self) -> None:
        self.is_up, self.written, self.asked = threading.Event(), {}, threading.Semaphore(0)

    def child(self, _name):
        return self

    def names(self):
        return []

    def create(self, name, data):
        self.asked.release()
        if not self.is_up.is_set():
            raise StorageError("gs://bucket/run can't be written: it is away")
        self.written[name] = data
        return True


def test_a_store_that_is_away_costs_the_loop_nothing_and_gets_the_newest_lines_later(monkeypatch, caplog):
    monkeypatch.setattr(module, "EVERY_S", 0.01)
    monkeypatch.setattr(module, "SLOWEST_S", 0.02)
    made = Publisher("memory://away", 0)
    made._folder = made._events = away = _Away()
    made.start()
    began = time.perf_counter()
    for number in range(BUFFER // 2):
        made.add(f"{number}\n", "note")
    assert time.perf_counter() - began < 2
    for _ in range(3):
        assert away.asked.acquire(timeout=10)
    away.is_up.set()
    _until(lambda: b"".join(away.written.values()).count(b"\n") == BUFFER // 2)
    made.close()
    assert [int(line) for line in b"".join(away.written.values()).split()] == list(range(BUFFER // 2))
    assert caplog.text.count("training goes on") == 1


def test_the_buffer_is_bounded():
    made = Publisher("memory://bounded", 0)  # not started: nothing is taken away
    for _ in range(BUFFER + 7):
        made.add("x\n", "note")
    assert made.dropped == 7


def test_an_attempt_on_another_node_continues_the_books(job, tmp_path):
    run = job(epochs=6, pace_s=0.02)
    run.env = {"SKYWRIGHT_RUN_URL": f"file://{tmp_path}/published", "SKYWRIGHT_ATTEMPT": "0", "SKYWRIGHT_POOL": "spot"}
    attempt = run.start()
    run.until_step(30)
    attempt.send(signal.SIGTERM)
    assert attempt.wait() == [75, 75], run.log()
    first = json.loads((tmp_path / "published" / "summary.json").read_text())
    assert first["attempts"] == 1 and 30 <= first["steps"] < 120
    for path in run.folder.iterdir():  # another node: nothing of this one is there
        path.unlink()
    run.env["SKYWRIGHT_ATTEMPT"] = "1"
    assert run.run() == [0, 0], run.log()
    summary = json.loads((tmp_path / "published" / "summary.json").read_text())
    assert summary["attempts"] == 2 and summary["resumes"] == 1 and summary["steps"] == 120
    assert summary["held_s"] > first["held_s"] and summary["useful_s"] > first["useful_s"]
    assert summary["usd"] is None and summary["usd_per_useful_step"] is None  # the pool has no price
    types = [event["type"] for event in published(tmp_path / "published", 0)]
    assert types[0] == "started" and types[-1] == "preempted" and "checkpoint" in types
    types = [event["type"] for event in published(tmp_path / "published", 1)]
    assert types[:2] == ["started", "resumed"] and types[-1] == "succeeded"
    here = [event["type"] for event in run.events()]
    assert "started" not in here and "preempted" not in here  # a scheduler of ours writes its own


def test_a_rank_that_fails_says_why_where_the_launcher_reads(job, tmp_path):
    run = job(epochs=1, raise_at=3)
    run.env = {"SKYWRIGHT_RUN_URL": f"file://{tmp_path}/published"}
    assert run.run() == [1, 1]
    messages = [event["message"] for event in published(tmp_path / "published") if event["type"] == "failed"]
    assert messages == ["ValueError: the author's bug"] * 2


def test_a_mistake_before_the_ranks_meet_is_published_too(job, tmp_path):
    run = job("no.such.module:train")
    run.env = {"SKYWRIGHT_RUN_URL": f"file://{tmp_path}/published"}
    assert run.run() == [78, 78]
    codes = {event["exit_code"] for event in published(tmp_path / "published") if event["type"] == "failed"}
    assert codes == {78}


CONTRACT = {
    "stack": "s",
    "environment": "dev",
    "cloud": "aws",
    "identities": dict.fromkeys(("training", "serving", "pipeline", "approver"), "x"),
    "storage": {"data": "d", "artifacts": "a", "checkpoints": "c"},
    "registry": {"tracking_url": "", "models_ref": "m"},
}


@pytest.mark.parametrize(
    ("prices", "pool", "nodes", "usd"),
    [
        ({"spot": 0.5, "sure": 1.5}, "spot", 1, 0.5),
        ({"spot": 0.5, "sure": 1.5}, "spot", 3, 1.5),
        ({"spot": None, "sure": 1.5}, "spot", 1, None),
        ({"spot": 0.5, "sure": 1.5}, None, 1, None),
        ({"spot": 1.5, "sure": 1.5}, None, 2, 3.0),
        ({"spot": 0.5}, "gone", 1, 0.5),
        ({}, None, 1, None),
    ],
)
def test_a_price_is_the_pools_or_unknown(prices, pool, nodes, usd):
    pools = [
        {"name": name, "instance_type": "c", "is_spot": name == "spot", "max_count": 4, "usd_per_hour": price}
        for name, price in prices.items()
    ]
    contract = StackContract.read({**CONTRACT, "pools": pools})
    assert usd_per_hour(JobSpec(name="a", entry="a:b", resources={"nodes": nodes}), contract, pool) == usd


@pytest.mark.parametrize(("prices", "is_known"), [((36.0, 72.0), True), ((36.0, None), False), ((None, 36.0), False)])
def test_usd_is_summed_over_attempts_and_unknown_once_a_part_is(tmp_path, prices, is_known):
    for price in prices:
        account = Account(tmp_path, usd_per_hour=price)
        account.open()
        account._started -= 100.0
        account.stepped(50, 1.0)
        summary = account.summary()
    if is_known:
        assert summary["usd"] == pytest.approx(1.0 + 2.0, abs=0.1)
        assert summary["usd_per_useful_step"] == pytest.approx(summary["usd"] / 50, rel=1e-3)
    else:
        assert summary["usd"] is None and summary["usd_per_useful_step"] is None


def test_a_torn_summary_counts_from_zero(tmp_path):
    account = Account(tmp_path)
    account.open({"steps": "many", "held_s": 5})
    assert account.totals.attempts == 1 and account.totals.steps == 0


def test_earlier_is_empty_where_nothing_was_published(tmp_path):
    assert Publisher(f"file://{tmp_path}/none").earlier() == {}
    Folder(f"file://{tmp_path}").write("summary.json", b"{")
    assert Publisher(f"file://{tmp_path}").earlier() == {}


def _until(holds, timeout_s=10):
    ends = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.002)
