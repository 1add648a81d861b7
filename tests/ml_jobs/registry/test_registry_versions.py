"""Versions: registered once, whole, readable by MLflow's own clients."""

from __future__ import annotations

import json
import math
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from catalog.errors import SkywrightError
from ml_jobs.identity import Refused, Role
from ml_jobs.registry import artifact
from ml_jobs.registry.client import Registry
from ml_jobs.registry.transport import Away, Rejected

if TYPE_CHECKING:
    from conftest import Server


def test_a_version_keeps_all_that_its_job_says(server: Server) -> None:
    url = server.write_artifact("whole", "whole-1", accuracy=0.93)
    client = server.client(Role.TRAINER)
    version = client.register(
        url,
        model="whole",
        job="whole-1",
        by="ann",
        lineage={"git_commit": "def", "is_dirty": False},
        params={"lr": 0.1, "layers": [1, 2]},
        metrics={"accuracy": 0.93, "broken": math.nan},
    )
    record = server.client(Role.VIEWER).record("whole", version)
    assert record["artifact_url"] == url
    assert record["artifact_sha256"] == artifact.digest(url)
    assert record["state"] == "pending"
    assert record["approval"] is None
    assert record["lineage"] == {"git_commit": "def", "is_dirty": False, "data_sha256": "0" * 64}
    assert record["params"] == {"lr": 0.1, "layers": [1, 2]}
    assert record["metrics"] == {"accuracy": 0.93}
    assert record["evaluation"]["primary"] == "accuracy"
    assert record["signature"]["inputs"][0]["datatype"] == "FP32"
    assert abs(record["created_at"] - time.time()) < 60
    [entry] = [model for model in client.models() if model["name"] == "whole"]
    assert [(item["version"], item["state"]) for item in entry["versions"]] == [(1, "pending")]
    assert server.audit()[-1]["what"] == "register a version"


