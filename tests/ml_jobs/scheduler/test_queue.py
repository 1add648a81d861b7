"""The durable queue, and how it comes back from the runs' folders."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.errors import SkywrightError
from ml_jobs.contract import JobSpec
from ml_jobs.local.scheduler.queue import Queue
from ml_jobs.local.scheduler.rebuild import metered, open_queue, replayed
from ml_jobs.local.scheduler.rundir import Origin, RunDir, Tail

SPEC = JobSpec(name="job", entry="a:b", team="vision", priority=3)


def submitted(queue, job="job-1", at=100.0):
    return queue.add(SPEC, Origin(job, "ada", at, {"git": None}))


def test_usage_is_metered_from_start_to_end_and_to_the_last_sign_of_life_after_a_crash(tmp_path):
    queue = Queue(tmp_path / "q.db")
    job = submitted(queue)
    number = queue.begin(job, "spot", ["spot-0", "spot-1"], is_spot=True, usd_per_hour=36, at=110)
    queue.heartbeat(115)
    assert queue.used("job-1", 120) == (20, pytest.approx(0.2))
    queue.end("job-1", number, outcome="preempted", at=130, state="queued", preemptions=1)
    number = queue.begin(queue.job("job-1"), "spot", ["spot-0"], is_spot=True, usd_per_hour=36, at=140)
    assert number == 2
    queue.note_processes("job-1", number, [(4711, 1.5)])
    queue.heartbeat(145)
    queue.close()  # and never ends the attempt: a crash
    queue = Queue(tmp_path / "q.db")
    ((left, processes),) = queue.left_open()
    assert (left.id, left.state, processes) == ("job-1", "running", [(4711, 1.5)])
    queue.close_left_open()
    assert queue.used("job-1", 999) == (45, pytest.approx(0.45))
    assert [(used["id"], used["slot"], used["ended_at"]) for used in queue.usage(after=1)] == [
        (2, "spot-1", 130), (3, "spot-0", 145),
    ]  # fmt: skip
    assert queue.totals() == (1, 0)


def test_a_refused_change_leaves_everything_as_it_was(tmp_path):
    queue = Queue(tmp_path / "q.db")
    submitted(queue)
    with pytest.raises(Exception, match="UNIQUE"):
        submitted(queue)
    with pytest.raises(Exception, match="no such column"):
        queue.end("job-1", 1, outcome="x", at=1, state="failed", nonsense=1)
    assert queue.job("job-1").state == "queued"
    assert queue.counts() == {"queued": 1, "running": 0, "stopping": 0, "succeeded": 0, "failed": 0, "stopped": 0}


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_database_is_set_aside_and_said_in_one_line(tmp_path, capsys, content):
    database, runs = tmp_path / "state" / "scheduler.db", tmp_path / "runs"
    RunDir(runs, "job-1").create(SPEC, Origin("job-1", "ada", 5, {"git": None}), {})
    database.parent.mkdir()
    database.write_bytes(content)
    queue = open_queue(database, runs)
    job = queue.job("job-1")
    assert (job.spec, job.by, job.submitted_at, job.state) == (SPEC, "ada", 5, "queued")
    (aside,) = database.parent.glob("scheduler.db.corrupt-*")
    assert aside.read_bytes() == content
    (line,) = capsys.readouterr().err.splitlines()
    assert "1 jobs rebuilt" in line and aside.name in line


def test_a_database_with_a_damaged_page_is_set_aside_too(tmp_path):
    database, runs = tmp_path / "scheduler.db", tmp_path / "runs"
    queue = Queue(database)
    for number in range(200):
        submitted(queue, f"job-{number}")
    queue.close()
    content = bytearray(database.read_bytes())
    content[8192:16384] = b"\x5a" * 8192
    database.write_bytes(content)
    assert open_queue(database, runs).jobs() == []
    assert list(tmp_path.glob("scheduler.db.corrupt-*"))


def test_a_lost_database_comes_back_and_an_unreadable_job_is_passed_over(tmp_path, capsys):
    RunDir(tmp_path / "runs", "job-1").create(SPEC, Origin("job-1", "ada", 5, {}), {})
    (tmp_path / "runs" / "torn").mkdir()
    (tmp_path / "runs" / "torn" / "job.json").write_text('{"name": ')
    queue = open_queue(tmp_path / "q.db", tmp_path / "runs")
    assert [job.id for job in queue.jobs()] == ["job-1"]
    assert "passed over" in capsys.readouterr().err


def test_a_folder_that_can_not_be_written_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SkywrightError, match=r"can't be written: .*Free the disk"):
        Queue(tmp_path / "file" / "q.db")


def test_a_time_line_tells_a_jobs_row_and_its_use():
    started = {
        "type": "started",
        "pool": "spot",
        "slot": "s-0",
        "slots": ["s-0", "s-1"],
        "is_spot": True,
        "usd_per_hour": 2,
    }
    line = [
        {"type": "submitted", "at": 1},
        {**started, "at": 2},
        {"type": "failed", "at": 4, "rank": 0, "exit_code": 1},
        {"type": "queued", "at": 5, "cause": "failure"},
        {**started, "at": 6, "slots": ["s-0"]},
        {"type": "preempted", "at": 8},
        {"type": "queued", "at": 8, "cause": "preempted"},
        {**started, "at": 9, "slots": ["s-0"]},
        {"type": "checkpoint", "at": 10, "step": 4},
    ]
    row = replayed(line)
    assert (row["state"], row["attempts"], row["preemptions"], row["failures"]) == ("queued", 3, 1, 1)
    assert [(used["slot"], used["started_at"], used["ended_at"]) for used in metered(line)] == [
        ("s-0", 2, 5), ("s-1", 2, 5), ("s-0", 6, 8), ("s-0", 9, 10),
    ]  # fmt: skip
    row = replayed(
        [*line, {"type": "registered", "at": 11, "model": "m", "version": 4}, {"type": "succeeded", "at": 12}]
    )
    assert (row["state"], row["ended_at"], row["exit_code"], json.loads(row["model"])["version"]) == (
        "succeeded",
        12,
        0,
        4,
    )


def test_events_are_numbered_by_line_and_torn_ones_left_out(tmp_path):
    run = RunDir(tmp_path, "job-1")
    run.path.mkdir()
    assert run.events() == ([], 0)
    run.write("submitted", by="ada")
    with open(run.events_file, "a") as file:
        file.write("{torn\n")
    run.write("queued", reason="x")
    tail = Tail(run)
    assert [event["type"] for event in tail.new()] == ["submitted", "queued"]
    with open(run.events_file, "a") as file:
        file.write('{"type": "checkpoint", "at": 1')
        file.flush()
        events, following = run.events(1)
        assert ([event["seq"] for event in events], following) == ([3], 3)
        assert tail.new() == []
        file.write("}\n")
    assert [event["type"] for event in tail.new()] == ["checkpoint"]
    assert run.events(following) == ([{"seq": 4, "type": "checkpoint", "at": 1}], 4)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["begin", "end", "beat", "crash"]), max_size=20))
def test_whatever_happens_intervals_of_a_job_never_overlap_and_end_only_once(tmp_path_factory, steps):
    path = tmp_path_factory.mktemp("queue") / "q.db"
    queue, clock, number = Queue(path), 100.0, 0
    submitted(queue)
    for step in steps:
        clock += 1
        is_running = queue.job("job-1").state == "running"
        if step == "begin" and not is_running:
            number = queue.begin(queue.job("job-1"), "spot", ["s-0"], is_spot=True, usd_per_hour=1, at=clock)
        elif step == "end" and is_running:
            queue.end("job-1", number, outcome="preempted", at=clock, state="queued")
        elif step == "beat":
            queue.heartbeat(clock)
        elif step == "crash":
            queue.close()
            queue = Queue(path)
            queue.close_left_open()
            queue.update("job-1", state="queued")
    used = queue.usage()
    queue.close()
    assert sum(interval["ended_at"] is None for interval in used) <= 1
    for earlier, later in pairwise(used):
        assert earlier["started_at"] <= earlier["ended_at"] <= later["started_at"]
