"""A model server as a process: what it answers, whom it refuses, when it is ready, how it ends."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from serving_house import House, answers, eventually, make_artifact, request, stop

from catalog.errors import SkywrightError, UserError
from ml_jobs.contract import Release
from ml_jobs.identity import Role
from ml_jobs.serve.served import open_release

INFER = "/v2/models/toy/infer"


@pytest.fixture(scope="module")
def artifact(house: House) -> dict:
    return make_artifact(house.root / "artifacts" / "models" / "toy" / "job-1", version=3)


@pytest.fixture(scope="module")
def url(house: House, artifact: dict) -> str:
    url, _ = house.server("stable", artifact, max_rows=100, max_body_bytes=50_000)
    eventually("the server is ready", answers(f"{url}/v2/health/ready"))
    return url


def test_it_speaks_the_whole_protocol(house, url):
    with house.client(url) as http:
        assert http.get("/v2").json()["name"] == "skywright"
        assert http.get("/v2/health/live").json() == {"live": True}
        assert http.get("/v2/health/ready").json() == {"ready": True}
        for path in ("/v2/models/toy", "/v2/models/toy/versions/3"):
            assert http.get(path).json() == {
                "name": "toy",
                "versions": ["3"],
                "platform": "torch_safetensors",
                "inputs": [{"name": "features", "datatype": "FP32", "shape": [-1, 4]}],
                "outputs": [
                    {"name": "probabilities", "datatype": "FP32", "shape": [-1, 3]},
                    {"name": "label", "datatype": "INT64", "shape": [-1]},
                ],
            }
            assert http.get(f"{path}/ready").json() == {"name": "toy", "ready": True}
            answer = http.post(f"{path}/infer", json=request(2, id="a")).json()
            assert (answer["model_name"], answer["model_version"], answer["id"]) == ("toy", "3", "a")
            assert [(output["name"], output["shape"]) for output in answer["outputs"]] == [
                ("probabilities", [2, 3]), ("label", [2]),
            ]  # fmt: skip


def test_its_answers_are_the_golden_ones(house, url, artifact):
    golden = json.loads(Path(artifact["artifact_url"].removeprefix("file://"), "golden.json").read_text())
    rows = golden["inputs"]["features"]
    body = {"inputs": [{"name": "features", "datatype": "FP32", "shape": [32, 4], "data": rows}]}
    with house.client(url) as http:
        outputs = {item["name"]: item["data"] for item in http.post(INFER, json=body).json()["outputs"]}
    assert outputs["label"] == golden["outputs"]["label"]
    np.testing.assert_allclose(
        np.reshape(outputs["probabilities"], (32, 3)), golden["outputs"]["probabilities"], atol=1e-4
    )


@pytest.mark.parametrize(
    ("method", "path", "sent", "status", "words"),
    [
        ("POST", INFER, {"content": b"{"}, 400, "not JSON"),
        ("POST", INFER, {"json": {"inputs": []}}, 400, "the model takes features"),
        ("POST", INFER, {"json": request(101)}, 413, "at most 100"),
        ("POST", INFER, {"content": b" " * 50_001}, 413, "larger than 50000 bytes"),
        ("POST", INFER, {"content": (b" " * 1000 for _ in range(60))}, 413, "larger than 50000 bytes"),
        ("POST", INFER, {"content": b"{}", "headers": {"content-type": "text/csv"}}, 415, "send application/json"),
        ("POST", INFER, {"content": b"{}", "headers": {"content-encoding": "gzip"}}, 415, "compressed"),
        ("POST", "/v2/models/tyo/infer", {"json": request()}, 404, "serves 'toy'"),
        ("POST", "/v2/models/toy/versions/4/infer", {"json": request()}, 404, "serves 3"),
        ("GET", "/v2/models/tyo", {}, 404, "serves 'toy'"),
        ("GET", INFER, {}, 405, "Method Not Allowed"),
        ("GET", "/v2/modells", {}, 404, "there are"),
        ("DELETE", "/v2/models/toy", {}, 405, "there are"),
    ],
)
def test_bad_requests_get_the_protocols_error_object(house, url, method, path, sent, status, words):
    with house.client(url) as http:
        answer = http.request(method, path, **sent)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
    assert words in answer.json()["error"]


@pytest.mark.parametrize("role", [None, *Role])
def test_only_the_router_and_an_admin_may_ask_the_model(house, url, role):
    with house.client(url, role) as http:
        status = http.post(INFER, json=request()).status_code
        assert status == (401 if role is None else 200 if role in (Role.SERVER, Role.ADMIN) else 403)
        assert http.get("/v2/models/toy").status_code == (401 if role is None else 200)
        assert http.get("/v2/health/ready").status_code == 200
        assert http.get("/healthz").json()["name"] == "server-stable"


def test_metrics_are_labelled_by_release(house, url):
    with house.client(url) as http:
        http.post(INFER, json=request(5))
        text = http.get("/metrics").text
    labels = '{model="toy",release="stable",version="3"}'
    assert f"skywright_server_ready{labels} 1.0" in text
    assert f"skywright_model_seconds_count{labels}" in text
    assert 'skywright_server_requests_total{code="200",model="toy",release="stable",version="3"}' in text


def test_many_callers_at_once_each_get_their_own_answer(house, url):
    with house.client(url) as http, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: http.post(INFER, json=request(n % 7 + 1, id=str(n))).json(), range(160)))
    assert [(answer["id"], answer["outputs"][0]["shape"][0]) for answer in answers] == [
        (str(n), n % 7 + 1) for n in range(160)
    ]


def test_sigterm_finishes_what_is_in_flight_and_exits_0(house, artifact):
    url, process = house.server("drained", artifact)
    eventually("the server is ready", answers(f"{url}/v2/health/ready"))
    half_sent, finish = threading.Event(), threading.Event()

    def slow_body():
        raw = json.dumps(request()).encode()
        yield raw[:20]
        half_sent.set()
        finish.wait(20)
        yield raw[20:]

    def ask() -> int:
        with house.client(url) as http:
            return http.post(INFER, content=slow_body()).status_code

    with ThreadPoolExecutor(1) as pool:
        status = pool.submit(ask)
        half_sent.wait(10)
        eventually("the request is in flight", lambda: answers(f"{url}/v2/health/live")())
        process.terminate()
        eventually("it takes no more connections", lambda: answers(f"{url}/v2/health/live")() is None)
        finish.set()
        assert status.result(20) == 200
    assert process.wait(20) == 0


def damaged(house: House, name: str, damage) -> Release:
    folder = house.root / "artifacts" / "models" / "toy" / name
    release = make_artifact(folder)
    damage(folder)
    return Release.model_validate(release)


def edit(path: Path, change) -> None:
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def test_an_altered_artifact_is_never_ready_and_says_why(house):
    release = damaged(house, "altered", lambda folder: edit(folder / "golden.json", lambda data: data.update(x=1)))
    url, process = house.server("altered", release.model_dump())
    eventually(
        "loading has failed", lambda: (answer := answers(f"{url}/v2/health/ready", 503)()) and answer.json()["failed"]
    )
    with house.client(url) as http:
        ready = http.get("/v2/health/ready")
        assert ready.status_code == 503
        assert "the release says" in ready.json()["error"]
        assert http.post(INFER, json=request()).status_code == 503
        assert "skywright_server_ready" in http.get("/metrics").text
        assert " 1.0\n" not in http.get("/metrics").text.partition("skywright_server_ready{")[2].partition("#")[0]
    assert "altered after it was approved" in house.log("server-altered")
    assert stop(process) == 0


def rehashed(house: House, name: str, damage) -> Release:
    """An artifact that was wrong already when its digest was taken."""
    from ml_jobs.registry.artifact import digest

    release = damaged(house, name, damage)
    return release.model_copy(update={"artifact_sha256": digest(release.artifact_url)})


MODEL, GOLDEN = "model.json", "golden.json"


@pytest.mark.parametrize(
    ("name", "damage", "words"),
    [
        ("off", lambda f: edit(f / GOLDEN, lambda d: d["outputs"]["probabilities"][3].__setitem__(1, 2.0)), "in row 3"),
        ("label", lambda f: edit(f / GOLDEN, lambda d: d["outputs"]["label"].__setitem__(0, 7)), "label is off"),
        ("short", lambda f: edit(f / GOLDEN, lambda d: d["outputs"]["label"].pop()), "same number"),
        ("none", lambda f: (f / GOLDEN).unlink(), "golden.json can't be read"),
        ("torn", lambda f: (f / MODEL).write_text("{"), "model.json can't be read"),
        ("newer", lambda f: edit(f / MODEL, lambda d: d.update(format_version=2)), "this server reads 1"),
        ("other", lambda f: edit(f / MODEL, lambda d: d.update(model="fraud")), "the release is of 'toy'"),
        ("weights", lambda f: (f / "weights.safetensors").write_bytes(b"\x80\x04junk"), "safetensors"),
        ("shape", lambda f: edit(f / MODEL, lambda d: d["architecture"].update(params={"sizes": [4, 3]})), "don't fit"),
        ("framework", lambda f: edit(f / MODEL, lambda d: d.update(framework="pickle")), "known: onnx, sklearn, torch"),
        ("code", lambda f: edit(f / MODEL, lambda d: d["architecture"].update(entry="os:system")), "allowed:"),
        ("gone", lambda f: edit(f / MODEL, lambda d: d["architecture"].update(entry="ml_jobs.no:x")), "not installed"),
        ("path", lambda f: edit(f / MODEL, lambda d: d.update(weights="../x")), "weights"),
        ("dtype", lambda f: edit(f / MODEL, lambda d: d["inputs"][0].update(datatype="F32")), "known: BOOL"),
    ],
)  # fmt: skip
def test_a_model_that_is_not_whole_or_answers_otherwise_is_not_served(house, name, damage, words):
    with pytest.raises(SkywrightError) as error:
        open_release(rehashed(house, f"bad-{name}", damage))
    assert words in str(error.value)


def test_a_golden_mismatch_is_never_ready(house):
    wrong = rehashed(
        house, "golden", lambda f: edit(f / GOLDEN, lambda d: d["outputs"]["probabilities"][3].__setitem__(1, 2.0))
    )
    url, _ = house.server("golden", wrong.model_dump())
    answer = eventually(
        "loading has failed", lambda: (a := answers(f"{url}/v2/health/ready", 503)()) and a.json()["failed"] and a
    )
    assert "answers its golden rows otherwise" in answer.json()["error"]


def test_a_missing_artifact_says_so(tmp_path):
    release = Release(model="toy", version=1, artifact_url=(tmp_path / "no").as_uri(), artifact_sha256="0" * 64)
    with pytest.raises(SkywrightError, match="is not there"):
        open_release(release)


def test_settings_without_a_release_are_one_line(house):
    process = house.start("ml_jobs.local.server", house.config("server-empty", {}))
    assert process.wait(60) == UserError.exit_code
    assert house.log("server-empty").startswith("error: settings of a model server have no 'release'")
