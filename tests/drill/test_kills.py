"""SIGKILL to ranks, agent and scheduler at random moments: 20 in `make test`, 200 in `make drill`."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import signal
import time
from itertools import pairwise

import pytest

from ml_jobs.train.digits import JOB

KILLS = pytest.mark.parametrize(
    "kills", [10, pytest.param(100, marks=[pytest.mark.drill, pytest.mark.timeout(3600)], id="drill-100")]
)
"""Of each of the two tests."""

SEED = int(os.environ.get("SKYWRIGHT_SEED", "0"))
RUNTIME = {"rank_main": "ml_jobs.runtime.main:main", "preload": ["ml_jobs.runtime.preload"]}


class Killer:
    """Kills by a seeded plan. A restart of the scheduler or its agent costs seconds, so that ranks come first."""

    def __init__(self, scheduler, seed: int, *, weights: tuple[int, int, int]) -> None:
        self.scheduler = scheduler
        self.chance = random.Random(seed)
        self.weights = weights
        self.done: list[str] = []

    def kill_one(self, job: str) -> None:
        victim = self.chance.choices(("rank", "agent", "scheduler"), self.weights)[0]
        if victim == "scheduler":
            self.scheduler.kill()
            self.done.append(victim)
            self.scheduler.start()
            return
        found = self.scheduler.job(job)
        pids = list(found["ranks"].values()) if victim == "rank" else [self.scheduler.get("/slots")["agent"]["pid"]]
        if pids and pids[0]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.chance.choice(pids), signal.SIGKILL)
                self.done.append(victim)


@KILLS
def test_small_jobs_survive_kills_at_any_moment(drill_stand, kills):
    """No job is lost, none fails, none ever runs twice at once; a slot's use is metered once."""
    scheduler = drill_stand(heartbeat_s=0.2)
    killer = Killer(scheduler, SEED, weights=(5, 3, 2))

    def small(number: int) -> str:
        return scheduler.submit(f"small-{number}", params={"steps": 60}, resources={"count": 2})

    jobs = [small(n) for n in range(3)]
    while len(killer.done) < kills:
        states = {job: scheduler.job(job)["state"] for job in jobs[-3:]}
        running = [job for job, state in states.items() if state == "running"]
        if running:
            job = killer.chance.choice(running)
            time.sleep(killer.chance.uniform(0, 0.8))  # from the first fork to the last step
            killer.kill_one(job)
        elif all(state == "succeeded" for state in states.values()):
            jobs += [small(n) for n in range(3)]
        else:
            time.sleep(0.02)
    for job in jobs:
        done = scheduler.wait(job, "succeeded", "failed")
        assert (done["state"], done["failures"]) == ("succeeded", 0), done
        assert [(scheduler.root / "runs" / job / f"step-{rank}").read_text() for rank in (0, 1)] == ["60", "60"]
        assert not (scheduler.root / "runs" / job / "ran-twice").exists()
    assert_metered_once(scheduler)


@KILLS
def test_digits_survives_kills_with_the_weights_of_a_run_left_alone(drill_stand, registry, kills):
    scheduler = drill_stand(**RUNTIME)
    spec = JOB.model_dump(mode="json", by_alias=True) | {"params": JOB.params | {"epochs": 8, "width": 8}}
    alone = scheduler.submit(**spec)
    usual = scheduler.wait(alone, "succeeded", timeout=180)
    usual_s = usual["ended_at"] - usual["started_at"]
    killer = Killer(scheduler, SEED + 1, weights=(8, 1, 1))
    jobs = [alone]
    while len(killer.done) < kills:
        job = scheduler.submit(**spec)
        jobs.append(job)
        for attempt in range(1, min(5, kills - len(killer.done)) + 1):
            scheduler.until(lambda: goes(scheduler, job, attempt), 180, lambda: str(scheduler.job(job)))  # noqa: B023
            time.sleep(killer.chance.uniform(0, 0.5) * usual_s)
            if scheduler.job(job)["state"] == "succeeded":
                break
            killer.kill_one(job)
        scheduler.wait(job, "succeeded", "failed", timeout=180)
    digests = set()
    for job in jobs:
        done = scheduler.job(job)
        assert (done["state"], done["failures"]) == ("succeeded", 0), (done, scheduler.events(job, "failed"))
        folder = scheduler.root / "artifacts" / "models" / "digits" / job
        digests.add(hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest())
        assert done["model"] == {"name": "digits", "version": registry.versions[job]}
    assert len(digests) == 1
    assert_metered_once(scheduler)


def goes(scheduler, job: str, attempt: int) -> bool:
    """The job's so-and-so-many-th attempt has begun and its ranks are known, or the job is done."""
    found = scheduler.job(job)
    return found["state"] == "succeeded" or (found["attempts"] >= attempt and len(found["ranks"]) == 2)


def assert_metered_once(scheduler) -> None:
    intervals = scheduler.get("/usage")["intervals"]
    assert all(used["ended_at"] is not None for used in intervals)
    for key in ("slot", "job"):
        for value in {used[key] for used in intervals}:
            spans = sorted((used["started_at"], used["ended_at"]) for used in intervals if used[key] == value)
            assert all(later[0] >= earlier[1] for earlier, later in pairwise(spans)), (key, value, spans)
