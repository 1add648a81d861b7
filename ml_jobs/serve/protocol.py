"""Requests and responses of the Open Inference Protocol v2 over REST, apart from HTTP and from any model.

https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol, with its binary tensor data:
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NoReturn

import orjson

from catalog.errors import did_you_mean
from ml_jobs.serve.tensors import Array, ProtocolError, TensorSpec, check_finite, parse_tensor, render_tensor, to_bytes


@dataclass(frozen=True)
class Signature:
    """What a model takes and gives."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    @cached_property
    def named(self) -> dict[str, TensorSpec]:
        """The outputs by name."""
        return {spec.name: spec for spec in self.outputs}

    @cached_property
    def is_batchable(self) -> bool:
        """Whether requests can be answered together: the first length of every tensor is the rows', no other varies."""
        tensors = (*self.inputs, *self.outputs)
        return bool(tensors) and all(spec.shape[:1] == (-1,) and -1 not in spec.shape[1:] for spec in tensors)


@dataclass(slots=True)
class InferRequest:
    """A request that the model can answer. `outputs`: the names asked for, in their order; `binary`: those of them that
    are wanted as binary data."""

    inputs: dict[str, Array]
    outputs: tuple[str, ...]
    id: str | None = None
    binary: frozenset[str] = frozenset()

    @property
    def rows(self) -> int:
        first = next(iter(self.inputs.values()))
        return int(first.shape[0]) if first.ndim else 1


def parse_json(body: bytes) -> dict[str, Any]:
    """The body's object. NaN and Infinity, which are not JSON, are refused."""
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        data = _parse_slowly(body)
    if not isinstance(data, dict):
        raise ProtocolError(f"the body is a JSON {type(data).__name__}; it must be an object with 'inputs'")
    return data


def _parse_slowly(body: bytes) -> Any:
    """What the fast parser refuses: numbers and strings beyond its range are still JSON, the rest gets its reason."""
    try:
        data = json.loads(body, parse_constant=_not_json)
        json.dumps(data, ensure_ascii=False).encode()
        return data
    except RecursionError:
        raise ProtocolError("the body is nested too deeply") from None
    except UnicodeEncodeError:
        raise ProtocolError("the body has a string with half a surrogate pair, which is no text") from None
    except ValueError as error:
        raise ProtocolError(
            f"the body is not JSON: {error}" if body else "the body is empty; send a JSON object"
        ) from None


def _not_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number; values must be finite")


def parse_request(body: bytes, signature: Signature, *, max_rows: int, json_bytes: int | None = None) -> InferRequest:
    """`json_bytes`: how much of the body is JSON, with binary data behind it; None: all of it.

    Raises ProtocolError in one line, with what is allowed.
    """
    tail = b""
    if json_bytes is not None:
        if not 0 < json_bytes <= len(body):
            raise ProtocolError(f"Inference-Header-Content-Length is {json_bytes}; the body has {len(body)} bytes")
        body, tail = body[:json_bytes], body[json_bytes:]
    return read_request(parse_json(body), signature, max_rows=max_rows, tail=tail)


def read_request(data: Mapping[str, Any], signature: Signature, *, max_rows: int, tail: bytes = b"") -> InferRequest:
    """A request whose JSON is parsed already; `tail`: the binary data behind it."""
    request_id = data.get("id")
    if request_id is not None and not isinstance(request_id, str):
        raise ProtocolError(f"id is {request_id!r}; it must be a string")
    parameters = data.get("parameters", _NOTHING)
    if not isinstance(parameters, dict):
        raise ProtocolError("parameters must be a JSON object")
    inputs = _inputs(data.get("inputs"), signature.inputs, max_rows, tail)
    outputs = _outputs(data.get("outputs"), signature)
    default = _flag(parameters, "binary_data_output", False)
    binary = frozenset(
        name for name, asked in outputs.items() if _flag(asked.get("parameters", _NOTHING), "binary_data", default)
    )
    return InferRequest(inputs, tuple(outputs), request_id, binary)


def _flag(parameters: Mapping[str, Any], name: str, default: bool) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise ProtocolError(f"parameter {name} must be true or false")
    return value


