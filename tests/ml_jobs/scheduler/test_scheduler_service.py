"""One real scheduler process: what it runs, what it refuses, what survives."""

from __future__ import annotations

import os
import signal
import socket
import time

import psutil
import pytest
from scheduler_stand import POOLS

from ml_jobs.holds import Effect, Holds
from ml_jobs.identity import Role

ONE_SPOT = [{**POOLS[0], "max_count": 1}]


def test_a_job_runs_to_its_end_and_is_accounted_for(shared):
    scheduler = shared
    job = scheduler.submit(params={"steps": 5}, resources={"count": 2}, team="vision")
    done = scheduler.wait(job, "succeeded", "failed")
    assert done["state"] == "succeeded", (done, scheduler.log.read_text())
    assert (done["attempts"], done["preemptions"], done["exit_code"]) == (1, 0, 0)
    assert [event["type"] for event in scheduler.events(job, "submitted", "queued", "started", "succeeded")] == [
        "submitted", "queued", "started", "succeeded",
    ]  # fmt: skip
    (used,) = (used for used in scheduler.get("/usage")["intervals"] if used["job"] == job)
    assert (used["job"], used["team"], used["pool"], used["is_spot"]) == (job, "vision", "spot", True)
    seconds = used["ended_at"] - used["started_at"]
    assert done["cost_usd"] == pytest.approx(seconds * 0.3 / 3600, rel=1e-3)
    assert done["goodput"] == pytest.approx(5 * 0.02 / seconds, rel=1e-2)
    assert "rank 1 attempt 0" in scheduler.get(f"/jobs/{job}/logs?rank=1")["text"]
    assert scheduler.get("/jobs?limit=1")["jobs"][0]["id"] == job
    metrics = scheduler.call("GET", "/metrics").text
    for line in (
        'skywright_slots{pool="spot",state="idle"} 2.0',
        'skywright_slots{pool="on-demand",state="away"} 0.0',
        'skywright_jobs{state="succeeded"} ',
        "skywright_queue_wait_seconds_count ",
        "skywright_job_failures_total ",
        "skywright_preemptions_total ",
        "skywright_step_seconds",
        "skywright_goodput_ratio",
    ):
        assert line in metrics


def test_a_notice_is_followed_by_an_agreed_end_and_a_resume_where_there_is_room(stand):
    scheduler = stand(pools=ONE_SPOT)
    job = scheduler.submit(params={"steps": 200})
    scheduler.wait_event(job, "checkpoint", 5)
    assert scheduler.call("POST", "/slots/spot-0/preempt", {"notice_s": 5, "away_s": 0.6}).status_code == 200
    preempted = scheduler.wait_event(job, "preempted")
    notice = scheduler.wait_event(job, "notice")
    assert (notice["slot"], notice["notice_s"], preempted["codes"]) == ("spot-0", 5, [75])
    assert preempted["at"] - notice["at"] < 2, "it ended by itself, not at the end of the notice"
    assert scheduler.job(job)["state"] == "queued"
    assert scheduler.get("/slots")["slots"][0]["state"] == "notice"
    resumed = scheduler.wait_event(job, "resumed", timeout=20)
    started = scheduler.events(job, "started")[1]
    assert started["at"] >= notice["at"] + 5.6, "the slot was away for as long as was said"
    assert resumed["step"] >= 5
    assert scheduler.job(job)["preemptions"] == 1


def test_ranks_that_ignore_the_notice_are_ended_when_it_is_over(stand):
    scheduler = stand(pools=ONE_SPOT)
    job = scheduler.submit(params={"steps": 200, "ignore_term": True})
    scheduler.wait_event(job, "checkpoint", 2)
    scheduler.call("POST", "/slots/spot-0/preempt", {"notice_s": 0.5, "away_s": 0.1})
    preempted = scheduler.wait_event(job, "preempted")
    assert preempted["codes"] == [-signal.SIGKILL]
    assert preempted["ended_at"] - scheduler.wait_event(job, "notice")["at"] == pytest.approx(0.5, abs=0.3)
    scheduler.wait_event(job, "resumed")


