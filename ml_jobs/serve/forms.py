"""The forms of a prediction's body: the protocol's (`inputs`), rows as TensorFlow Serving has them (`instances` ->
`predictions`), and CSV. An answer has the form of its question.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from ml_jobs.serve.protocol import (
    InferRequest,
    Signature,
    parse_json,
    parse_request,
    read_request,
    render_binary,
    render_response,
)
from ml_jobs.serve.tensors import FLOATS, INTEGERS, Array, ProtocolError, TensorSpec, check_finite, parse_tensor
from ml_jobs.serve.wire import JSON, Headers, Reply

CSV = b"text/csv"
BINARY = b"application/octet-stream"
JSON_LENGTH = b"inference-header-content-length"


@dataclass(frozen=True)
class Asked:
    """A request, and what makes a reply of the model's outputs in the form in which it was asked."""

    request: InferRequest
    reply: Callable[[Mapping[str, Array]], Reply]


@dataclass(frozen=True)
class Forms:
    """How bodies of one model are read and answered."""

    signature: Signature
    model: str
    version: str
    max_rows: int

    def open_inference(self, body: bytes, headers: Headers) -> Asked:
        """The protocol's own form, the only one on its own routes."""
        stated = headers.get(JSON_LENGTH)
        kind = content_type(headers)
        if kind != JSON and not (kind == BINARY and stated):
            raise ProtocolError(f"content type is {kind.decode('latin-1')[:60]!r}; send application/json", 415)
        if stated is None:
            return self._asked(parse_request(body, self.signature, max_rows=self.max_rows))
        if not stated.isdigit():
            raise ProtocolError("Inference-Header-Content-Length must be a whole number of bytes")
        size = int(stated)
        return self._asked(parse_request(body, self.signature, max_rows=self.max_rows, json_bytes=size))

    def any_json(self, body: bytes, headers: Headers) -> Asked:
        """`inputs` or `instances`, as Vertex AI and Azure ML carry them."""
        if JSON_LENGTH in headers or content_type(headers) != JSON:
            return self.open_inference(body, headers)
        data = parse_json(body)
        if "instances" in data:
            return self._rows(instances(data["instances"], self.signature), data, self._predictions)
        return self._asked(read_request(data, self.signature, max_rows=self.max_rows))

    def any_json_or_csv(self, body: bytes, headers: Headers) -> Asked:
        """The same and CSV without a header, one row a line; answered as CSV where that is accepted."""
        if content_type(headers) != CSV:
            return self.any_json(body, headers)
        wants_csv = headers.get(b"accept", b"*/*").partition(b";")[0].strip().lower() == CSV
        return self._rows(from_csv(body, self.signature), {}, self._csv if wants_csv else self._predictions)

    def _asked(self, request: InferRequest) -> Asked:
        def reply(outputs: Mapping[str, Array]) -> Reply:
            if not request.binary:
                body = render_response(request, outputs, self.signature, model=self.model, version=self.version)
                return Reply(200, body)
            body, size = render_binary(request, outputs, self.signature, model=self.model, version=self.version)
            return Reply(200, body, BINARY, ((JSON_LENGTH, b"%d" % size),))

        return Asked(request, reply)

    def _rows(
        self, columns: dict[str, list[Any]], data: Mapping[str, Any], reply: Callable[[Mapping[str, Array]], Reply]
    ) -> Asked:
        if not isinstance(data.get("parameters") or {}, dict):
            raise ProtocolError("parameters must be a JSON object")
        inputs = {
            spec.name: parse_tensor(_tensor(columns[spec.name], spec), spec, max_rows=self.max_rows)
            for spec in self.signature.inputs
        }
        return Asked(InferRequest(inputs, tuple(self.signature.named)), reply)

    def _predictions(self, outputs: Mapping[str, Array]) -> Reply:
        """One prediction a row: the only output's value, or all outputs' by name."""
        columns = self._columns(outputs)
        if len(columns) == 1:
            return Reply(200, orjson.dumps({"predictions": next(iter(columns.values()))}))
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        return Reply(200, orjson.dumps({"predictions": rows}))

    def _csv(self, outputs: Mapping[str, Array]) -> Reply:
        """One line a row, the outputs beside each other."""
        text = io.StringIO()
        lines = csv.writer(text, lineterminator="\n")
        for values in zip(*self._columns(outputs).values(), strict=True):
            lines.writerow([cell for value in values for cell in (value if isinstance(value, list) else [value])])
        return Reply(200, text.getvalue().encode(), CSV)

    def _columns(self, outputs: Mapping[str, Array]) -> dict[str, list[Any]]:
        for spec in self.signature.outputs:
            check_finite(outputs[spec.name])
        return {spec.name: outputs[spec.name].tolist() for spec in self.signature.outputs}


