"""Namespaces of Kubernetes, and what is declared in them: joined by what refers to them, or by their name."""

from __future__ import annotations

import functools
from collections import defaultdict
from dataclasses import dataclass, field

from policies.graph import Graph, Node
from policies.resources import UnknownValue
from policies.rules.optional import mapping, text

NAMESPACES = ("kubernetes:core/v1:Namespace", "kubernetes:core/v1:NamespacePatch")
CHARTS = ("kubernetes:helm.sh/*:Release", "kubernetes:helm.sh/*:Chart")


def within(namespace: Node, *types: str) -> list[Node]:
    """What of these types lies in the namespace. Raises UnknownValue where nothing does for sure, something may."""
    placed = _placed(namespace.graph, types)
    found = list(placed.by_urn.get(namespace.resource.urn, ()))
    if name := text(mapping(namespace, "metadata"), "name"):
        found += placed.by_name.get(name, ())
    if placed.doubt and not found:
        raise placed.doubt
    return found


@dataclass
class _Placed:
    """Resources by the namespace that they refer to or name; `doubt`: why some can't be told."""

    by_urn: dict[str, list[Node]] = field(default_factory=lambda: defaultdict(list))
    by_name: dict[str, list[Node]] = field(default_factory=lambda: defaultdict(list))
    doubt: UnknownValue | None = None


@functools.lru_cache(maxsize=16)
def _placed(graph: Graph, types: tuple[str, ...]) -> _Placed:
    placed = _Placed()
    for node in graph.of(*types):
        is_chart = node.is_of(*CHARTS)
        if joined := node.referred("namespace" if is_chart else "metadata", *NAMESPACES):
            for namespace in joined:
                placed.by_urn[namespace.resource.urn].append(node)
            continue
        try:
            name = text(node if is_chart else mapping(node, "metadata"), "namespace")
        except UnknownValue as error:
            placed.doubt = error
        else:
            if name is not None:
                placed.by_name[name].append(node)
    return placed


def holds_a_chart(namespace: Node) -> bool:
    """Whether it was made for software of somebody else, whose pods come as they come."""
    return bool(within(namespace, *CHARTS))
