"""Preempted, killed, resumed: the weights are those of the undisturbed run, bit for bit."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import psutil
import pytest

PACE = {"epochs": 6, "pace_s": 0.012}  # slow enough that a signal always finds the job at work
"""120 steps, slow enough to be hit in the middle."""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, nursery):
    from ranks import JobRun

    spec = {"name": "job", "entry": "sample_jobs:noisy", "params": PACE, "resources": {"count": 2}}
    run = JobRun(tmp_path_factory.mktemp("undisturbed"), nursery, spec)
    assert run.run() == [0, 0], run.log()
    return run


def test_the_parent_that_forks_has_one_thread(nursery):
    assert nursery.threads == 1


def test_an_undisturbed_run_ends_with_0_a_summary_and_equal_ranks(undisturbed):
    first, second = undisturbed.weights()
    assert first == second
    summary = undisturbed.events("succeeded")[0]["summary"]
    assert summary["steps"] == 120 and summary["resumes"] == 0 and summary["lost_steps"] == 0
    assert 0 < summary["goodput"] <= 1 and summary["step_s"] > 0.004
    assert summary["checkpoints"] == len(undisturbed.events("checkpoint")) >= 2
    assert len(list(undisturbed.checkpoints.glob("step-*"))) <= 3


def test_a_notice_saves_at_an_agreed_step_and_loses_nothing(job, undisturbed):
    run = job(**PACE)
    attempt = run.start()
    run.until_step(25)
    attempt.send(signal.SIGTERM)
    assert attempt.wait() == [75, 75], run.log()
    stopped_at = run.events("checkpoint")[-1]["step"]
    assert run.run() == [0, 0], run.log()
    resumed = run.events("resumed")[0]
    assert resumed["step"] == stopped_at >= 25 and resumed["passed_over"] == []
    assert not run.events("lost")
    assert run.weights() == undisturbed.weights()
    assert run.events("succeeded")[0]["summary"]["resumes"] == 1


def test_a_notice_to_one_rank_stops_all(job):
    run = job(**PACE)
    attempt = run.start()
    run.until_step(10)
    os.kill(attempt.pids[1], signal.SIGTERM)
    assert attempt.wait() == [75, 75], run.log()


@pytest.mark.parametrize("seed", range(3))
def test_kills_at_random_steps_lose_work_but_no_bit(job, undisturbed, seed):
    chance = random.Random(seed)
    run = job(**PACE)
    for _ in range(2):
        attempt = run.start()
        run.until_step(min(run.progress()["steps"] + chance.randint(3, 40), 115))
        for pid in chance.choice([attempt.pids, attempt.pids[:1], attempt.pids[1:]]):
            os.kill(pid, signal.SIGKILL)
        codes = attempt.wait()
        assert -signal.SIGKILL in codes and set(codes) <= {-signal.SIGKILL, 1}, run.log()
    assert run.run() == [0, 0], run.log()
    assert run.weights() == undisturbed.weights()
    summary = run.events("succeeded")[0]["summary"]
    assert summary["attempts"] == 3 and summary["resumes"] >= 1
    assert summary["lost_steps"] == sum(event["steps"] for event in run.events("lost"))


def test_a_lost_peer_is_one_line_and_no_traceback(job):
    run = job(**PACE)
    attempt = run.start()
    run.until_step(5)
    os.kill(attempt.pids[1], signal.SIGKILL)
    assert attempt.wait() == [1, -signal.SIGKILL]
    assert "a peer of rank 0 is lost" in run.log() and "Traceback" not in run.log()


def test_three_ranks_resume_bit_equal(job):
    weights = []
    for name, is_disturbed in (("calm", False), ("disturbed", True)):
        run = job(name=name, epochs=3, pace_s=0.015)
        run.world_size = 3
        if is_disturbed:
            attempt = run.start()
            run.until_step(20)
            attempt.send(signal.SIGTERM)
            assert attempt.wait() == [75] * 3, run.log()
        assert run.run() == [0] * 3, run.log()
        weights.append(run.weights())
    assert weights[0] == weights[1]


def test_another_world_size_skips_and_repeats_no_sample(job):
    run = job(**PACE)
    attempt = run.start()
    run.until_step(30)
    attempt.send(signal.SIGTERM)
    assert attempt.wait() == [75, 75]
    assert run.run(world_size=3) == [0, 0, 0], run.log()
    seen = Counter()
    steps = Counter()
    for trace in run.folder.glob("samples-*.txt"):
        for line in trace.read_text().splitlines():
            step, *rows = line.split()
            steps[int(step)] += len(rows)
            seen.update(rows)
    assert set(seen.values()) == {6} and len(seen) == 240  # each sample once an epoch
    assert set(steps.values()) == {12} and len(steps) == 120  # the global batch kept
    assert "bit-equal weights are not promised" in run.log()


def test_a_notice_shorter_than_a_save_leaves_the_periodic_checkpoint(job, undisturbed):
    run = job(**PACE | {"pace_s": 0.03})
    run.env = {"SKYWRIGHT_NOTICE_S": "0.4"}
    attempt = run.start()
    run.until(lambda: len(run.events("checkpoint")) >= 2, "second checkpoint")
    attempt.send(signal.SIGTERM)
    assert attempt.wait() == [75, 75], run.log()
    skipped = run.events("checkpoint_skipped")[0]
    assert skipped["stands"] == run.events("checkpoint")[-1]["step"] <= skipped["step"]
    assert "the notice of 0.4 s" in skipped["reason"]
    assert run.run() == [0, 0]
    assert run.weights() == undisturbed.weights()


def test_torchrun_alone_survives_three_kills(job, undisturbed):
    """It starts the ranks anew by itself; nobody of ours stands beside it."""
    run = job(**PACE)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    env = {**os.environ, **run.environment(), "PYTHONPATH": str(Path(__file__).parent)}
    with open(run.root / "torchrun.log", "w") as log:
        agent = subprocess.Popen(
            [*command, "--max-restarts", "3", "-m", "ml_jobs.runtime.main"], env=env, stdout=log, stderr=log
        )
    try:
        for kills in range(3):
            least = run.progress()["steps"] + 8
            run.until(
                lambda least=least, kills=kills: (
                    run.progress().get("attempts") == kills + 1 and run.progress()["steps"] >= least
                ),
                f"step {least} of attempt {kills + 1}",
                90,
            )
            rank = psutil.Process(agent.pid).children()[kills % 2]
            os.kill(rank.pid, signal.SIGKILL)  # a child that its parent has not waited for: the pid is still its own
        assert agent.wait(90) == 0, (run.root / "torchrun.log").read_text()
    finally:
        left = psutil.Process(agent.pid).children() if agent.poll() is None else []
        for process in [*left, agent]:
            process.kill()
        agent.wait()
    assert run.weights() == undisturbed.weights()
    summary = run.events("succeeded")[0]["summary"]
    assert summary["attempts"] == 4 and summary["lost_steps"] == sum(event["steps"] for event in run.events("lost"))


def test_one_process_without_any_launcher_is_a_world_of_one(job):
    run = job(epochs=1)
    env = {**os.environ, **run.environment(), "PYTHONPATH": str(Path(__file__).parent)}
    command = [sys.executable, "-m", "ml_jobs.runtime.main"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert run.events("succeeded")[0]["summary"]["steps"] == 20