def content_type(headers: Headers) -> bytes:
    kind = headers.get(b"content-type", JSON)
    return kind if kind == JSON else kind.partition(b";")[0].strip().lower()


def instances(rows: object, signature: Signature) -> dict[str, list[Any]]:
    """The rows of each input: an instance is the only input's row, or an object with a row for each input."""
    names = [spec.name for spec in signature.inputs]
    takes = f"an instance is an object with {', '.join(names)}" + (", or that row itself" if len(names) == 1 else "")
    if not isinstance(rows, list) or not rows:
        raise ProtocolError(f"'instances' must be a list of at least one row; {takes}")
    columns: dict[str, list[Any]] = {name: [] for name in names}
    for number, row in enumerate(rows):
        named = row if isinstance(row, dict) else {names[0]: row} if len(names) == 1 else {}
        if named.keys() != columns.keys():
            raise ProtocolError(f"instance {number} does not hold the model's inputs; {takes}")
        for name, value in named.items():
            columns[name].append(value)
    return columns


def from_csv(body: bytes, signature: Signature) -> dict[str, list[Any]]:
    """The same from lines, whose cells are the inputs' columns in their order."""
    widths = [math.prod(spec.shape[1:]) for spec in signature.inputs]
    if any(width < 0 for width in widths):
        raise ProtocolError("the model takes inputs of any length, which CSV can't carry; send application/json", 415)
    try:
        lines = [line for line in csv.reader(io.StringIO(body.decode())) if line]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ProtocolError(f"the body is not CSV: {error}") from None
    columns: dict[str, list[Any]] = {spec.name: [] for spec in signature.inputs}
    for number, line in enumerate(lines, 1):
        if len(line) != sum(widths):
            raise ProtocolError(f"line {number} has {len(line)} cells; the model takes {sum(widths)}, without a header")
        cells = iter(line)
        for spec, width in zip(signature.inputs, widths, strict=True):
            row = [_cell(next(cells), spec, number) for _ in range(width)]
            columns[spec.name].append(_nested(row, spec.shape[1:]))
    if not lines:
        raise ProtocolError("the body has no line; send one row a line")
    return columns


def _cell(text: str, spec: TensorSpec, line: int) -> Any:
    text = text.strip() if spec.datatype != "BYTES" else text
    try:
        if spec.datatype in FLOATS:
            return float(text)
        if spec.datatype in INTEGERS:
            return int(text)
        return {"true": True, "false": False}[text.lower()] if spec.datatype == "BOOL" else text
    except (ValueError, KeyError):
        raise ProtocolError(f"line {line} has {text[:60]!r}; input {spec.name!r} takes {spec.datatype}") from None


def _nested(row: list[Any], shape: tuple[int, ...]) -> Any:
    """Flat cells as the row of an input of that shape."""
    for size in reversed(shape[1:]):
        row = [row[at : at + size] for at in range(0, len(row), size)]
    return row if shape else row[0]


def _tensor(rows: list[Any], spec: TensorSpec) -> dict[str, Any]:
    """Rows as the protocol's tensor; lengths that the model leaves open are those of the first row."""
    shape, value = [len(rows)], rows[0]
    for size in spec.shape[1:]:
        given = len(value) if isinstance(value, list) else 0
        shape.append(given if size == -1 else size)
        value = value[0] if isinstance(value, list) and value else None
    return {"datatype": spec.datatype, "shape": shape, "data": rows}