def _inputs(given: object, specs: Sequence[TensorSpec], max_rows: int, tail: bytes) -> dict[str, Array]:
    known = [spec.name for spec in specs]
    named = _named(given, "input", known, needed=f"the model takes {', '.join(known)}")
    missing = [name for name in known if name not in named]
    if missing:
        raise ProtocolError(f"input {missing[0]!r} is missing; the model takes {', '.join(known)}")
    raw = _binary(named, tail)
    arrays = {
        spec.name: parse_tensor(named[spec.name], spec, max_rows=max_rows, raw=raw.get(spec.name)) for spec in specs
    }
    if len(specs) > 1:
        rows = {arrays[spec.name].shape[0] for spec in specs if spec.shape[:1] == (-1,)}
        if len(rows) > 1:
            raise ProtocolError(f"the inputs have {', '.join(map(str, sorted(rows)))} rows; all must have as many")
    return arrays


def _binary(named: Mapping[str, Mapping[str, Any]], tail: bytes) -> dict[str, bytes]:
    """The tail of the body, cut as the inputs say, in the order in which they stand."""
    raw, at = {}, 0
    for name, tensor in named.items():
        parameters = tensor.get("parameters")
        size = parameters.get("binary_data_size") if parameters else None
        if size is None:
            continue
        if type(size) is not int or size < 0:
            raise ProtocolError(f"binary_data_size of input {name!r} must be a whole number of bytes")
        raw[name] = tail[at : at + size]
        at += size
    if at != len(tail):
        raise ProtocolError(
            f"{len(tail)} bytes follow the JSON; the binary_data_size of the inputs sum to {at}: send as many, and the "
            "JSON's length as Inference-Header-Content-Length"
        )
    return raw


_NOTHING: dict[str, Any] = {}


def _outputs(given: object, signature: Signature) -> dict[str, dict[str, Any]]:
    if given is None or given == []:
        return {spec.name: _NOTHING for spec in signature.outputs}
    known = [spec.name for spec in signature.outputs]
    return _named(given, "output", known, needed=f"the model gives {', '.join(known)}")


def _named(given: object, kind: str, known: list[str], *, needed: str) -> dict[str, dict[str, Any]]:
    """The tensors of a list by name: each known, none twice."""
    if not isinstance(given, list) or not given:
        raise ProtocolError(f"'{kind}s' must be a list of at least one tensor; {needed}")
    named: dict[str, dict[str, Any]] = {}
    for tensor in given:
        name = tensor.get("name") if isinstance(tensor, dict) else None
        if not isinstance(name, str):
            raise ProtocolError(f"each of '{kind}s' must be an object with a 'name'; {needed}")
        if name not in known:
            raise ProtocolError(
                f"{kind} {name[:60]!r} is not known; {needed}. {did_you_mean(name[:60], known)}".strip()
            )
        if name in named:
            raise ProtocolError(f"{kind} {name!r} is given twice; {needed}")
        if not isinstance(tensor.get("parameters", {}), dict):
            raise ProtocolError(f"parameters of {kind} {name!r} must be a JSON object")
        named[name] = tensor
    return named


def render_response(
    request: InferRequest, outputs: Mapping[str, Array], signature: Signature, *, model: str, version: str
) -> bytes:
    return _json(
        request, [render_tensor(outputs[spec.name], spec) for spec in _asked(request, signature)], model, version
    )


def render_binary(
    request: InferRequest, outputs: Mapping[str, Array], signature: Signature, *, model: str, version: str
) -> tuple[bytes, int]:
    """The answer's body with binary data behind its JSON, and the JSON's length in bytes."""
    tensors, tail = [], []
    for spec in _asked(request, signature):
        array = outputs[spec.name]
        if spec.name not in request.binary:
            tensors.append(render_tensor(array, spec))
            continue
        check_finite(array)
        raw = to_bytes(array)
        tail.append(raw)
        parameters = {"binary_data_size": len(raw)}
        tensors.append(
            {"name": spec.name, "datatype": spec.datatype, "shape": list(array.shape), "parameters": parameters}
        )
    head = _json(request, tensors, model, version)
    return b"".join((head, *tail)), len(head)


def _asked(request: InferRequest, signature: Signature) -> list[TensorSpec]:
    specs = signature.named
    return [specs[name] for name in request.outputs]


def _json(request: InferRequest, tensors: list[dict[str, Any]], model: str, version: str) -> bytes:
    answer: dict[str, Any] = {"model_name": model, "model_version": version}
    if request.id is not None:
        answer["id"] = request.id
    answer["outputs"] = tensors
    return orjson.dumps(answer)
