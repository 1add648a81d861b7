"""Asking an endpoint of the Open Inference Protocol: requests from rows, answers with the release that gave them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx

from catalog.errors import SkywrightError, UserError

RELEASE_HEADER = "x-skywright-release"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a release said, one list per output over the rows; the time from asking to having it."""

    release: str | None
    model: str
    version: str
    outputs: Mapping[str, Sequence[Any]]
    seconds: float

    @property
    def rows(self) -> list[dict[str, Any]]:
        count = max((len(values) for values in self.outputs.values()), default=0)
        return [{name: values[row] for name, values in self.outputs.items()} for row in range(count)]


class Client:
    """One endpoint. What it refuses is raised in its own words."""

    def __init__(
        self, url: str, token: str, *, headers: Mapping[str, str] | None = None, timeout_s: float = 30
    ) -> None:
        self.url = url
        self._http = httpx.Client(
            base_url=url,
            headers={"authorization": f"Bearer {token}", **(headers or {})},
            timeout=timeout_s,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._http.close()

    def metadata(self, model: str) -> dict[str, Any]:
        """The model's inputs and outputs, as the release that is asked describes them."""
        return self._json(self._send("GET", f"/v2/models/{model}"))

    def infer(self, model: str, request: Mapping[str, Any]) -> Answer:
        response = self._send("POST", f"/v2/models/{model}/infer", dict(request))
        body = self._json(response)
        outputs = {item["name"]: _rows(item["data"], item["shape"]) for item in body["outputs"]}
        return Answer(
            response.headers.get(RELEASE_HEADER),
            body["model_name"],
            str(body.get("model_version", "")),
            outputs,
            response.elapsed.total_seconds(),
        )

    def check(self) -> None:
        """Raises SkywrightError when nothing answers, with the endpoint's own reason."""
        self._json(self._send("GET", "/v2/health/ready"))

    def _send(self, method: str, path: str, body: Any = None) -> httpx.Response:
        try:
            return self._http.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise SkywrightError(
                f"the endpoint at {self.url} does not answer ({type(error).__name__})",
                "See `skywright status`; `skywright up` mends a stack whose processes died.",
            ) from None

    def _json(self, response: httpx.Response) -> dict[str, Any]:
        try:
            body = response.json()
        except json.JSONDecodeError:
            body = {"error": response.text[:200]}
        if response.is_error:
            detail = body.get("error") if isinstance(body, dict) else None
            raise SkywrightError(f"the endpoint answered {response.status_code}: {detail or response.reason_phrase}")
        return dict(body)


def request_of(data: Any, inputs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A protocol request from what a user gives: a whole request, or a list of rows for the model's only input."""
    if isinstance(data, dict) and "inputs" in data:
        return data
    if not isinstance(data, list) or not data:
        raise UserError(
            "the input is neither a request nor rows",
            'Give {"inputs": [...]} as the Open Inference Protocol has it, or a JSON list of rows.',
        )
    if len(inputs) != 1:
        names = ", ".join(str(item["name"]) for item in inputs)
        raise UserError(f"the model takes {len(inputs)} inputs ({names}); rows fit only one", 'Give {"inputs": [...]}.')
    return {"inputs": [tensor(data, inputs[0])]}


def tensor(rows: Sequence[Any], spec: Mapping[str, Any]) -> dict[str, Any]:
    shape = [len(rows), *spec["shape"][1:]]
    return {"name": spec["name"], "datatype": spec["datatype"], "shape": shape, "data": list(rows)}


def _rows(data: Sequence[Any], shape: Sequence[int]) -> list[Any]:
    """Flat row-major data, cut into rows; a row of a vector output is a list."""
    if len(shape) < 2 or not shape[0]:
        return list(data)
    size = len(data) // shape[0]
    return [list(data[start : start + size]) for start in range(0, len(data), size)]