def test_no_notice_ends_the_whole_gang_at_once_and_is_seen_at_once(stand):
    scheduler = stand()
    job = scheduler.submit(params={"steps": 100}, resources={"nodes": 2, "count": 2})
    scheduler.wait_event(job, "checkpoint", 2)
    ranks = list(scheduler.job(job)["ranks"].values())
    assert len(ranks) == 4
    scheduler.call("POST", "/slots/spot-1/preempt", {"notice_s": 0, "away_s": 0.2})
    preempted = scheduler.wait_event(job, "preempted")
    assert preempted["slot"] == "spot-1"
    assert preempted["at"] - preempted["ended_at"] < 0.5
    assert not any(psutil.pid_exists(pid) for pid in ranks)
    done = scheduler.wait(job, "succeeded")
    assert (done["preemptions"], done["failures"]) == (1, 0)
    assert not (scheduler.root / "runs" / job / "ran-twice").exists()


def test_spot_that_stays_away_is_replaced_by_on_demand(stand):
    market = {"kind": "trace", "available": "0", "gap_s": 10}
    scheduler = stand(market=market, spot_fallback_s=4)
    patient = scheduler.submit("patient", capacity="spot_only")
    job = scheduler.submit("flexible", params={"steps": 3})
    hurried = scheduler.submit("hurried", params={"steps": 3}, deadline_s=10, estimated_work_s=10)
    started = scheduler.wait_event(job, "started")
    assert (started["pool"], started["is_spot"]) == ("on-demand", False)
    assert started["at"] - scheduler.events(job, "submitted")[0]["at"] > 4
    hurry = scheduler.wait_event(hurried, "started")
    assert hurry["at"] - scheduler.events(hurried, "submitted")[0]["at"] < 4, "its deadline did not let it wait"
    assert scheduler.job(patient)["state"] == "queued"
    assert "spot has 0 free" in scheduler.get("/slots")["queue"][0]["reason"]


def test_a_market_preempts_by_itself_with_and_without_notice(stand):
    market = {"kind": "trace", "available": "10", "gap_s": 2, "notice_s": [1, 0]}
    scheduler = stand(pools=ONE_SPOT, market=market)
    job = scheduler.submit(params={"steps": 1000}, capacity="spot_only")
    second = scheduler.wait_event(job, "preempted", 2)
    first = scheduler.events(job, "preempted")[0]
    assert {first["notice_s"], second["notice_s"]} == {0, 1}
    assert {tuple(first["codes"]), tuple(second["codes"])} == {(75,), (-signal.SIGKILL,)}
    for used in scheduler.get("/usage")["intervals"]:
        assert (used["ended_at"] or used["started_at"]) - used["started_at"] < 3.5, "it ran only while spot was there"


def test_failures_are_retried_as_often_as_the_job_says_and_mistakes_never(shared):
    scheduler = shared
    flaky = scheduler.submit("flaky", params={"exit": {"0": 3}}, retries={"failure": 1})
    broken = scheduler.submit("broken", params={"exit": {"0": 3, "1": 4}}, retries={"failure": 1})
    wrong = scheduler.submit("wrong", params={"exit": {"0": 78}}, retries={"failure": 5})
    done = scheduler.wait(flaky, "succeeded", "failed")
    assert (done["state"], done["failures"], done["attempts"]) == ("succeeded", 1, 2)
    done = scheduler.wait(broken, "succeeded", "failed")
    assert (done["state"], done["failures"], done["attempts"], done["exit_code"]) == ("failed", 2, 2, 4)
    done = scheduler.wait(wrong, "succeeded", "failed")
    assert (done["state"], done["attempts"], done["exit_code"]) == ("failed", 1, 78)


def test_a_stop_checkpoints_what_runs_and_removes_what_waits(stand):
    scheduler = stand(pools=ONE_SPOT)
    job = scheduler.submit(params={"steps": 500})
    waiting = scheduler.submit("waiting")
    scheduler.wait_event(job, "checkpoint")
    for each in (waiting, job):
        assert scheduler.call("POST", f"/jobs/{each}/stop", {"by": "ada", "reason": "enough"}).status_code == 200
    assert scheduler.job(waiting)["state"] == "stopped"
    done = scheduler.wait(job, "stopped")
    assert (done["exit_code"], done["message"]) == (75, "stopped by ada: enough")
    assert scheduler.events(job, "stopped")[0]["reason"] == "enough"
    again = scheduler.call("POST", f"/jobs/{job}/stop", {})
    assert again.status_code == 400 and "is stopped" in again.json()["error"]


