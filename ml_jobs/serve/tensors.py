"""Tensors of the Open Inference Protocol v2: their datatypes, and strict ways from JSON to arrays and back."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

FLOATS: dict[str, Any] = {"FP16": np.float16, "FP32": np.float32, "FP64": np.float64}
INTEGERS: dict[str, Any] = {
    "UINT8": np.uint8, "UINT16": np.uint16, "UINT32": np.uint32, "UINT64": np.uint64,
    "INT8": np.int8, "INT16": np.int16, "INT32": np.int32, "INT64": np.int64,
}  # fmt: skip
DATATYPES: dict[str, Any] = {"BOOL": np.bool_, **INTEGERS, **FLOATS, "BYTES": np.object_}
"""The protocol's datatypes and the arrays that hold them; BYTES are strings."""


class ProtocolError(Exception):
    """What the caller got wrong; becomes the protocol's error object with `status`."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output of a model. -1 in `shape` stands for any length; the first -1 is the batch."""

    name: str
    datatype: str
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.datatype not in DATATYPES:
            raise ValueError(f"tensor {self.name} has datatype {self.datatype!r}; known: {', '.join(DATATYPES)}")

    def metadata(self) -> dict[str, Any]:
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}


def fits(shape: tuple[int, ...], spec: TensorSpec) -> bool:
    return len(shape) == len(spec.shape) and all(
        want in (-1, given) for given, want in zip(shape, spec.shape, strict=True)
    )


def parse_tensor(tensor: dict[str, Any], spec: TensorSpec, *, max_rows: int, raw: bytes | None = None) -> Array:
    """A request's tensor as an array of `spec`'s datatype. `data` may be flat, row-major, or nested as `shape` says;
    `raw`: its binary data instead."""
    where = f"input {spec.name!r}"
    datatype = tensor.get("datatype")
    if datatype != spec.datatype:
        is_known = isinstance(datatype, str) and datatype in DATATYPES
        known = "" if is_known else f" (the protocol knows {', '.join(DATATYPES)})"
        raise ProtocolError(f"{where} has datatype {_brief(datatype)}; the model takes {spec.datatype}{known}")
    shape = _shape(tensor.get("shape"), where)
    if not fits(shape, spec):
        raise ProtocolError(f"{where} has shape {list(shape)}; the model takes {list(spec.shape)} (-1: any length)")
    if shape and spec.shape[0] == -1:
        if shape[0] == 0:
            raise ProtocolError(f"{where} has no rows; send 1 to {max_rows}")
        if shape[0] > max_rows:
            raise ProtocolError(f"{where} has {shape[0]} rows; at most {max_rows} are taken: send smaller batches", 413)
    if raw is not None:
        return _from_bytes(raw, spec, shape, where)
    if "data" not in tensor:
        raise ProtocolError(f"{where} has no 'data'; send a JSON array, or binary data with its binary_data_size")
    return _array(_flat(tensor["data"], shape, where), spec, where).reshape(shape)


def _shape(shape: object, where: str) -> tuple[int, ...]:
    if not isinstance(shape, list) or not all(type(size) is int and 0 <= size < 2**31 for size in shape):
        raise ProtocolError(f"{where} has shape {_brief(shape)}; it must be a list of whole numbers, as in [1, 64]")
    return tuple(shape)


def _flat(data: object, shape: tuple[int, ...], where: str) -> list[Any]:
    """The values in row-major order. Nested data must be nested exactly as `shape` says."""
    if not isinstance(data, list):
        raise ProtocolError(f"{where} has data {_brief(data)}; it must be a JSON array")
    depth = 0
    while data and isinstance(data[0], list):
        if depth + 1 >= len(shape) or len(data) != math.prod(shape[: depth + 1]):
            raise ProtocolError(f"{where} has data that is not nested as its shape {list(shape)} says")
        if any(not isinstance(part, list) or len(part) != shape[depth + 1] for part in data):
            raise ProtocolError(f"{where} has rows of unequal length; its shape is {list(shape)}")
        data = list(chain.from_iterable(data))
        depth += 1
    if len(data) != math.prod(shape):
        raise ProtocolError(f"{where} has {len(data)} values; its shape {list(shape)} needs {math.prod(shape)}")
    return data


