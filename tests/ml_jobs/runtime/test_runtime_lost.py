"""A peer on another node is lost: resumed for nothing while the run comes further, a failure when it does not."""

from __future__ import annotations

import os
import signal
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_jobs.runtime import group, lost
from ml_jobs.runtime.checkpoint import GENERATORS, MODEL, OPTIMIZER, CheckpointFolder, Manifest
from ml_jobs.runtime.environment import Place
from ml_jobs.runtime.lost import LINGER_S, UNPROVEN, When, is_free
from ml_jobs.runtime.preemption import Notice


@pytest.mark.parametrize(
    ("attempt", "saved_by", "when", "free"),
    [
        (0, None, When.MET, True),
        (UNPROVEN - 1, None, When.UNMET, True),
        (UNPROVEN, None, When.UNMET, False),
        (40, 40, When.MET, True),
        (44, 40, When.MET, True),
        (45, 40, When.MET, False),
        (69, 40, When.UNMET, True),
        (70, 40, When.UNMET, False),
        (2, 40, When.MET, True),  # the platform counts anew
        (5, 40, When.MET, False),
    ],
)
def test_an_end_is_free_while_the_run_comes_further(attempt, saved_by, when, free):
    assert is_free(attempt, saved_by, when) is free


@given(st.none() | st.integers(0, 500), st.integers(0, 500), st.sampled_from(When))
def test_no_run_that_comes_no_further_is_tried_for_ever(saved_by, began, when):
    assert sum(is_free(attempt, saved_by, when) for attempt in range(began, began + 600)) <= 2 * When.UNMET.value


@pytest.fixture
def rank(job, monkeypatch):
    """rank(attempt, local_world_size) makes this process rank 0 of two; the run's folder."""
    run = job()

    def become(*, attempt: int = 0, local_world_size: int = 1) -> CheckpointFolder:
        place = {
            "RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": str(local_world_size),
            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1", "TORCHELASTIC_RESTART_COUNT": str(attempt),
        }  # fmt: skip
        for name, value in {**run.environment(), **place}.items():
            monkeypatch.setenv(name, value)
        return CheckpointFolder(f"file://{run.checkpoints}")

    monkeypatch.setattr(lost, "LINGER_S", 0.0)
    return become


def saved(folder: CheckpointFolder, *, step: int, attempt: int) -> None:
    manifest = Manifest(step=step, world_size=2, sampler={}, identity={}, attempt=attempt)
    folder.publish(manifest, dict.fromkeys((MODEL, OPTIMIZER, GENERATORS), b"x"))


def test_the_newest_checkpoint_that_is_whole_tells_how_far_the_run_came(rank):
    folder = rank(attempt=12)
    assert folder.saved_by() is None and not lost.asks_to_resume(Notice(), When.MET)
    saved(folder, step=10, attempt=9)
    assert lost.asks_to_resume(Notice(), When.MET)
    saved(folder, step=20, attempt=3)
    assert folder.saved_by() == 3 and not lost.asks_to_resume(Notice(), When.MET)
    folder.folder.child("step-000000020").write("manifest.json", b"torn")
    assert folder.saved_by() == 9


def test_ranks_of_one_node_lose_no_node(rank):
    rank(local_world_size=2)
    assert not lost.asks_to_resume(Notice(), When.MET)


def test_a_store_that_is_away_makes_nothing_free(rank, monkeypatch, tmp_path):
    rank()
    monkeypatch.setenv("SKYWRIGHT_CONTRACT", str(tmp_path / "gone.json"))
    assert not lost.asks_to_resume(Notice(), When.MET)


def test_a_peer_that_never_comes_is_told_from_one_that_is_lost(monkeypatch):
    from datetime import timedelta

    from ranks import free_port

    monkeypatch.setattr(group, "TIMEOUT", timedelta(seconds=1))
    place = Place("torchrun", rank=1, world_size=2, local_world_size=1, master_port=free_port())
    with pytest.raises(group.NeverMet, match="can't meet its peers"):
        group.join(place)


def test_a_rank_whose_peer_on_another_node_dies_asks_to_be_resumed_after_a_while(job):
    run = job(epochs=6, pace_s=0.012)
    attempt = run.start(local_world_size=1)
    run.until_step(5)
    os.kill(attempt.pids[1], signal.SIGKILL)
    began = time.monotonic()
    assert attempt.wait() == [75, -signal.SIGKILL], run.log()
    assert time.monotonic() - began >= LINGER_S - 1
    assert "a peer of rank 0 is lost" in run.log() and "Traceback" not in run.log()
    assert run.events("peer_lost") and not run.events("failed") and not run.events("preempted")
    resumed = run.start(local_world_size=1)
    run.until(lambda: bool(run.events("resumed")), "resumed")
    os.kill(resumed.pids[1], signal.SIGKILL)
    run.until(lambda: run.log().count("a peer of rank 0 is lost") == 2, "the loss")
    os.kill(resumed.pids[0], signal.SIGTERM)  # its platform ends it
    began = time.monotonic()
    assert resumed.wait() == [75, -signal.SIGKILL]
    assert time.monotonic() - began < LINGER_S / 2
