"""A checkpoint of two ranks resumes on one, two and three; sharded models too."""

from __future__ import annotations

import json
import shutil
import signal
from collections import Counter

import pytest


def trained_on(run):
    """How often each sample came, and how many at each step."""
    seen, steps = Counter(), Counter()
    for trace in run.folder.glob("samples-*.txt"):
        for line in trace.read_text().splitlines():
            step, *rows = line.split()
            steps[int(step)] += len(rows)
            seen.update(rows)
    return seen, steps


def stopped_at(job, entry, step, **params):
    run = job(entry, **params)
    attempt = run.start()
    run.until_step(step)
    attempt.send(signal.SIGTERM)
    assert attempt.wait() == [75, 75], run.log()
    return run


def copies(run, job, sizes, entry, **params):
    """The job as it was stopped, once for each number of ranks."""
    for size in sizes:
        other = job(entry, name=f"on-{size}", spec=run.spec, **params)
        shutil.copytree(run.root, other.root, dirs_exist_ok=True)
        yield size, other


def test_noisy_work_goes_on_with_one_rank_and_with_three(job):
    params = {"epochs": 4, "pace_s": 0.01}
    stopped = stopped_at(job, "sample_jobs:noisy", 20, **params)
    for size, run in copies(stopped, job, (1, 3), "sample_jobs:noisy", **params):
        assert run.run(world_size=size) == [0] * size, run.log()
        seen, steps = trained_on(run)
        assert set(seen.values()) == {4} and len(seen) == 240  # each sample once an epoch
        assert set(steps.values()) == {12} and len(steps) == 80  # the global batch kept
        assert run.events("resumed")[0]["step"] >= 20 and not run.events("lost")


def test_the_digits_are_told_as_well_on_one_rank_and_on_three_as_on_two(job):
    entry, params = "sample_jobs:train_digits", {"epochs": 14, "seed": 3}
    spec = {"output": "digits", "inputs": [{"name": "digits", "url": "package://scikit-learn/digits"}]}
    run = job(entry, spec=spec, **params)
    attempt = run.start()
    run.until_step(60)
    attempt.send(signal.SIGTERM)
    assert attempt.wait() == [75, 75], run.log()
    accuracy = {}
    for size, other in copies(run, job, (1, 2, 3), entry, **params):
        assert other.run(world_size=size) == [0] * size, other.log()
        evaluation = other.root / "artifacts" / "models" / "digits" / other.id / "evaluation.json"
        accuracy[size] = json.loads(evaluation.read_text())["accuracy"]
    assert accuracy[2] > 0.95
    assert max(accuracy.values()) - min(accuracy.values()) <= 0.01, accuracy


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory, nursery):
    from ranks import JobRun

    spec = {"name": "job", "entry": "sample_jobs:sharded", "params": SHARDED, "resources": {"count": 2}}
    run = JobRun(tmp_path_factory.mktemp("sharded"), nursery, spec)
    assert run.run() == [0, 0], run.log()
    return run


SHARDED = {"epochs": 3, "pace_s": 0.01}


def test_a_sharded_model_resumes_to_the_bit_and_on_other_numbers_of_ranks(job, whole_run):
    stopped = stopped_at(job, "sample_jobs:sharded", 15, **SHARDED)
    undisturbed = float((whole_run.folder / "loss-0.txt").read_text())
    for size, run in copies(stopped, job, (1, 2, 3), "sample_jobs:sharded", **SHARDED):
        assert run.run(world_size=size) == [0] * size, run.log()
        assert run.events("resumed")[0]["step"] >= 15
        seen, steps = trained_on(run)
        assert set(seen.values()) == {3} and set(steps.values()) == {12} and len(steps) == 60
        if size == 2:
            assert run.weights() == whole_run.weights() and len(set(run.weights())) == 1
        assert float((run.folder / "loss-0.txt").read_text()) == pytest.approx(undisturbed, rel=1e-3)
