"""The Kubernetes objects of a graph, as the provider would send them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.graph.harness import Graph


def bodies(declared: Graph) -> list[dict[str, Any]]:
    """The objects as the provider sends them, namespaces first."""
    found = []
    for item in declared.resources:
        if item.type.startswith("kubernetes:") and "helm" not in item.type:
            version, kind = item.type.removeprefix("kubernetes:").rsplit(":", 1)
            found.append({**_plain(item.inputs), "apiVersion": version.removeprefix("core/"), "kind": kind})
    return sorted(found, key=lambda body: body["kind"] != "Namespace")


def _plain(value: Any) -> Any:
    """Secrets opened, nothing unset, whole numbers as such."""
    if isinstance(value, Mapping):
        if any(str(key).startswith("4dabf18193072939515e22adb298388d") for key in value):
            return _plain(value["value"])
        return {key: _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
