"""The protocol apart from HTTP: what is taken, what is refused and in which words."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_jobs.serve.protocol import Signature, parse_request, render_binary, render_response
from ml_jobs.serve.tensors import DATATYPES, ProtocolError, TensorSpec, parse_tensor, render_tensor, to_bytes

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


def binary(raw: bytes, size: Any = 16, **more: Any) -> tuple[bytes, int]:
    """A request whose only input is binary: the body, and how much of it is JSON."""
    parameters = {} if size is ... else {"binary_data_size": size}
    tensor = {"name": "features", "datatype": "FP32", "shape": [1, 4], "parameters": parameters}
    head = json.dumps({"inputs": [tensor], **more}).encode()
    return head + raw, len(head)


ONES = np.ones(4, "<f4").tobytes()


def test_binary_data_is_read_and_answered_as_asked():
    body, size = binary(
        ONES, outputs=[{"name": "label", "parameters": {"binary_data": True}}, {"name": "probabilities"}]
    )
    request = parse_request(body, SIGNATURE, max_rows=8, json_bytes=size)
    assert request.inputs["features"].tolist() == [[1, 1, 1, 1]]
    outputs = {"label": np.array([2]), "probabilities": np.ones((1, 3), np.float32)}
    answer, head = render_binary(request, outputs, SIGNATURE, model="toy", version="3")
    label, probabilities = json.loads(answer[:head])["outputs"]
    assert label == {"name": "label", "datatype": "INT64", "shape": [1], "parameters": {"binary_data_size": 8}}
    assert probabilities["data"] == [1, 1, 1]
    assert answer[head:] == (2).to_bytes(8, "little")


def test_all_outputs_are_binary_when_the_request_says_so_of_itself():
    body, size = binary(ONES, parameters={"binary_data_output": True})
    assert parse_request(body, SIGNATURE, max_rows=8, json_bytes=size).binary == {"label", "probabilities"}


@pytest.mark.parametrize(
    ("asked", "json_bytes", "words"),
    [
        (binary(ONES[:12]), None, "12 bytes follow the JSON; the binary_data_size of the inputs sum to 16"),
        (binary(ONES + b"x"), None, "17 bytes follow the JSON"),
        (binary(ONES[:12], 12), None, "has 12 bytes; FP32 of shape [1, 4] needs 16"),
        (binary(ONES, -1), None, "whole number of bytes"),
        (binary(ONES, "16"), None, "whole number of bytes"),
        (binary(ONES, ...), None, "16 bytes follow the JSON; the binary_data_size of the inputs sum to 0"),
        (binary(np.array([1, 2, 3, np.nan], "<f4").tobytes()), None, "must be finite"),
        (binary(ONES), 9999, "Inference-Header-Content-Length is 9999"),
        (binary(ONES), 0, "Inference-Header-Content-Length is 0"),
        (binary(ONES, parameters={"binary_data_output": 1}), None, "must be true or false"),
        (
            binary(ONES, outputs=[{"name": "label", "parameters": {"binary_data": "yes"}}]),
            None,
            "must be true or false",
        ),
    ],
)
def test_binary_data_that_does_not_fit_is_said_in_one_line(asked, json_bytes, words):
    body, size = asked
    with pytest.raises(ProtocolError) as error:
        parse_request(body, SIGNATURE, max_rows=8, json_bytes=size if json_bytes is None else json_bytes)
    assert words in str(error.value)


def test_a_binary_answer_that_is_not_finite_is_an_error_too():
    body, size = binary(ONES, parameters={"binary_data_output": True})
    request = parse_request(body, SIGNATURE, max_rows=8, json_bytes=size)
    outputs = {"label": np.array([2]), "probabilities": np.full((1, 3), np.inf, np.float32)}
    with pytest.raises(ProtocolError, match="not finite"):
        render_binary(request, outputs, SIGNATURE, model="toy", version="3")


@given(st.data(), st.sampled_from(sorted(DATATYPES)), st.integers(1, 4), st.integers(1, 3))
def test_every_datatype_comes_back_from_binary_as_it_went_in(data, datatype, rows, columns):
    values = data.draw(st.lists(VALUES[datatype], min_size=rows * columns, max_size=rows * columns))
    spec = TensorSpec("t", datatype, (-1, columns))
    raw = to_bytes(np.array(values, DATATYPES[datatype]))
    array = parse_tensor({"datatype": datatype, "shape": [rows, columns]}, spec, max_rows=10, raw=raw)
    assert array.shape == (rows, columns) and array.dtype == DATATYPES[datatype]
    assert array.ravel().tolist() == values


@pytest.mark.parametrize(
    ("datatype", "raw", "words"),
    [
        ("BOOL", b"\x02", "neither 0 nor 1"),
        ("BYTES", b"\x01\0\0\0\xff", "not UTF-8"),
        ("BYTES", b"\x05\0\0\0ab", "after its length"),
        ("BYTES", b"\x01\0\0\0a\x01\0\0\0b", "after its length"),
        ("BYTES", b"\xff\xff\xff\xff", "after its length"),
    ],
)
def test_bytes_that_no_datatype_has_are_refused(datatype, raw, words):
    with pytest.raises(ProtocolError, match=words):
        parse_tensor({"datatype": datatype, "shape": [1]}, TensorSpec("t", datatype, (-1,)), max_rows=1, raw=raw)


@given(st.binary(max_size=40), st.integers(0, 60), st.integers(0, 40))
def test_no_binary_request_ends_otherwise_than_parsed_or_refused(raw, json_bytes, size):
    with contextlib.suppress(ProtocolError):
        body, head = binary(raw, size)
        parse_request(body, SIGNATURE, max_rows=8, json_bytes=head)
        parse_request(body, SIGNATURE, max_rows=8, json_bytes=json_bytes)


@pytest.mark.parametrize("value", [10**400, 2**64, -(2**70)])
def test_whole_numbers_beyond_the_fast_parser_are_judged_alike(value):
    with pytest.raises(ProtocolError, match="INT64 holds"):
        parse_tensor(
            json.loads(json.dumps({"datatype": "INT64", "shape": [1], "data": [value]})),
            TensorSpec("t", "INT64", (-1,)),
            max_rows=1,
        )
    signature = Signature((TensorSpec("t", "INT64", (-1,)),), SIGNATURE.outputs)
    raw = json.dumps({"inputs": [{"name": "t", "datatype": "INT64", "shape": [1], "data": [value]}]}).encode()
    with pytest.raises(ProtocolError):
        parse_request(raw, signature, max_rows=1)