def test_a_job_registers_once_however_often_it_asks(server: Server) -> None:
    url = server.write_artifact("once", "once-1")
    clients = [server.client(Role.TRAINER) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        asked = [
            pool.submit(client.register, url, model="once", job="once-1", by="ann") for client in clients for _ in "ab"
        ]
        numbers = [answer.result() for answer in asked]
    assert set(numbers) == {1}
    assert server.register("once", "once-2") == 2
    assert [version["job"] for version in server.client(Role.VIEWER).versions("once")] == ["once-1", "once-2"]


def test_jobs_that_register_at_once_each_get_a_version(server: Server) -> None:
    with ThreadPoolExecutor(5) as pool:
        numbers = list(pool.map(lambda n: server.register("many", f"many-{n}"), range(5)))
    assert sorted(numbers) == [1, 2, 3, 4, 5]


def test_a_job_cannot_register_other_files_later(server: Server) -> None:
    server.register("fixed", "fixed-1")
    url = server.write_artifact("fixed", "fixed-1", weights=b"other")
    with pytest.raises(Rejected, match=r"job fixed-1 has registered fixed 1 .* never change") as error:
        server.client(Role.TRAINER).register(url, model="fixed", job="fixed-1", by="ann")
    assert error.value.status == 409


def impossible(server: Server) -> dict[str, tuple[dict[str, Any], str]]:
    good = server.write_artifact("faulty", "faulty-1")
    other = server.write_artifact("elsewhere", "faulty-2")
    bare = server.artifacts / "models" / "faulty" / "bare"
    bare.mkdir(exist_ok=True)
    (bare / "weights").write_text("x")
    usual = {"artifact_url": good, "model": "faulty", "job": "faulty-1", "by": "ann"}
    return {
        "outside": ({**usual, "artifact_url": "file:///etc"}, "allowed: a folder in"),
        "above": ({**usual, "artifact_url": good + "/../../../identity"}, "allowed: a folder in"),
        "another cloud": ({**usual, "artifact_url": "s3://bucket/x"}, "allowed: a folder in"),
        "another model's": ({**usual, "artifact_url": other}, "allowed: a folder in"),
        "missing": ({**usual, "artifact_url": good + "-gone"}, "missing or empty"),
        "no model.json": ({**usual, "artifact_url": bare.as_uri()}, "model.json is missing"),
        "job": ({**usual, "job": "it's a job"}, "job"),
        "model": ({**usual, "model": "Faulty!"}, "allowed: a folder in"),
        "digest": ({**usual, "artifact_sha256": "0" * 64}, "as the job says"),
    }


@pytest.mark.parametrize(
    "case",
    ["outside", "above", "another cloud", "another model's", "missing", "no model.json", "job", "model", "digest"],
)
def test_what_is_no_version_is_refused_in_one_line(server: Server, case: str) -> None:
    arguments, message = impossible(server)[case]
    url = arguments.pop("artifact_url")
    with pytest.raises(Rejected) as error:
        server.client(Role.TRAINER).register(url, **arguments)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert error.value.status in (400, 409)
    assert "faulty" not in [model["name"] for model in server.client(Role.VIEWER).models()]


@pytest.mark.parametrize(
    ("model", "version", "message"),
    [
        ("know", 1, "model 'know' is unknown; known: .*known.* Did you mean known"),
        ("known", 7, "known has no version 7; known versions: 1"),
    ],
)
def test_unknown_models_and_versions_say_what_is_known(server: Server, model: str, version: int, message: str) -> None:
    server.register("known", "known-1")
    with pytest.raises(Rejected, match=message) as error:
        server.client(Role.VIEWER).record(model, version)
    assert error.value.status == 404


@pytest.mark.parametrize("path", ["/api/skywright/verify", "/api/skywright/models/m/versions"])
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe", b'"' + b"x" * (1 << 20) + b'"'])
def test_bodies_that_are_no_json_objects_are_400(server: Server, path: str, body: bytes) -> None:
    headers = {"authorization": f"Bearer {server.token(Role.ADMIN)}"}
    answer = server.http.post(server.url + path, content=body, headers=headers)
    assert answer.status_code == 400
    assert "the request's body" in answer.json()["error"]


def test_a_run_is_made_once_a_job_and_takes_batches(server: Server) -> None:
    runs = server.client(Role.TRAINER).runs
    run_id = runs.create_run("run-1", {"lr": 0.1, "name": "cnn"}, {"team": "vision"})
    assert runs.create_run("run-1", {"lr": 0.1}) == run_id
    points = [("loss", 1 / step, step, time.time()) for step in range(1, 1500)]
    runs.log_batch(run_id, [*points, ("loss", math.nan, 0, time.time())])
    runs.log_batch(run_id, points[:10])
    runs.finish(run_id)
    answer = server.request("GET", f"/api/2.0/mlflow/runs/get?run_id={run_id}", Role.VIEWER).json()["run"]
    assert answer["info"]["status"] == "FINISHED"
    assert {pair["key"]: pair["value"] for pair in answer["data"]["params"]} == {"lr": "0.1", "name": "cnn"}
    history = server.request(
        "GET", f"/api/2.0/mlflow/metrics/get-history?run_id={run_id}&metric_key=loss", Role.VIEWER
    ).json()["metrics"]
    assert [point["step"] for point in history] == list(range(1, 1500))
    url = server.write_artifact("run", "run-1")
    version = server.client(Role.TRAINER).register(url, model="run", job="run-1", by="ann")
    assert server.client(Role.VIEWER).record("run", version)["run_id"] == run_id


def test_mlflows_own_client_reads_as_viewer_and_writes_nothing(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server.register("seen", "seen-1", accuracy=0.91)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", server.token(Role.VIEWER))
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    client = MlflowClient(tracking_uri=server.url)
    [version] = client.search_model_versions("name = 'seen'")
    assert version.tags["skywright.job"] == "seen-1"
    run = client.get_run(version.run_id)
    assert run.data.metrics == {"accuracy": 0.91}
    assert run.data.tags["skywright.job"] == "seen-1"
    for write in (
        lambda: client.log_metric(version.run_id, "accuracy", 1.0),
        lambda: client.create_run("1"),
        lambda: client.set_model_version_tag("seen", "1", "skywright.state", "approved"),
        lambda: client.delete_run(version.run_id),
    ):
        with pytest.raises(MlflowException, match="role viewer may not"):
            write()
    note = tmp_path / "note.txt"
    note.write_text("hello")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", server.token(Role.TRAINER))
    client.log_artifact(version.run_id, str(note))
    assert [file.path for file in client.list_artifacts(version.run_id)] == ["note.txt"]


def test_a_registry_that_is_away_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ml_jobs.registry.transport._STEPS_S", (0.01,))
    with pytest.raises(Away, match=r"registry at http://127.0.0.1:9 does not answer"):
        Registry("http://127.0.0.1:9", "token").models()
    with pytest.raises(Away, match="no http URL"):
        Registry("nonsense", "token").models()


def test_the_wrong_role_is_told_so(server: Server) -> None:
    url = server.write_artifact("role", "role-1")
    with pytest.raises(Refused, match="role viewer may not POST"):
        server.client(Role.VIEWER).register(url, model="role", job="role-1", by="ann")


def test_a_version_log_that_was_altered_is_named(server: Server) -> None:
    server.register("altered", "altered-1")
    log = server.artifacts / "models" / "altered" / "versions.jsonl"
    whole = log.read_text()
    try:
        entry = json.loads(whole)
        entry["record"]["by"] = "mallory"
        log.write_text(json.dumps(entry) + "\n")
        with pytest.raises(SkywrightError, match=r"versions.jsonl line 1 was altered"):
            server.client(Role.VIEWER).record("altered", 1)
    finally:
        log.write_text(whole)
    assert server.client(Role.VIEWER).record("altered", 1)["by"] == "ann"
