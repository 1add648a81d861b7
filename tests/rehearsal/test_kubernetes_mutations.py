"""Every enum, required, pattern and typed input of every declared kind, corrupted once: the API server refuses each.

What can be corrupted is read from the schemas that the server itself publishes (OpenAPI v3).
"""

from __future__ import annotations

import copy
import functools
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from infra.rehearsal.kubernetes import objects, serve
from infra.rehearsal.kubernetes.api import Api, Refused
from infra.rehearsal.kubernetes.client import connect
from infra.settings import from_file
from tests.graph.harness import STACKS, declare
from tests.rehearsal.declared_objects import bodies

Path = tuple[str | int, ...]
Body = dict[str, Any]

TAKEN = ["required LimitRange spec.limits"]
"""Corruptions that Kubernetes takes in truth: the field is marked as required, and an empty list is as good as none."""


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with serve.cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield Api(connect(running))


@pytest.fixture(scope="module")
def declared() -> list[Body]:
    return [
        body
        for stack in ("kubernetes-dev", "kubernetes-prod")
        for body in bodies(declare(from_file(STACKS / f"Pulumi.{stack}.yaml")))
    ]


class Schemas:
    """What the server publishes of its kinds."""

    def __init__(self, api: Api) -> None:
        self._api = api

    @functools.cache  # noqa: B019  (one per module)
    def _document(self, api_version: str) -> Mapping[str, Any]:
        path = f"/openapi/v3/{'apis' if '/' in api_version else 'api'}/{api_version}"
        return dict(json.loads(self._api._client.request("get", path, serialize=False).data)["components"]["schemas"])

    def of(self, body: Body) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """(the kind's schema, all that it refers to)."""
        group, _, version = body["apiVersion"].rpartition("/")
        every = self._document(body["apiVersion"])
        wanted = {"group": group, "version": version, "kind": body["kind"]}
        return next(each for each in every.values() if wanted in each.get("x-kubernetes-group-version-kind", ())), every


def corruptions(body: Body, schemas: Schemas) -> Iterator[tuple[str, str, Body]]:
    """(what, dotted path without indices, the object with that one thing wrong)."""
    schema, every = schemas.of(body)
    for what, path, value in _corruptions(body, schema, every, ()):
        dotted = ".".join(part for part in path if isinstance(part, str))
        if dotted.startswith(("metadata.", "apiVersion", "kind")) and what != "unknown":
            continue  # which object it is
        yield what, dotted, _with(body, path, value)


GONE = object()


def _corruptions(
    value: Any, schema: Mapping[str, Any], every: Mapping[str, Any], path: Path
) -> Iterator[tuple[str, Path, Any]]:
    schema = _opened(schema, every)
    if isinstance(value, dict) and schema.get("properties"):
        if path:
            yield "unknown", (*path, "nonsense"), "x"
        for name in schema.get("required", ()):
            if name in value:
                yield "required", (*path, name), GONE
        for name, item in value.items():
            if name in schema["properties"]:
                yield from _corruptions(item, schema["properties"][name], every, (*path, name))
    elif isinstance(value, dict) and isinstance(schema.get("additionalProperties"), dict):
        for name, item in value.items():
            yield from _corruptions(item, schema["additionalProperties"], every, (*path, name))
    elif isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            yield from _corruptions(item, schema["items"], every, (*path, index))
    elif path and not isinstance(value, dict | list):
        if "enum" in schema:
            yield "enum", path, f"{value}-not"
        if "pattern" in schema and isinstance(value, str):
            yield "pattern", path, "\n !"
        if schema.get("type") in ("string", "integer", "boolean", "number"):
            yield "type", path, {"an": "object"}


def _opened(schema: Mapping[str, Any], every: Mapping[str, Any]) -> Mapping[str, Any]:
    for each in (schema, *schema.get("allOf", ())):
        if "$ref" in each:
            return {**every[each["$ref"].rpartition("/")[2]], "of": schema}
    return schema


def _with(body: Body, path: Path, value: Any) -> Body:
    changed = copy.deepcopy(body)
    at: Any = changed
    for part in path[:-1]:
        at = at[part]
    if value is GONE:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return changed


def test_every_corrupted_input_is_refused_by_the_server(api: Api, declared: list[Body]) -> None:
    schemas, seen, counts = Schemas(api), set(), Counter[str]()
    taken: list[str] = []
    for body in declared:
        for what, path, wrong in corruptions(body, schemas):
            if (key := (what, body["kind"], path)) in seen:
                continue
            seen.add(key)
            counts[what] += 1
            try:
                api.probe(wrong)
            except Refused as refused:
                assert refused.code in (400, 422, 500), refused
            else:
                taken.append(" ".join(key))
    assert set(counts) == {"enum", "required", "pattern", "unknown", "type"}, counts
    assert taken == TAKEN


def test_what_is_corrupted_was_good(api: Api, declared: list[Body]) -> None:
    for body in declared:
        api.probe(body)
    assert len({objects.ref(body).kind for body in declared}) > 20