def test_holds_keep_new_jobs_out_and_stop_spot(stand):
    scheduler = stand()
    holds = Holds(scheduler.root / "state" / "holds.jsonl")
    job = scheduler.submit(params={"steps": 300})
    scheduler.wait_event(job, "checkpoint")
    block = holds.set(Effect.BLOCK_NEW, reason="budget at 100 %", by="ledger")
    stop = holds.set(Effect.STOP_SPOT, reason="budget at 110 %", by="ledger")
    refused = scheduler.call("POST", "/jobs", {"spec": {"name": "new", "entry": "a:b"}})
    assert refused.status_code == 409
    assert "budget at 100 %" in refused.json()["error"] and block.id in refused.json()["error"]
    assert scheduler.wait_event(job, "notice")["hold"] == stop.id
    waiting = scheduler.wait(job, "queued")
    assert waiting["preemptions"] == 0, "a hold is no preemption"
    assert scheduler.get("/slots")["queue"][0]["reason"] == f"held: budget at 110 % ({stop.id})"
    holds.lift(stop.id, reason="raised", by="fin")
    scheduler.wait_event(job, "resumed")  # it had started before: block_new does not concern it
    assert scheduler.job(job)["attempts"] == 2


def test_what_no_pool_can_give_is_refused_with_what_the_pools_offer(shared):
    scheduler = shared
    before = scheduler.get("/jobs")
    for spec, told in (
        ({"resources": {"nodes": 3}}, "spot: 2 x 2 cpu ranks, spot; on-demand: 1 x 2 cpu ranks, on demand"),
        ({"resources": {"accelerator": "H100"}}, "H100 ranks"),
        ({"capacity": "on_demand_only", "resources": {"nodes": 2}}, "which no pool can give"),
        ({"entry": "not an entry"}, "must be module:function"),
        ({"priority": 1000}, "less than or equal to 100"),
        ({"secret_refs": {"KEY": "../identity/issuer.pub"}}, "this stack has the secrets: none"),
    ):
        answer = scheduler.call("POST", "/jobs", {"spec": {"name": "job", "entry": "a:b", **spec}})
        assert answer.status_code == 400 and told in answer.json()["error"], answer.text
        assert "\n" not in answer.json()["error"]
    assert scheduler.get("/jobs") == before
    for method, path, body, told in (
        ("POST", "/slots/moon-1/preempt", {}, "there is no slot 'moon-1'; there are: spot-0, spot-1, on-demand-0"),
        ("GET", "/jobs/none", None, "there is no job 'none'"),
        ("GET", "/jobs?limit=many", None, "limit is 'many'"),
        ("POST", "/slots/spot-0/preempt", {"notice_s": -1}, "notice_s is -1; allowed: seconds"),
        ("POST", "/jobs", [1], "allowed: a JSON object"),
    ):
        answer = scheduler.call(method, path, body)
        assert answer.status_code in (400, 404) and told in answer.json()["error"], answer.text


def test_each_role_may_do_what_it_may_and_nothing_else(shared):
    scheduler = shared
    spec = {"spec": {"name": "job", "entry": "a:b"}}
    assert scheduler.call("POST", "/jobs", spec, role=Role.VIEWER).status_code == 403
    assert scheduler.call("POST", "/jobs", spec, role=None).status_code == 401
    assert scheduler.call("POST", "/slots/spot-0/preempt", {}, role=Role.TRAINER).status_code == 403
    assert scheduler.call("GET", "/slots", role=Role.VIEWER).status_code == 200
    assert scheduler.call("GET", "/healthz", role=None).status_code == 200
    assert "refused" in (scheduler.root / "artifacts" / "audit" / "log.jsonl").read_text()