def _array(values: list[Any], spec: TensorSpec, where: str) -> Array:
    kinds = set(map(type, values))
    if spec.datatype in FLOATS:
        _only(values, kinds, {int, float}, "numbers", where)
        # finite only: a NaN that went in comes out as an answer that looks like one
        try:
            with np.errstate(over="ignore"):
                array = np.array(values, np.float64).astype(FLOATS[spec.datatype])
        except OverflowError:
            raise ProtocolError(f"{where} has a value beyond {spec.datatype}") from None
        if not np.isfinite(array).all():
            raise ProtocolError(f"{where} has a value beyond {spec.datatype}; values must be finite")
        return array
    if spec.datatype in INTEGERS:
        _only(values, kinds, {int}, "whole numbers", where)
        limits = np.iinfo(INTEGERS[spec.datatype])
        for value in (min(values, default=0), max(values, default=0)):
            if not limits.min <= value <= limits.max:
                raise ProtocolError(f"{where} has {value}; {spec.datatype} holds {limits.min} to {limits.max}")
        return np.array(values, INTEGERS[spec.datatype])
    if spec.datatype == "BOOL":
        _only(values, kinds, {bool}, "true or false", where)
        return np.array(values, np.bool_)
    _only(values, kinds, {str}, "strings", where)
    return np.array(values, np.object_)


def _from_bytes(raw: bytes, spec: TensorSpec, shape: tuple[int, ...], where: str) -> Array:
    """Binary data: row-major, little-endian; strings each after its length in four bytes."""
    if spec.datatype == "BYTES":
        return np.array(_strings(raw, math.prod(shape), where), np.object_).reshape(shape)
    kind = np.dtype(DATATYPES[spec.datatype])
    needed = math.prod(shape) * kind.itemsize
    if len(raw) != needed:
        raise ProtocolError(f"{where} has {len(raw)} bytes; {spec.datatype} of shape {list(shape)} needs {needed}")
    if spec.datatype == "BOOL" and raw.strip(b"\0\1"):
        raise ProtocolError(f"{where} has a byte that is neither 0 nor 1 among its data; its datatype takes those")
    array = np.frombuffer(raw, kind.newbyteorder("<")).astype(kind).reshape(shape)
    if spec.datatype in FLOATS and not np.isfinite(array).all():
        raise ProtocolError(f"{where} has a value that is not finite; values must be finite")
    return array


def _strings(raw: bytes, count: int, where: str) -> list[str]:
    values: list[bytes] = []
    at = 0
    while at < len(raw) and len(values) < count:
        size = int.from_bytes(raw[at : at + 4], "little")
        values.append(raw[at + 4 : at + 4 + size])
        at += 4 + size
    if at != len(raw) or len(values) != count:
        raise ProtocolError(f"{where} has binary data that is not {count} strings, each after its length in 4 bytes")
    try:
        return [value.decode() for value in values]
    except UnicodeDecodeError:
        raise ProtocolError(f"{where} has a string that is not UTF-8 among its data") from None


def to_bytes(array: Array) -> bytes:
    """An output as binary data, the inverse of what a request sends."""
    if array.dtype == np.object_:
        encoded = [str(value).encode() for value in array.ravel()]
        return b"".join(len(value).to_bytes(4, "little") + value for value in encoded)
    return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()


def _only(values: list[Any], kinds: set[type], allowed: set[type], what: str, where: str) -> None:
    if not kinds <= allowed:
        wrong = next(value for value in values if type(value) not in allowed)
        raise ProtocolError(f"{where} has {_brief(wrong)} among its data; its datatype takes {what}")


def render_tensor(array: Array, spec: TensorSpec) -> dict[str, Any]:
    """An output as the protocol writes it: flat, row-major. Raises ProtocolError for what is not finite."""
    data = array.ravel().tolist()
    if array.dtype.kind == "f" and not math.isfinite(sum(data)):  # faster than numpy on a few values
        check_finite(array)
    return {"name": spec.name, "datatype": spec.datatype, "shape": list(array.shape), "data": data}


def check_finite(array: Array) -> None:
    """JSON has no NaN and no infinity. Raises ProtocolError for an answer with one."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ProtocolError("the model's answer to these inputs is not finite", 422)


def _brief(value: object) -> str:
    """A value as JSON writes it, short enough for one line."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    text = json.dumps(value) if isinstance(value, bool | None) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
