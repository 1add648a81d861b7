"""The tabular job on the same runtime: quality, the artifact that its server takes, a resume that changes nothing."""

from __future__ import annotations

import json
import signal

import numpy as np
import pytest

from ml_jobs.contract import Release
from ml_jobs.entry.trial import registry
from ml_jobs.registry.artifact import digest
from ml_jobs.serve.served import open_release
from ml_jobs.train import breast_cancer
from ml_jobs.train.breast_cancer import JOB

SPEC = JOB.model_dump(mode="json", by_alias=True, exclude={"entry", "params"})


@pytest.fixture(scope="module")
def registered():
    """(the registry's URL, what was registered with it)"""
    with registry() as found:
        yield found


@pytest.fixture
def tabular(job, registered):
    def make(name="a", **params):
        run = job(JOB.entry, name=name, spec=SPEC, **{**JOB.params, **params})
        run.world_size, run.tracking_url = 1, registered[0]
        return run

    return make


def artifact(run):
    return run.root / "artifacts" / "models" / "breast-cancer" / run.id


def test_a_preempted_job_registers_the_same_bytes_and_its_server_takes_them(tabular, registered):
    calm, disturbed = tabular("calm"), tabular("disturbed")
    assert calm.run() == [0], calm.log()
    attempt = disturbed.start()
    disturbed.until_step(4)
    attempt.send(signal.SIGTERM)
    assert attempt.wait() == [75], disturbed.log()
    assert disturbed.run() == [0], disturbed.log()
    assert disturbed.events("resumed")[0]["step"] >= 4
    assert sum(event["steps"] for event in disturbed.events("lost")) == 0
    folders = [artifact(calm), artifact(disturbed)]
    assert digest(str(folders[0])) == digest(str(folders[1]))

    evaluation = json.loads((folders[0] / "evaluation.json").read_text())
    assert evaluation["roc_auc"] >= 0.98 and evaluation["accuracy"] >= 0.93
    assert registered[1][-1]["metrics"]["roc_auc"] == evaluation["roc_auc"]
    assert registered[1][-1]["lineage"]["packages"]["scikit-learn"]
    described = json.loads((folders[0] / "model.json").read_text())
    assert (described["framework"], described["weights"]) == ("sklearn", "model.skops")

    url = folders[0].as_uri()
    loaded = open_release(Release(model="breast-cancer", version=7, artifact_url=url, artifact_sha256=digest(url)))
    table = breast_cancer.load()
    answer = loaded.predict({"features": table["features"]})
    assert answer["probabilities"].shape == (569, 2) and answer["label"].dtype == np.int64
    assert (answer["label"] == table["label"]).mean() > 0.97


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"rounds": 0}, "params.rounds is 0; allowed: a whole number from 1 to 10000"),
        ({"learning_rate": 2}, "params.learning_rate is 2; allowed: above 0, up to 1"),
        ({"leafs": 3}, "params.leafs is unknown"),
    ],
)
def test_wrong_params_end_with_78_and_one_line(tabular, params, said):
    run = tabular(**params)
    assert run.run() == [78], run.log()
    assert said in run.log() and "Traceback" not in run.log()


def test_more_ranks_than_grow_trees_are_refused(tabular):
    run = tabular()
    assert run.run(world_size=2) == [78, 78], run.log()
    assert "resources is '2 ranks'; allowed: 1" in run.log()
