"""Google Cloud's own models: the discovery documents that google-api-python-client ships, as shapes.

A document has types, enums, patterns and formats; what is required it says only in the first word of a description
("Required."), as https://google.aip.dev/203 asks every service to, and what only answers hold by `readOnly` or
"Output only.".
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from infra.rehearsal.core.shape import ANY, Shape

_RANGES: dict[str, tuple[float, float]] = {
    "int32": (-(2**31), 2**31 - 1),
    "uint32": (0, 2**32 - 1),
    "uint64": (0, 2**64 - 1),
}

_UNBOUNDED: tuple[float | None, float | None] = (None, None)


@dataclass(frozen=True)
class Method:
    """One call of an API. `parameters` stand in the path and the query; `body` is what it sends, None for nothing."""

    id: str
    http: str
    path: str
    parameters: Shape
    body: Shape | None


@functools.cache
def document(api: str) -> Mapping[str, Any]:
    """`compute.v1` as its discovery document. Raises FileNotFoundError where the client library has none."""
    folder = files("googleapiclient") / "discovery_cache" / "documents"
    loaded: Mapping[str, Any] = json.loads((folder / f"{api}.json").read_text())
    return loaded


@functools.cache
def method(api: str, name: str) -> Method:
    """`method("compute.v1", "networks.insert")`. Raises KeyError with the names that come closest."""
    found = _methods(api).get(name)
    if found is None:
        near = [known for known in _methods(api) if known.split(".")[-2:-1] == name.split(".")[-2:-1]]
        raise KeyError(f"{api} has no method {name}; near it: {', '.join(near) or 'none'}")
    given = {**document(api).get("parameters", {}), **found.get("parameters", {})}
    return Method(
        id=found["id"],
        http=found["httpMethod"],
        path=found.get("flatPath") or found["path"],
        parameters=Shape(
            "structure",
            name,
            required=frozenset(key for key, value in given.items() if value.get("required")),
            lazy_members=lambda: {key: _of(api, value, key) for key, value in given.items()},
        ),
        body=schema(api, found["request"]["$ref"]) if "request" in found else None,
    )


@functools.cache
def schema(api: str, name: str) -> Shape:
    """A message of the API by its name, such as `Network`."""
    return _of(api, document(api)["schemas"][name], name)


@functools.cache
def _methods(api: str) -> dict[str, Mapping[str, Any]]:
    prefix = document(api)["name"] + "."
    return {item["id"].removeprefix(prefix): item for item in _walk(document(api))}


def _walk(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from node.get("methods", {}).values()
    for below in node.get("resources", {}).values():
        yield from _walk(below)


def _of(api: str, node: Mapping[str, Any], name: str) -> Shape:
    if "$ref" in node:
        return schema(api, node["$ref"])
    kind = node.get("type", "any")
    if kind == "array" or node.get("repeated"):
        item = node.get("items") or {key: value for key, value in node.items() if key != "repeated"}
        return Shape("list", name, lazy_item=lambda: _of(api, item, name))
    if kind == "object":
        return _object(api, node, name)
    if kind in ("integer", "number") or (kind == "string" and node.get("format") in ("int64", "uint64")):
        low, high = _RANGES.get(node.get("format", ""), _UNBOUNDED)
        low = float(node["minimum"]) if "minimum" in node else low
        high = float(node["maximum"]) if "maximum" in node else high
        return Shape("number" if kind == "number" else "integer", name, minimum=low, maximum=high)
    if kind == "boolean":
        return Shape("boolean", name)
    if kind != "string":
        return ANY
    if node.get("format") == "google-datetime":
        return Shape("timestamp", name)
    return Shape("string", name, enum=tuple(node.get("enum", ())), pattern=node.get("pattern"))


def _object(api: str, node: Mapping[str, Any], name: str) -> Shape:
    members: Mapping[str, Any] = node.get("properties", {})
    extra = node.get("additionalProperties")
    if not members:
        return Shape("map", name, lazy_item=lambda: _of(api, extra, name)) if extra else Shape("map", name)
    return Shape(
        "structure",
        name,
        required=frozenset(key for key, value in members.items() if _says(value, "Required.", "[Required]")),
        read_only=frozenset(
            key for key, value in members.items()
            if value.get("readOnly") or _says(value, "Output only", "[Output Only]", "[Output only]")
        ),
        lazy_members=lambda: {key: _of(api, value, key) for key, value in members.items()},
    )  # fmt: skip


def _says(node: Mapping[str, Any], *beginnings: str) -> bool:
    return str(node.get("description", "")).startswith(beginnings)