def test_a_secret_reaches_the_ranks_and_no_file_of_the_run(shared):
    scheduler = shared
    folder = scheduler.root / "secrets"
    folder.mkdir()
    (folder / "api-key").write_text("canary-8472\n")
    job = scheduler.submit(secret_refs={"SECRET": "api-key"})
    scheduler.wait(job, "succeeded")
    assert "canary-8472" in scheduler.get(f"/jobs/{job}/logs")["text"], "the rank saw it (and chose to print it)"
    found = [
        path for path in scheduler.root.rglob("*")
        if path.is_file() and b"canary-8472" in path.read_bytes() and path.parent != folder
    ]  # fmt: skip
    assert [path.name for path in found] == ["rank-0.log"]


def test_long_polls_wait_for_events_and_end_with_the_job(shared):
    scheduler = shared
    job = scheduler.submit(params={"steps": 20, "step_s": 0.05})
    seen, after = [], 0
    while not seen or seen[-1]["type"] != "succeeded":
        page = scheduler.get(f"/jobs/{job}/events?after={after}&wait_s=10")
        assert page["events"] and page["next"] > after
        seen += page["events"]
        after = page["next"]
    assert [event["seq"] for event in seen] == list(range(1, len(seen) + 1))
    began = time.monotonic()
    assert scheduler.get(f"/jobs/{job}/events?after={after}&wait_s=10") == {"events": [], "next": after}
    assert time.monotonic() - began < 2, "nothing more comes from a job that is over"


def test_a_sigterm_lets_jobs_checkpoint_and_the_next_scheduler_resumes_them(stand):
    scheduler = stand()
    job = scheduler.submit(params={"steps": 150})
    scheduler.wait_event(job, "checkpoint", 3)
    assert scheduler.kill(signal.SIGTERM) == 0
    log = (scheduler.root / "runs" / job / "events.jsonl").read_text()
    assert '"type": "queued"' in log.splitlines()[-1] and '"drained"' in log.splitlines()[-1]
    scheduler.start()
    assert scheduler.wait_event(job, "resumed")["step"] >= 3
    assert scheduler.wait(job, "succeeded")["failures"] == 0


def test_a_taken_port_ends_it_in_one_line_before_anything_runs(stand):
    scheduler = stand(start=False)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", scheduler.port))
        taken.listen()
        process = scheduler.launch()
        assert process.wait(30) == 1
    (line,) = scheduler.log.read_text().splitlines()
    assert line.startswith(f"error: port {scheduler.port} on 127.0.0.1 can't be used")


def test_a_read_only_disk_ends_it_in_one_line(stand):
    scheduler = stand(start=False)
    (scheduler.root / "state").write_text("a file where the folder should be")
    process = scheduler.launch()
    assert process.wait(30) == 1
    (line,) = scheduler.log.read_text().splitlines()
    assert line.startswith("error: ") and "can't be written" in line


def test_wrong_settings_are_one_line(stand):
    scheduler = stand(start=False, market={"kind": "trace", "available": "2"})
    process = scheduler.launch()
    assert process.wait(30) == 78
    (line,) = scheduler.log.read_text().splitlines()
    assert "scheduler.settings.market.trace.available" in line


def test_a_disk_that_fills_refuses_the_job_and_loses_none(stand):
    scheduler = stand()
    scheduler.wait(scheduler.submit(), "succeeded")
    runs = scheduler.root / "runs"
    runs.rename(scheduler.root / "away")
    runs.write_text("no folder can be made in here")
    answer = scheduler.call("POST", "/jobs", {"spec": {"name": "job", "entry": "a:b"}})
    assert answer.status_code == 503 and "can't be written" in answer.json()["error"]
    runs.unlink()
    (scheduler.root / "away").rename(runs)
    scheduler.wait(scheduler.submit(), "succeeded")


