"""Requests and responses of the Open Inference Protocol v2 over REST, apart from HTTP and from any model.

https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from catalog.errors import did_you_mean
from ml_jobs.serve.tensors import Array, ProtocolError, TensorSpec, parse_tensor, render_tensor


@dataclass(frozen=True, slots=True)
class Signature:
    """What a model takes and gives."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


@dataclass(frozen=True, slots=True)
class InferRequest:
    """A request that the model can answer. `outputs`: the names asked for, in their order."""

    inputs: dict[str, Array]
    outputs: tuple[str, ...]
    id: str | None = None

    @property
    def rows(self) -> int:
        first = next(iter(self.inputs.values()))
        return int(first.shape[0]) if first.ndim else 1


def parse_json(body: bytes) -> dict[str, Any]:
    """The body's object. NaN and Infinity, which are not JSON, are refused."""
    try:
        data = json.loads(body, parse_constant=_not_json)
    except RecursionError:
        raise ProtocolError("the body is nested too deeply") from None
    except ValueError as error:
        raise ProtocolError(
            f"the body is not JSON: {error}" if body else "the body is empty; send a JSON object"
        ) from None
    if not isinstance(data, dict):
        raise ProtocolError(f"the body is a JSON {type(data).__name__}; it must be an object with 'inputs'")
    return data


def _not_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number; values must be finite")


def parse_request(body: bytes, signature: Signature, *, max_rows: int) -> InferRequest:
    """Raises ProtocolError in one line, with what is allowed."""
    data = parse_json(body)
    request_id = data.get("id")
    if request_id is not None and not isinstance(request_id, str):
        raise ProtocolError(f"id is {request_id!r}; it must be a string")
    if not isinstance(data.get("parameters", {}), dict):
        raise ProtocolError("parameters must be a JSON object")
    return InferRequest(
        _inputs(data.get("inputs"), signature.inputs, max_rows), _outputs(data.get("outputs"), signature), request_id
    )


def _inputs(given: object, specs: Sequence[TensorSpec], max_rows: int) -> dict[str, Array]:
    known = [spec.name for spec in specs]
    named = _named(given, "input", known, needed=f"the model takes {', '.join(known)}")
    missing = [name for name in known if name not in named]
    if missing:
        raise ProtocolError(f"input {missing[0]!r} is missing; the model takes {', '.join(known)}")
    arrays = {spec.name: parse_tensor(named[spec.name], spec, max_rows=max_rows) for spec in specs}
    rows = {array.shape[0] for spec in specs if spec.shape[:1] == (-1,) for array in (arrays[spec.name],)}
    if len(rows) > 1:
        raise ProtocolError(f"the inputs have {', '.join(map(str, sorted(rows)))} rows; all must have as many")
    return arrays


def _outputs(given: object, signature: Signature) -> tuple[str, ...]:
    known = [spec.name for spec in signature.outputs]
    if given is None or given == []:
        return tuple(known)
    return tuple(_named(given, "output", known, needed=f"the model gives {', '.join(known)}"))


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
    specs = {spec.name: spec for spec in signature.outputs}
    answer: dict[str, Any] = {"model_name": model, "model_version": version}
    if request.id is not None:
        answer["id"] = request.id
    answer["outputs"] = [render_tensor(outputs[name], specs[name]) for name in request.outputs]
    try:
        return json.dumps(answer, separators=(",", ":"), allow_nan=False).encode()
    except ValueError:
        raise ProtocolError("the model's answer to these inputs is not finite", 422) from None
