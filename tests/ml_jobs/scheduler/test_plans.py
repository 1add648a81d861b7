"""A job with a deadline and an estimate goes where the planner says, in a real scheduler under a known market."""

from __future__ import annotations

from collections.abc import Callable

from scheduler_stand import Stand

POOLS = [
    {"name": "spot", "instance_type": "local", "is_spot": True, "count": 1, "max_count": 1, "usd_per_hour": 0.3},
    {"name": "on-demand", "instance_type": "local", "count": 1, "max_count": 1, "usd_per_hour": 1.0},
]
GONE = {"kind": "trace", "gap_s": 1000.0, "available": "0"}


def started(stand: Stand, job: str) -> list[str]:
    return [event["pool"] for event in stand.events(job, "started")]


def test_without_spot_a_job_waits_while_its_deadline_leaves_time_and_goes_to_on_demand_before_it_does_not(
    stand: Callable[..., Stand],
) -> None:
    running = stand(pools=POOLS, market=GONE, spot_fallback_s=0.01)
    common = {"params": {"steps": 10}, "estimated_work_s": 2.0}
    pressed = running.submit("pressed", deadline_s=7.0, **common)
    patient = running.submit("patient", deadline_s=4000.0, **common)
    running.until(lambda: running.job(pressed)["state"] == "succeeded", 20, "the pressed job to be done")
    assert started(running, pressed) == ["on-demand"]
    done_at = running.job(pressed)["ended_at"]
    assert done_at - running.job(pressed)["submitted_at"] <= 7.0
    waiting = running.get("/slots")["queue"]
    assert [(job["id"], job["reason"]) for job in waiting] == [
        (patient, "waits for spot: the deadline leaves time for it")
    ]


def test_a_job_on_demand_moves_to_spot_that_comes_back_and_counts_no_failure(stand: Callable[..., Stand]) -> None:
    running = stand(pools=POOLS)
    running.call("POST", "/slots/spot-0/preempt", {"notice_s": 0, "away_s": 6})
    job = running.submit("moved", params={"steps": 400}, estimated_work_s=60.0, deadline_s=64.0)
    running.until(lambda: running.job(job)["state"] == "succeeded", 60, "the job to be done")
    assert started(running, job) == ["on-demand", "spot"]
    ended = running.job(job)
    assert (ended["failures"], ended["preemptions"]) == (0, 0)
    assert len(running.events(job, "replanned")) == 1
