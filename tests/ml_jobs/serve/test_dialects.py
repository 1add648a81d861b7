"""One model behind every platform's routes: the same predictions, the same refusals, one line each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from serving_house import asking, loaded, make_artifact, make_sklearn_artifact, request

from catalog.errors import UserError
from ml_jobs.serve.app import App, from_settings
from ml_jobs.serve.forms import from_csv, instances
from ml_jobs.serve.protocol import Signature
from ml_jobs.serve.tensors import ProtocolError, TensorSpec

PREDICT = {
    "open-inference-v2": "/v2/models/toy/infer",
    "sagemaker": "/invocations",
    "vertex": "/predict",
    "azureml": "/score",
}
PLATFORMS = [name for name in PREDICT if name != "open-inference-v2"]
READY = {"open-inference-v2": "/v2/health/ready", "sagemaker": "/ping", "vertex": "/health", "azureml": "/ready"}
ROWS = request(3)["inputs"][0]["data"]


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return make_artifact(Path(tmp_path_factory.mktemp("artifact")) / "toy")


@pytest.fixture(scope="module")
def apps(release: dict[str, Any]) -> dict[str, App]:
    return {name: loaded(release, protocol=name, max_body_bytes=20_000, max_rows=10) for name in PREDICT}


@pytest.fixture(scope="module")
def expected(apps: dict[str, App]) -> dict[str, Any]:
    """Straight from the model."""
    model = apps["sagemaker"].served.loaded
    assert model
    return model.predict({"features": np.array(ROWS, np.float32)})


@pytest.mark.parametrize("protocol", PREDICT)
async def test_the_protocols_own_form_is_answered_alike_everywhere(apps, expected, protocol):
    async with asking(apps[protocol]) as http:
        for path in (PREDICT["open-inference-v2"], PREDICT[protocol]):
            answer = (await http.post(path, json=request(3, id="q"))).json()
            assert answer["id"] == "q"
            outputs = {item["name"]: item["data"] for item in answer["outputs"]}
            assert outputs["label"] == expected["label"].tolist()
            np.testing.assert_allclose(outputs["probabilities"], expected["probabilities"].ravel(), atol=1e-6)


@pytest.mark.parametrize("protocol", PLATFORMS)
@pytest.mark.parametrize("rows", [ROWS, [{"features": row} for row in ROWS]])
async def test_instances_become_predictions(apps, expected, protocol, rows):
    async with asking(apps[protocol]) as http:
        answer = await http.post(PREDICT[protocol], json={"instances": rows, "parameters": {}})
    predictions = answer.json()["predictions"]
    assert [row["label"] for row in predictions] == expected["label"].tolist()
    np.testing.assert_allclose([row["probabilities"] for row in predictions], expected["probabilities"], atol=1e-6)


@pytest.mark.parametrize("accept", ["text/csv", "*/*"])
async def test_sagemaker_takes_csv_and_answers_what_is_accepted(apps, expected, accept):
    lines = "\n".join(",".join(map(str, row)) for row in ROWS) + "\n"
    async with asking(apps["sagemaker"]) as http:
        answer = await http.post("/invocations", content=lines, headers={"content-type": "text/csv", "accept": accept})
    if accept == "text/csv":
        cells = [[float(cell) for cell in line.split(",")] for line in answer.text.splitlines()]
        assert answer.headers["content-type"] == "text/csv"
        np.testing.assert_allclose([row[:3] for row in cells], expected["probabilities"], atol=1e-6)
        assert [row[3] for row in cells] == expected["label"].tolist()
    else:
        assert [row["label"] for row in answer.json()["predictions"]] == expected["label"].tolist()


async def test_a_model_of_one_output_predicts_plain_values(tmp_path):
    async with asking(loaded(make_sklearn_artifact(tmp_path / "iris"), protocol="vertex")) as http:
        answer = await http.post("/predict", json={"instances": [[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]]})
    assert answer.json() == {"predictions": [0, 2]}


async def test_vertex_names_its_routes(release):
    app = loaded(release, protocol="vertex", routes={"ready": "/v1/health", "predict": "/v2/models/toy/infer"})
    async with asking(app) as http:
        assert (await http.get("/v1/health")).status_code == 200
        assert len((await http.post("/v2/models/toy/infer", json={"instances": ROWS})).json()["predictions"]) == 3
        assert len((await http.post("/v2/models/toy/infer", json=request(3))).json()["outputs"]) == 2


@pytest.mark.parametrize("protocol", PREDICT)
async def test_a_platform_hears_that_the_model_is_not_ready_or_failed(release, protocol):
    app = from_settings({"release": {**release, "artifact_sha256": "0" * 64}, "protocol": protocol}, {})
    async with asking(app) as http:
        for is_failed, words in ((False, "is being loaded"), (True, "altered")):
            ready = await http.get(READY[protocol])
            assert (ready.status_code, ready.json()["failed"]) == (503, is_failed)
            answer = await http.post(PREDICT[protocol], json=request())
            assert (answer.status_code, list(answer.json())) == (503, ["error"])
            assert words in answer.json()["error"]
            assert answer.headers["retry-after"] == "1"
            if protocol == "azureml":
                assert (await http.get("/")).status_code == 200
            app.load()


BAD: list[tuple[str, dict[str, Any], int, str]] = [
    ("dtype", {"json": {"inputs": [{**request()["inputs"][0], "datatype": "INT32"}]}}, 400, "the model takes FP32"),
    ("shape", {"json": {"inputs": [{**request()["inputs"][0], "shape": [4]}]}}, 400, "the model takes [-1, 4]"),
    ("content type", {"content": b"{}", "headers": {"content-type": "application/xml"}}, 415, "application/json"),
    ("oversize", {"content": b" " * 20_001}, 413, "larger than 20000 bytes"),
    ("too many rows", {"json": request(11)}, 413, "at most 10"),
    ("malformed", {"content": b'{"inputs": ['}, 400, "not JSON"),
    ("nan", {"content": b'{"inputs": [{"name": "features", "data": [NaN]}]}'}, 400, "NaN is not a JSON number"),
    ("half a surrogate pair", {"content": b'{"id": "\\ud800", "inputs": []}'}, 400, "no text"),
    ("compressed", {"content": b"x", "headers": {"content-encoding": "gzip"}}, 415, "compressed"),
]
BAD_ROWS: list[tuple[str, dict[str, Any], int, str]] = [
    ("no rows", {"json": {"instances": []}}, 400, "at least one row"),
    ("a short row", {"json": {"instances": [[1, 2, 3]]}}, 400, "unequal length"),
    ("another name", {"json": {"instances": [{"featurs": [1, 2, 3, 4]}]}}, 400, "does not hold the model's inputs"),
    ("text", {"json": {"instances": [["a", 2, 3, 4]]}}, 400, "takes numbers"),
    ("flat rows", {"json": {"instances": [1, 2, 3, 4]}}, 400, "4 values; its shape [4, 4] needs 16"),
    ("rows beyond the limit", {"json": {"instances": [[1, 2, 3, 4]] * 11}}, 413, "at most 10"),
]
BAD_CSV = [
    ("a header", b"a,b,c,d\n1,2,3,4\n", 400, "line 1 has 'a'"),
    ("a short line", b"1,2,3\n", 400, "line 1 has 3 cells; the model takes 4"),
    ("nan", b"1,2,3,nan\n", 400, "must be finite"),
    ("nothing", b"\n", 400, "no line"),
    ("bytes", b"\xff\xfe", 400, "not CSV"),
    ("many lines", b"1,2,3,4\n" * 11, 413, "at most 10"),
]


@pytest.mark.parametrize("protocol", PREDICT)
async def test_bad_input_is_one_error_in_each_dialect(apps, protocol):
    cases = BAD + (BAD_ROWS if protocol in PLATFORMS else [])
    if protocol == "sagemaker":
        cases += [
            (name, {"content": body, "headers": {"content-type": "text/csv"}}, status, words)
            for name, body, status, words in BAD_CSV
        ]
    async with asking(apps[protocol]) as http:
        for name, sent, status, words in cases:
            answer = await http.post(PREDICT[protocol], **sent)
            told = answer.json()
            assert (answer.status_code, list(told)) == (status, ["error"]), name
            assert words in told["error"], (name, told)
            assert "\n" not in told["error"]


async def test_routes_of_other_platforms_are_not_there(apps):
    async with asking(apps["sagemaker"]) as http:
        for path in ("/score", "/predict"):
            assert (await http.post(path, json=request())).status_code == 404
        assert (await http.get("/invocations")).headers["allow"] == "POST"


def test_an_unknown_protocol_is_said_with_the_known_ones(release):
    with pytest.raises(UserError, match="'kserve'; allowed: open-inference-v2, sagemaker, vertex, azureml"):
        from_settings({"release": release, "protocol": "kserve"}, {})


SEVERAL = Signature(
    (TensorSpec("age", "INT32", (-1,)), TensorSpec("name", "BYTES", (-1, 1)), TensorSpec("grid", "FP64", (-1, 2, 2))),
    (TensorSpec("label", "INT64", (-1,)),),
)


GRIDS = st.lists(st.floats(-9, 9), min_size=4, max_size=4)


@given(st.lists(st.tuples(st.integers(-99, 99), st.text('ab, "', max_size=5), GRIDS), min_size=1, max_size=5))
def test_csv_and_instances_are_the_same_columns(rows):
    import csv
    import io

    text = io.StringIO()
    csv.writer(text).writerows([age, name, *grid] for age, name, grid in rows)
    named = [{"age": age, "name": [name], "grid": [grid[:2], grid[2:]]} for age, name, grid in rows]
    assert from_csv(text.getvalue().encode(), SEVERAL) == instances(json.loads(json.dumps(named)), SEVERAL)


def test_inputs_of_any_length_do_not_fit_into_csv():
    with pytest.raises(ProtocolError, match="any length") as error:
        from_csv(b"1\n", Signature((TensorSpec("x", "FP32", (-1, -1)),), SEVERAL.outputs))
    assert error.value.status == 415