def test_a_damaged_queue_is_set_aside_and_every_job_comes_back(stand):
    scheduler = stand(pools=ONE_SPOT)
    done = scheduler.submit("done")
    scheduler.wait(done, "succeeded")
    running = scheduler.submit("running", params={"steps": 100})
    waiting = scheduler.submit("waiting")
    scheduler.wait_event(running, "checkpoint", 2)
    before = scheduler.job(done)
    scheduler.kill()
    for name in ("scheduler.db-wal", "scheduler.db-shm"):
        (scheduler.root / "state" / name).unlink(missing_ok=True)
    (scheduler.root / "state" / "scheduler.db").write_bytes(b"not a database" * 1000)
    scheduler.start()
    assert len(list((scheduler.root / "state").glob("scheduler.db.corrupt-*"))) == 1
    assert scheduler.log.read_text().count("3 jobs rebuilt") == 1
    after = scheduler.job(done)
    assert after["state"] == "succeeded"
    assert after["cost_usd"] == pytest.approx(before["cost_usd"], rel=0.05)
    assert scheduler.wait_event(running, "resumed")["step"] >= 2
    for job in (running, waiting):
        assert scheduler.wait(job, "succeeded")["failures"] == 0


def test_a_dead_scheduler_takes_its_ranks_along_and_is_followed_by_one_that_resumes(stand):
    scheduler = stand(heartbeat_s=0.1)
    job = scheduler.submit(params={"steps": 100}, resources={"count": 2})
    scheduler.wait_event(job, "checkpoint", 10)
    pids = [*scheduler.job(job)["ranks"].values(), scheduler.get("/slots")["agent"]["pid"]]
    scheduler.kill()
    scheduler.until(lambda: not any(_runs(pid) for pid in pids), 5, "ranks and agent to end")
    died_at = time.time()
    scheduler.start()
    assert scheduler.wait_event(job, "resumed")["step"] >= 10
    lost, current = scheduler.get("/usage")["intervals"]
    assert died_at - 1 < lost["ended_at"] <= died_at, "metered until it was last seen"
    assert current["started_at"] > died_at
    done = scheduler.wait(job, "succeeded")
    assert (done["attempts"], done["failures"]) == (2, 0)
    assert not (scheduler.root / "runs" / job / "ran-twice").exists()


def test_a_dead_agent_is_replaced_and_a_killed_rank_resumed(stand):
    scheduler = stand()
    job = scheduler.submit(params={"steps": 150}, resources={"count": 2})
    scheduler.wait_event(job, "checkpoint", 3)
    os.kill(scheduler.get("/slots")["agent"]["pid"], signal.SIGKILL)
    scheduler.wait_event(job, "resumed")
    scheduler.wait_event(job, "checkpoint", len(scheduler.events(job, "checkpoint")) + 3)
    os.kill(scheduler.job(job)["ranks"]["1"], signal.SIGKILL)
    done = scheduler.wait(job, "succeeded", "failed")
    assert (done["state"], done["attempts"], done["failures"]) == ("succeeded", 3, 0)
    assert not (scheduler.root / "runs" / job / "ran-twice").exists()


def test_a_job_whose_ranks_are_killed_without_ever_coming_further_fails_in_the_end(shared):
    scheduler = shared
    job = scheduler.submit(params={"steps": 100, "step_s": 1})
    for attempt in range(1, 6):
        scheduler.wait_event(job, "started", attempt)
        scheduler.until(lambda: "0" in scheduler.job(job)["ranks"], 10, "a rank")
        os.kill(scheduler.job(job)["ranks"]["0"], signal.SIGKILL)
    done = scheduler.wait(job, "failed")
    assert done["exit_code"] == 137 and "no checkpoint in between" in done["message"]


def test_what_a_rank_has_started_ends_with_it(shared):
    job = shared.submit(params={"child": True})
    shared.wait(job, "succeeded")
    assert not _runs(int((shared.root / "runs" / job / "child").read_text()))


def test_values_that_json_does_not_know_do_not_break_the_time_line(shared):
    job = shared.submit(params={"steps": 50})
    shared.wait_event(job, "checkpoint")
    with open(shared.root / "runs" / job / "events.jsonl", "a") as file:
        file.write('{"type": "metrics", "at": 1, "step": 1, "values": {"loss": NaN}}\n')
    found = shared.wait_event(job, "succeeded") and shared.events(job, "metrics")
    assert {"loss": None} in [event["values"] for event in found]


def _runs(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
