"""Scoring as a job of real ranks: every row once, also through a preemption, in parts that are written once."""

from __future__ import annotations

import json
import signal

import numpy as np
import pyarrow
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from catalog.errors import SkywrightError
from ml_jobs.audit import GENESIS
from ml_jobs.batch import score
from ml_jobs.contract import Release
from ml_jobs.identity import new_key
from ml_jobs.registry.approval import Approval, ApprovalLog, Decision, sign
from ml_jobs.registry.artifact import digest
from ml_jobs.runtime.artifact import Model, Tensor, files, publish
from ml_jobs.runtime.artifact_sklearn import Estimator

ROWS = np.random.default_rng(0).normal(size=(230, 3))
LABELS = (ROWS.sum(axis=1) > 0).astype("int64")
ESTIMATOR = make_pipeline(StandardScaler(), LogisticRegression()).fit(ROWS, LABELS)


@pytest.fixture(scope="module")
def release(tmp_path_factory) -> Release:
    url = (tmp_path_factory.mktemp("store") / "models" / "signs" / "1").as_uri()
    about = Model(
        framework="sklearn", inputs=[Tensor("x", "FP64", (-1, 3))], golden={"x": ROWS}, reference={}, summary="",
        outputs=[Tensor("label", "INT64", (-1,)), Tensor("probabilities", "FP64", (-1, 2))],
        evaluation={"accuracy": 1.0}, primary="accuracy",
    )  # fmt: skip
    lineage = {"job": "j", "entry": "a:b", "world_size": 1, "params": {}, "data": {}}
    publish(url, files(about, name="signs", weights=Estimator(ESTIMATOR).state_dict(), lineage=lineage))
    return Release(model="signs", version=1, artifact_url=url, artifact_sha256=digest(url))


@pytest.fixture
def scored(job, tmp_path, release):
    """scored(name) -> a run that scores the table, and the folder that its answers go to."""

    def make(name="a", *, ranks=1, approval=None, **options):
        np.savez(tmp_path / "rows.npz", x=ROWS, patient=np.arange(1000, 1000 + len(ROWS)))
        output = tmp_path / "answers"
        chosen = release.model_copy(update={"approval_ref": approval})
        spec = score.job(chosen, str(tmp_path / "rows.npz"), output=output.as_uri(), keep=("patient",), **options)
        run = job(spec.entry, name=name, spec=spec.model_dump(mode="json", by_alias=True, exclude={"entry"}))
        run.world_size = ranks
        return run, output

    return make


def all_answers(output):
    return pyarrow.concat_tables(score.answers_of(output.as_uri()))


def test_a_preempted_job_scores_each_row_exactly_once(scored):
    run, output = scored(rows_per_part=1)
    attempt = run.start()
    run.until(lambda: len(list(output.glob("part-*"))) >= 3, "part")
    attempt.send(signal.SIGTERM)
    assert attempt.wait() == [75], run.log()
    first = {path.name: path.stat().st_mtime_ns for path in output.glob("part-*")}
    assert 3 <= len(first) < len(ROWS) and not (output / "manifest.json").exists()
    assert run.run() == [0], run.log()
    assert {path.name: path.stat().st_mtime_ns for path in output.glob("part-*") if path.name in first} == first
    table = all_answers(output)
    assert table.column("row").to_pylist() == list(range(len(ROWS)))
    assert table.column("patient").to_pylist() == list(range(1000, 1000 + len(ROWS)))
    expected = ESTIMATOR.predict_proba(ROWS)
    np.testing.assert_allclose(np.stack(table.column("probabilities").to_pylist()), expected, atol=1e-12)
    told = [event["part"] for event in run.events("scored")]
    assert sorted(told) == list(range(len(ROWS)))


def test_ranks_share_the_parts_and_a_second_run_writes_nothing(scored):
    run, output = scored(ranks=2, rows_per_part=100)
    assert run.run() == [0, 0], run.log()
    manifest = json.loads((output / "manifest.json").read_text())
    assert [part["rows"] for part in manifest["parts"]] == [100, 100, 30]
    assert (manifest["release"]["version"], manifest["input"]["rows"], manifest["approval"]) == (1, 230, "none")
    written = {path.name: path.stat().st_mtime_ns for path in output.glob("part-*")}
    assert all_answers(output).column("row").to_pylist() == list(range(len(ROWS)))
    again, _ = scored("b", rows_per_part=100)
    assert again.run() == [0], again.log()
    assert {path.name: path.stat().st_mtime_ns for path in output.glob("part-*")} == written
    other, _ = scored("c", rows_per_part=50)
    assert other.run() == [78]
    assert "holds other answers: its rows_per_part is 100, this job's is 50" in other.log()


def approved(artifacts, private_key, of):
    """A signed decision about that release; how the release names it."""
    log = ApprovalLog(artifacts, of.model)
    approval = Approval(
        model=of.model, version=of.version, artifact_sha256=of.artifact_sha256, decision=Decision.APPROVED, by="ada",
        at=1.0, reason="good", prev=GENESIS,
    )  # fmt: skip
    return log.ref(log.append(approval, sign(approval, private_key)))


def test_a_batch_proves_its_releases_approval_and_scores_nothing_with_a_forged_one(scored, tmp_path, release):
    private, public = new_key()
    other, _ = new_key()
    ref = approved(tmp_path / "good", private, release)
    assert score.approval_of(release, public.decode()) == "none"
    named = release.model_copy(update={"approval_ref": ref})
    assert score.approval_of(named, public.decode()) == "proven"
    assert score.approval_of(named, "arn:aws:kms:eu-west-1:1:key/k").startswith(
        "the approval of signs version 1 is not"
    )
    forged = release.model_copy(update={"approval_ref": approved(tmp_path / "bad", other, release)})
    with pytest.raises(SkywrightError, match="is not signed by this stack's approver"):
        score.approval_of(forged, public.decode())
    run, output = scored(rows_per_part=100, approval=ref)
    assert run.run() == [0], run.log()
    assert "is not verified" in json.loads((output / "manifest.json").read_text())["approval"]
