"""A version where the stack has no registry: one record each, taken by one writer."""

from __future__ import annotations

import json
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_jobs.contract import StackContract
from ml_jobs.registry import artifact as registry_artifact
from ml_jobs.registry.record import VersionRecord
from ml_jobs.runtime import registration
from ml_jobs.runtime.registration import Candidate, digest, has_registry, register


def contract(root, tracking_url: str = "") -> StackContract:
    return StackContract.read(
        {
            "stack": "s",
            "environment": "dev",
            "cloud": "aws",
            "identities": dict.fromkeys(("training", "serving", "pipeline", "approver"), "x"),
            "storage": {name: f"file://{root}/{name}" for name in ("data", "artifacts", "checkpoints")},
            "registry": {"tracking_url": tracking_url, "models_ref": "m"},
        }
    )


def candidate(run: str) -> Candidate:
    nothing = {name: {} for name in ("lineage", "params", "metrics", "evaluation", "signature")}
    return Candidate(model="digits", run=run, url=f"file:///a/{run}", sha256="0" * 64, by="ada", **nothing)


def never() -> None:
    """The capacity stays."""


def test_writers_at_once_take_a_number_each_and_a_run_keeps_its_own(tmp_path):
    runs = [f"run-{number % 8}" for number in range(24)]  # each is tried three times
    found: dict[int, tuple[str, int]] = {}
    start = threading.Barrier(len(runs))

    def one(index: int) -> None:
        start.wait()
        found[index] = runs[index], register(candidate(runs[index]), contract(tmp_path), never)

    threads = [threading.Thread(target=one, args=(index,)) for index in range(len(runs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    records = sorted((tmp_path / "artifacts/models/digits/versions").glob("*.json"))
    versions = [VersionRecord.read(json.loads(path.read_text())) for path in records]
    assert [record.version for record in versions] == list(range(1, len(versions) + 1))
    assert {record.job for record in versions} == set(runs)
    for run, number in found.values():
        assert versions[number - 1].job == run
    assert versions[register(candidate("run-3"), contract(tmp_path), never) - 1].job == "run-3"


def test_the_digits_job_registers_without_a_registry(job, tmp_path):
    spec = {"output": "digits", "inputs": []}
    run = job("ml_jobs.train.digits:train", spec=spec, epochs=2)
    run.spec["inputs"] = [{"name": "digits", "url": "package://scikit-learn/digits"}]
    run.tracking_url = ""
    assert run.run() == [0, 0], run.log()
    told = run.events("registered")[0]
    record = VersionRecord.read(json.loads((run.root / "artifacts/models/digits/versions/000001.json").read_text()))
    assert (told["version"], record.version, record.job, record.by) == (1, 1, "job-1", "ada")
    assert told["artifact_url"] == record.artifact_url and record.signature["inputs"][0]["name"] == "pixels"
    on_disk = registry_artifact.digest(record.artifact_url)
    assert on_disk == record.artifact_sha256 == told["artifact_sha256"]


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}\.json", fullmatch=True), st.binary(max_size=64), min_size=1))
def test_the_digest_is_the_registrys(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("artifact")
    for name, data in content.items():
        (folder / name).write_bytes(data)
    assert digest(content) == registry_artifact.digest(f"file://{folder}")


@pytest.mark.parametrize(
    ("cloud", "url", "is_one"),
    [
        ("local", "http://127.0.0.1:1", True),
        ("local", "", False),
        ("aws", "", False),
        ("aws", "https://eu-west-1.experiments.sagemaker.aws", False),
        ("azure", "azureml://westeurope.api", False),
        ("kubernetes", "http://mlflow.skywright.svc:5000", False),
    ],
)
def test_a_tracking_server_of_others_is_no_registry(tmp_path, cloud, url, is_one):
    assert has_registry(contract(tmp_path, url).model_copy(update={"cloud": cloud})) is is_one


def test_on_a_cluster_with_mlflow_a_version_becomes_a_record(tmp_path):
    stack = contract(tmp_path, "http://mlflow.skywright.svc:5000").model_copy(update={"cloud": "kubernetes"})
    assert register(candidate("run-1"), stack, never) == 1
    assert (tmp_path / "artifacts/models/digits/versions/000001.json").exists()


def test_a_store_that_stays_away_ends_the_trying(tmp_path, monkeypatch):
    from catalog.errors import SkywrightError
    from ml_jobs.runtime.storage import StorageError

    def away(*_):
        raise StorageError("s3://bucket can't be listed: gone")

    monkeypatch.setattr(registration, "FOR_S", 0.1)
    monkeypatch.setattr(registration, "_by_record", away)
    with pytest.raises(SkywrightError, match=r"digits of job r could not be registered for 0\.1 s"):
        register(candidate("r"), contract(tmp_path), never)
