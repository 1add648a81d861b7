"""The two rooms agree: what a job's runtime writes is what a server takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ml_jobs.contract import Release
from ml_jobs.registry.artifact import digest
from ml_jobs.runtime import artifact
from ml_jobs.serve.protocol import parse_request
from ml_jobs.serve.samples import sample
from ml_jobs.serve.served import open_release
from ml_jobs.train import digits


def test_the_digits_artifact_is_verified_loaded_and_answers_its_sample_rows(tmp_path: Path) -> None:
    module = digits.build(width=4)
    described = artifact.Model(
        entry="ml_jobs.train.digits:build",
        params={"width": 4},
        inputs=[artifact.Tensor("pixels", "FP32", (-1, 64))],
        outputs=[artifact.Tensor("label", "INT64", (-1,)), artifact.Tensor("probabilities", "FP32", (-1, 10))],
        golden={"pixels": digits.load()["pixels"]},
        reference={},
        evaluation={"accuracy": 0.1},
        primary="accuracy",
        summary="untrained",
    )
    lineage = {"job": "digits-1", "entry": digits.JOB.entry, "world_size": 1, "params": {}, "data": {}}
    url = (tmp_path / "models" / "digits" / "digits-1").as_uri()
    artifact.publish(url, artifact.files(described, name="digits", weights=module.state_dict(), lineage=lineage))

    loaded = open_release(Release(model="digits", version=1, artifact_url=url, artifact_sha256=digest(url)))
    rows = sample("digits", [spec.metadata() for spec in loaded.signature.inputs], 5).rows
    body = f'{{"inputs": [{{"name": "pixels", "datatype": "FP32", "shape": [5, 64], "data": {rows}}}]}}'.encode()
    request = parse_request(body, loaded.signature, max_rows=8)
    answer = loaded.predict(request.inputs)
    assert answer["label"].shape == (5,)
    np.testing.assert_allclose(answer["probabilities"].sum(axis=1), 1, atol=1e-5)
