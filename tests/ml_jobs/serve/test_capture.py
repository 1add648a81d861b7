"""What is kept of requests and answers, and that keeping it never matters to a caller."""

from __future__ import annotations

import json
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serving_house import asking, loaded, make_artifact, request

from catalog.errors import UserError
from ml_jobs.serve import capture as module
from ml_jobs.serve.capture import Capture, CaptureSettings, redactions
from ml_jobs.serve.protocol import InferRequest, Signature
from ml_jobs.serve.tensors import TensorSpec

SIGNATURE = Signature(
    (TensorSpec("x", "FP32", (-1, 2)), TensorSpec("who", "BYTES", (-1,))), (TensorSpec("y", "INT64", (-1,)),)
)
IDENTITY = {"release": "stable", "model": "toy", "version": "3"}
INPUTS: dict[str, Any] = {"x": np.array([[1, 2]], np.float32), "who": np.array(["ada"], object)}
ASKED = InferRequest(INPUTS, ("y",), "q1")
OUTPUTS = {"y": np.array([7])}


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in sorted(folder.rglob("*.jsonl")) for line in path.read_text().splitlines()]


def capturing(url: str, **settings: Any) -> tuple[Capture, Counter[str]]:
    outcomes: Counter[str] = Counter()
    capture = Capture(CaptureSettings(url=url, **settings), IDENTITY, outcomes)
    capture.start(SIGNATURE)
    return capture, outcomes


def test_a_line_has_the_request_and_its_answer_with_fields_redacted(tmp_path):
    capture, outcomes = capturing(tmp_path.as_uri(), redact=("who", "x[1]"))
    capture.offer(ASKED, OUTPUTS, 0.25)
    capture.close()
    [line] = lines(tmp_path)
    assert line["inputs"] == {"x": [[1.0, None]], "who": None}
    assert line["outputs"] == {"y": [7]}
    assert {key: line[key] for key in ("release", "model", "version", "id", "seconds")} == {
        **IDENTITY, "id": "q1", "seconds": 0.25,
    }  # fmt: skip
    assert outcomes == {"written": 1}
    assert INPUTS["x"].tolist() == [[1, 2]]


def test_parts_end_at_their_size_and_go_to_any_file_system():
    import fsspec

    capture, outcomes = capturing("memory://captured", part_bytes=1)
    for _ in range(3):
        capture.offer(ASKED, OUTPUTS, 0.1)
    capture.close()
    found = fsspec.filesystem("memory").find("/captured/stable")
    assert len(found) == 3
    assert outcomes == {"written": 3}


@pytest.mark.parametrize(("sample", "kept"), [(0, 0), (1, 200)])
def test_the_sample_is_a_share_of_the_requests(tmp_path, sample, kept):
    capture, _ = capturing(str(tmp_path), sample=sample)
    for _ in range(200):
        capture.offer(ASKED, OUTPUTS, 0.1)
    capture.close()
    assert len(lines(tmp_path)) == kept


def test_a_share_is_kept_at_random(tmp_path, monkeypatch):
    draws = iter([0.1, 0.7, 0.3, 0.5])
    monkeypatch.setattr(module.random, "random", lambda: next(draws))
    capture, _ = capturing(str(tmp_path), sample=0.5)
    for _ in range(4):
        capture.offer(ASKED, OUTPUTS, 0.1)
    capture.close()
    assert len(lines(tmp_path)) == 2


def test_what_the_writer_cant_keep_up_with_is_dropped_and_counted(tmp_path, monkeypatch):
    gate = threading.Event()
    monkeypatch.setattr(module, "PENDING_BYTES", 100)
    capture, outcomes = capturing(str(tmp_path), part_bytes=1)
    write = capture._keep
    monkeypatch.setattr(capture, "_keep", lambda kept: (gate.wait(20), write(kept)))
    for _ in range(50):
        capture.offer(ASKED, OUTPUTS, 0.1)
    gate.set()
    capture.close()
    assert outcomes["written"] + outcomes["dropped"] == 50
    assert outcomes["dropped"] >= 40


def test_what_cant_be_written_is_counted_and_said_once(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    capture, outcomes = capturing(str(tmp_path / "file"), part_bytes=1)
    for _ in range(3):
        capture.offer(ASKED, OUTPUTS, 0.1)
    capture.close()
    assert outcomes == {"failed": 3}
    assert capsys.readouterr().err.count("can't be written") == 1


@pytest.mark.parametrize("redact", ["age", "x[2]", "who[0]", "x[-1]", "y[0]"])
def test_a_redaction_that_hides_nothing_is_refused(redact):
    with pytest.raises(UserError, match="which the model does not have"):
        redactions((redact,), SIGNATURE)


async def test_a_server_captures_what_it_answers(tmp_path):
    release = make_artifact(tmp_path / "toy")
    app = loaded(release, capture={"url": str(tmp_path / "kept"), "redact": ["probabilities"]})
    async with asking(app) as http:
        for number in range(3):
            assert (await http.post("/v2/models/toy/infer", json=request(2, id=str(number)))).status_code == 200
        assert (await http.post("/v2/models/toy/infer", content=b"{")).status_code == 400
        app.capture.close()
        assert (
            'captured_total{model="toy",outcome="written",release="toy",version="1"} 3.0'
            in (await http.get("/metrics")).text
        )
    kept = lines(tmp_path / "kept")
    assert [line["id"] for line in kept] == ["0", "1", "2"]
    assert kept[0]["outputs"]["probabilities"] is None and len(kept[0]["outputs"]["label"]) == 2


async def test_a_server_that_would_hide_nothing_is_not_ready(tmp_path):
    app = loaded(make_artifact(tmp_path / "toy"), capture={"url": str(tmp_path), "redact": ["name"]})
    async with asking(app) as http:
        ready = await http.get("/v2/health/ready")
    assert (ready.status_code, ready.json()["failed"]) == (503, True)
    assert "capture.redact names 'name'" in ready.json()["error"]
