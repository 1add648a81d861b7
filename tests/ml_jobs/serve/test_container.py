"""A server as an image runs it, on its platform's variables: asked by Triton's client, overloaded, drained."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
import tritonclient.http as triton
from load_client import closed_loop, open_loop, request_bytes
from serving_house import House, answers, asking, eventually, loaded, make_artifact, make_sklearn_artifact, request
from tritonclient.utils import InferenceServerException

MAX_WAIT_S = 0.2


@pytest.fixture(scope="module")
def port(house: House) -> int:
    """Of a perceptron that takes a while, with a small bound."""
    release = make_artifact(house.root / "artifacts" / "models" / "heavy" / "job-1", sizes=(4, 1024, 1024, 3))
    limits = json.dumps({"max_wait_s": MAX_WAIT_S, "max_queue": 64})
    port, process = house.container(release, SKYWRIGHT_SERVE=limits)
    eventually("the server is ready", answers(f"http://127.0.0.1:{port}/v2/health/ready"))
    house.pid = process.pid
    return port


@pytest.fixture
def client(port: int) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(f"127.0.0.1:{port}") as client:
        yield client


def tensor(rows: Any, *, binary: bool, datatype: str = "FP32") -> triton.InferInput:
    rows = np.asarray(rows, {"FP32": np.float32, "FP64": np.float64}[datatype])
    given = triton.InferInput("features", rows.shape, datatype)
    given.set_data_from_numpy(rows, binary_data=binary)
    return given


def test_triton_finds_the_server_and_the_model(client):
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("toy")
    assert client.is_model_ready("toy", "1") and not client.is_model_ready("toy", "2")
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    described = client.get_model_metadata("toy")
    assert described["inputs"] == [{"name": "features", "datatype": "FP32", "shape": [-1, 4]}]


@pytest.mark.parametrize("sends_binary", [True, False])
@pytest.mark.parametrize("wants_binary", [True, False, None])
def test_triton_gets_the_golden_answers_in_json_and_in_binary(house, client, sends_binary, wants_binary):
    golden = json.loads((house.root / "artifacts/models/heavy/job-1/golden.json").read_text())
    outputs = None
    if wants_binary is not None:
        outputs = [triton.InferRequestedOutput(name, binary_data=wants_binary) for name in ("label", "probabilities")]
    given = tensor(golden["inputs"]["features"], binary=sends_binary)
    answer = client.infer("toy", [given], outputs=outputs, request_id="q7")
    assert answer.get_response()["id"] == "q7"
    assert answer.as_numpy("label").tolist() == golden["outputs"]["label"]
    np.testing.assert_allclose(answer.as_numpy("probabilities"), golden["outputs"]["probabilities"], atol=1e-4)


@pytest.mark.parametrize(
    ("model", "given", "words"),
    [
        ("tyo", {"rows": [[1, 2, 3, 4]]}, "serves 'toy'"),
        ("toy", {"rows": [[1, 2, 3]]}, "the model takes [-1, 4]"),
        ("toy", {"rows": [[1, 2, 3, 4]], "datatype": "FP64"}, "the model takes FP32"),
        ("toy", {"rows": [[1, 2, 3, np.nan]]}, "must be finite"),
    ],
)
def test_triton_is_told_what_is_wrong(client, model, given, words):
    with pytest.raises(InferenceServerException) as error:
        client.infer(model, [tensor(**given, binary=True)])
    assert words in error.value.message()


def test_twice_what_it_holds_is_told_to_come_again_and_the_rest_is_answered_in_time(house, port):
    """Three seconds of what `tests/bench/serving.py` does for a minute."""
    asked = request_bytes("/v2/models/toy/infer", request(32))
    holds = closed_loop(port, asked, 16, 1.0)
    assert holds.errors == 0
    server = psutil.Process(house.pid)
    before = server.memory_info().rss
    seen = open_loop(port, asked, 2 * holds.rate, 256, 3.0)
    assert set(seen.seconds) <= {200, 429, 503} and seen.unanswered == 0
    assert len(seen.seconds[429]) + len(seen.seconds[503]) > 0.1 * len(seen.seconds[200]) > 10
    assert seen.quantile_ms(0.99) < 1000 * (1.5 * MAX_WAIT_S + 0.5)  # the half second is the machine's, for others
    assert server.memory_info().rss - before < 64 << 20
    assert closed_loop(port, asked, 1, 0.2).errors == 0
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
    assert 'skywright_server_rejected_total{code="429"' in text
    assert 'skywright_server_queue{model="toy",release="toy",version="1"} 0.0' in text
    assert 'skywright_server_in_flight{model="toy",release="toy",version="1"} 0.0' in text


def test_vertex_is_served_by_its_variables_from_its_folder_and_sigterm_drains(house):
    release = make_sklearn_artifact(house.root / "mounted")
    port, process = house.container(
        {**release, "artifact_url": "gs://not/there"},
        "AIP_HTTP_PORT",
        AIP_HEALTH_ROUTE="/healthy",
        AIP_PREDICT_ROUTE="/ask",
        AIP_STORAGE_URI=str(house.root / "mounted"),
    )
    url = f"http://127.0.0.1:{port}"
    eventually("it is healthy", answers(f"{url}/healthy"))
    half_sent, finish = threading.Event(), threading.Event()

    def slow_body() -> Iterator[bytes]:
        yield b'{"instances": [[5.1, 3.5, '
        half_sent.set()
        finish.wait(20)
        yield b"1.4, 0.2]]}"

    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(httpx.post, f"{url}/ask", content=slow_body(), trust_env=False, timeout=30)
        assert half_sent.wait(10)
        eventually(
            "the request is in flight",
            lambda: (
                'in_flight{model="iris",release="iris",version="1"} 1.0'
                in httpx.get(f"{url}/metrics", trust_env=False).text
            ),
        )
        process.terminate()
        eventually("it takes no more connections", lambda: answers(f"{url}/healthy")() is None)
        finish.set()
        assert answer.result(20).json() == {"predictions": [0]}
    assert process.wait(20) == 0


async def test_a_server_that_drains_is_not_ready_and_answers_what_had_been_sent(tmp_path):
    app = loaded(make_artifact(tmp_path / "toy"))
    async with asking(app) as http:
        assert (await http.post("/v2/models/toy/infer", json=request())).status_code == 200
        app.drain()
        assert (await http.get("/v2/health/live")).status_code == 200
        for path in ("/v2/health/ready", "/v2/models/toy/ready"):
            assert (await http.get(path)).status_code == 503
            assert "draining" in (await http.get(path)).json()["error"]
        assert (await http.post("/v2/models/toy/infer", json=request())).status_code == 200
        assert "skywright_server_ready{" in (text := (await http.get("/metrics")).text)
        assert 'ready{model="toy",release="toy",version="1"} 0.0' in text


async def test_bodies_that_wait_are_bounded_together(tmp_path):
    app = loaded(make_artifact(tmp_path / "toy"), max_pending_bytes=100)
    async with asking(app) as http:
        answer = await http.post("/v2/models/toy/infer", json=request(8))
    assert answer.status_code == 429
    assert "bytes of requests are pending" in answer.json()["error"]


async def test_a_large_body_that_does_not_arrive_is_given_up(tmp_path):
    app = loaded(make_artifact(tmp_path / "toy"), read_timeout_s=0.01)
    sent: list[dict[str, Any]] = []
    scope = {
        "type": "http", "method": "POST", "path": "/v2/models/toy/infer", "headers": [(b"content-length", b"1000000")],
    }  # fmt: skip

    async def never() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, never, send)
    assert sent[0]["status"] == 408
