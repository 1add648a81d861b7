"""The protocol apart from HTTP: what is taken, what is refused and in which words."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_jobs.serve.protocol import Signature, parse_request, render_response
from ml_jobs.serve.tensors import DATATYPES, ProtocolError, TensorSpec, parse_tensor, render_tensor

SIGNATURE = Signature(
    (TensorSpec("features", "FP32", (-1, 4)),),
    (TensorSpec("probabilities", "FP32", (-1, 3)), TensorSpec("label", "INT64", (-1,))),
)


def body(**changes: Any) -> bytes:
    tensor = {"name": "features", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}
    tensor.update(changes)
    return json.dumps({"inputs": [{key: value for key, value in tensor.items() if value is not ...}]}).encode()


def parse(raw: bytes, max_rows: int = 8) -> Any:
    return parse_request(raw, SIGNATURE, max_rows=max_rows)


@pytest.mark.parametrize("data", [[1, 2, 3, 4, 5, 6, 7, 8], [[1, 2, 3, 4], [5, 6, 7, 8]]])
def test_flat_and_nested_data_mean_the_same(data):
    array = parse(body(shape=[2, 4], data=data)).inputs["features"]
    assert array.dtype == np.float32
    assert array.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "empty"),
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        pytest.param(b"[" * 100_000, "nested too deeply", id="deep"),
        (b"[]", "must be an object"),
        (b"{}", "'inputs' must be a list"),
        (b'{"inputs": []}', "at least one tensor; the model takes features"),
        (b'{"inputs": [1]}', "with a 'name'"),
        (body(name="featurs"), "Did you mean features?"),
        (body(name=7), "with a 'name'"),
        (body(datatype="FP64"), "the model takes FP32"),
        (body(datatype="FLOAT"), "the protocol knows BOOL"),
        (body(datatype=...), "datatype null"),
        (body(shape=...), "shape null"),
        (body(shape=[1, 5], data=[1, 2, 3, 4, 5]), "the model takes [-1, 4]"),
        (body(shape=[4]), "the model takes [-1, 4]"),
        (body(shape=[-1, 4]), "whole numbers"),
        (body(shape=[True, 4]), "whole numbers"),
        (body(shape=[1.0, 4]), "whole numbers"),
        (body(shape=[0, 4], data=[]), "no rows"),
        (body(data=...), "no 'data'"),
        (body(data={"0": 1}), "must be a JSON array"),
        (body(data=[1, 2, 3]), "3 values; its shape [1, 4] needs 4"),
        (body(data=[1, 2, 3, "4"]), "takes numbers"),
        (body(data=[1, 2, 3, None]), "null among its data"),
        (body(data=[1, 2, 3, True]), "true among its data"),
        (body(data=[1, 2, 3, 1e39]), "values must be finite"),
        (body(data=[1, 2, 3, 10**400]), "beyond FP32"),
        (body(data=[1, 2, 3, float("nan")]), "NaN is not a JSON number"),
        (body(data=[1, 2, 3, float("-inf")]), "-Infinity is not a JSON number"),
        (body(shape=[2, 4], data=[[1, 2, 3, 4], [5, 6, 7]]), "unequal length"),
        (body(shape=[2, 4], data=[[1, 2, 3, 4], 5]), "unequal length"),
        (body(shape=[2, 4], data=[[1, 2, 3, 4]]), "not nested as its shape"),
        (body(data=[[[1, 2, 3, 4]]]), "unequal length"),
        (body(data=[1, [2], 3, 4]), "a list among its data"),
        (body(data=[[[[1]]]]), "unequal length"),
        (body(parameters=3), "parameters of input"),
        (json.dumps({"id": 4, **json.loads(body())}).encode(), "id is 4"),
        (json.dumps({"outputs": [{"name": "lable"}], **json.loads(body())}).encode(), "Did you mean label?"),
        (json.dumps({"outputs": {}, **json.loads(body())}).encode(), "'outputs' must be a list"),
        (json.dumps({"inputs": json.loads(body())["inputs"] * 2}).encode(), "given twice"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_one_line(raw, words):
    with pytest.raises(ProtocolError) as error:
        parse(raw)
    assert words in str(error.value)
    assert error.value.status == 400
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


def test_too_many_rows_are_413():
    with pytest.raises(ProtocolError, match="9 rows; at most 8") as error:
        parse(body(shape=[9, 4], data=[0] * 36))
    assert error.value.status == 413


def test_outputs_are_selectable_in_the_order_asked_for_and_the_id_is_echoed():
    raw = json.loads(body()) | {
        "id": "q1",
        "outputs": [{"name": "label", "parameters": {"x": 1}}],
        "parameters": {"a": 1},
    }
    request = parse(json.dumps(raw).encode())
    outputs = {"label": np.array([2]), "probabilities": np.ones((1, 3), np.float32)}
    answer = json.loads(render_response(request, outputs, SIGNATURE, model="toy", version="3"))
    assert answer == {
        "model_name": "toy", "model_version": "3", "id": "q1",
        "outputs": [{"name": "label", "datatype": "INT64", "shape": [1], "data": [2]}],
    }  # fmt: skip


def test_an_answer_that_is_not_finite_is_an_error_not_invalid_json():
    outputs = {"label": np.array([2]), "probabilities": np.full((1, 3), np.nan, np.float32)}
    with pytest.raises(ProtocolError, match="not finite"):
        render_response(parse(body()), outputs, SIGNATURE, model="toy", version="3")


VALUES: dict[str, Any] = {
    "BOOL": st.booleans(),
    "BYTES": st.text(max_size=5),
    "FP16": st.floats(width=16, allow_nan=False, allow_infinity=False),
    "FP32": st.floats(width=32, allow_nan=False, allow_infinity=False),
    "FP64": st.floats(allow_nan=False, allow_infinity=False),
    **{
        name: st.integers(int(np.iinfo(kind).min), int(np.iinfo(kind).max))
        for name, kind in DATATYPES.items()
        if "INT" in name
    },
}


@given(st.data(), st.sampled_from(sorted(DATATYPES)), st.integers(1, 4), st.integers(1, 3))
def test_every_datatype_comes_back_as_it_went_in(data, datatype, rows, columns):
    values = data.draw(st.lists(VALUES[datatype], min_size=rows * columns, max_size=rows * columns))
    spec = TensorSpec("t", datatype, (-1, columns))
    wire = json.loads(json.dumps({"datatype": datatype, "shape": [rows, columns], "data": values}))
    tensor = render_tensor(parse_tensor(wire, spec, max_rows=10), spec)
    assert tensor["data"] == values
    assert tensor["shape"] == [rows, columns]


@pytest.mark.parametrize(
    ("datatype", "value"),
    [("UINT8", 256), ("UINT8", -1), ("INT8", 128), ("INT64", 2**63), ("INT32", 1.0), ("INT32", True), ("BOOL", 1),
     ("BYTES", 1), ("FP16", 70_000), ("FP64", "1")],
)  # fmt: skip
def test_values_beyond_their_datatype_are_refused(datatype, value):
    with pytest.raises(ProtocolError):
        parse_tensor(
            {"datatype": datatype, "shape": [1], "data": [value]}, TensorSpec("t", datatype, (-1,)), max_rows=1
        )


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["name", "datatype", "shape", "data", "parameters"]), json_values))
def test_no_request_ends_otherwise_than_parsed_or_refused(changes):
    with contextlib.suppress(ProtocolError):
        parse(body(**changes))
