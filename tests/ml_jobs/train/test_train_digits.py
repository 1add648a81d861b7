"""The digits job end to end but for the registry: accuracy on every seed, the artifact, resume, two versions."""

from __future__ import annotations

import importlib
import json
import signal

import numpy as np
import pytest

from ml_jobs.train.digits import JOB

SPEC = JOB.model_dump(mode="json", by_alias=True, exclude={"entry", "params"})


def digits(job, name="a", **params):
    return job("sample_jobs:train_digits", name=name, spec=SPEC, **{**JOB.params, **params})


def artifact(run):
    return run.root / "artifacts" / "models" / "digits" / run.id


@pytest.mark.parametrize("seed", range(5))
def test_every_seed_tells_at_least_97_percent(job, seed):
    run = digits(job, seed=seed)
    assert run.run() == [0, 0], run.log()
    evaluation = json.loads((artifact(run) / "evaluation.json").read_text())
    assert evaluation["accuracy"] >= 0.97 and evaluation["primary"] == "accuracy" and evaluation["higher_is_better"]
    summary = run.events("succeeded")[0]["summary"]
    print(f"seed {seed}: accuracy {evaluation['accuracy']:.4f}, {summary}")
    assert run.events("registered")[0]["version"] == 7
    if seed == 0:
        _the_artifact_is_whole(run)


def _the_artifact_is_whole(run):
    from safetensors.numpy import load_file

    from ml_jobs.registry.artifact import manifest

    folder = artifact(run)
    names = {file.path for file in manifest(folder.as_uri())}
    described = json.loads((folder / "model.json").read_text())
    assert names == {
        "model.json",
        "weights.safetensors",
        "golden.json",
        "reference.json",
        "evaluation.json",
        "lineage.json",
        "card.md",
    }
    golden = json.loads((folder / "golden.json").read_text())
    assert np.array(golden["inputs"]["pixels"]).shape == (32, 64)
    assert np.array(golden["outputs"]["probabilities"]).shape == (32, 10) and len(golden["outputs"]["label"]) == 32
    module, _, function = described["architecture"]["entry"].partition(":")
    model = getattr(importlib.import_module(module), function)(**described["architecture"]["params"])
    weights = load_file(folder / described["weights"])
    assert {name: tuple(value.shape) for name, value in model.state_dict().items()} == {
        name: value.shape for name, value in weights.items()
    }
    assert len(json.loads((folder / "reference.json").read_text())["features"]) == 65
    lineage = json.loads((folder / "lineage.json").read_text())
    assert lineage["git"] == {"commit": "c0ffee"} and lineage["by"] == "ada"
    assert len(lineage["data"]["digits"]["digest"]) == 64 and lineage["data"]["digits"]["rows"] == 1797
    assert "accuracy" in (folder / "card.md").read_text()


def test_a_preempted_job_registers_the_same_bytes_once(job):
    short = {"epochs": 4, "width": 8}
    calm, disturbed = digits(job, name="calm", **short), digits(job, name="disturbed", **short)
    assert calm.run() == [0, 0]
    attempt = disturbed.start()
    disturbed.until_step(20)
    attempt.send(signal.SIGTERM)
    assert attempt.wait() == [75, 75], disturbed.log()
    assert disturbed.run() == [0, 0], disturbed.log()
    for path in sorted(artifact(calm).iterdir()):
        assert path.read_bytes() == (artifact(disturbed) / path.name).read_bytes(), path.name
    assert disturbed.run() == [0, 0]  # a retry after the end trains nothing and registers the same again
    assert len(disturbed.events("registered")) == 2
    calls = (artifact(disturbed).parent / "job-1.registered").read_text().splitlines()
    assert len(set(calls)) == 1


def test_another_width_is_another_model(job):
    shapes = []
    for width in (8, 12):
        run = digits(job, name=f"w{width}", epochs=1, width=width)
        assert run.run() == [0, 0], run.log()
        shapes.append((artifact(run) / "weights.safetensors").stat().st_size)
    assert shapes[0] < shapes[1]


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"width": 0}, "params.width is 0; allowed: a whole number from 1 to 256"),
        ({"batch": 1}, "batch is 1; allowed: 2 or more"),
        ({"epochs": 0}, "epochs is 0; allowed: 1 or more"),
        ({"seed": "x"}, "params.seed is 'x'"),
        ({"learnig_rate": 0.1}, "params.learnig_rate is unknown"),
    ],
)
def test_wrong_params_end_with_78_and_one_line(job, params, said):
    run = digits(job, **params)
    assert run.run() == [78, 78], run.log()
    assert said in run.log() and "Traceback" not in run.log()


def test_changed_data_is_refused_before_a_step(job):
    spec = json.loads(json.dumps(SPEC))
    spec["inputs"][0]["schema"]["pixels"]["maximum"] = 15
    run = job("sample_jobs:train_digits", spec=spec, **JOB.params)
    assert run.run() == [78, 78]
    assert "input digits, column pixels has 16.0 in row" in run.log() and "allowed: <= 15" in run.log()
    assert run.progress()["steps"] == 0 and not run.events("checkpoint")
