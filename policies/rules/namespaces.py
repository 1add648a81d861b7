"""Namespaces of Kubernetes, and what is declared in them: joined by what refers to them, or by their name."""

from __future__ import annotations

from policies.graph import Node
from policies.resources import UnknownValue
from policies.rules.optional import mapping, text

NAMESPACES = ("kubernetes:core/v1:Namespace", "kubernetes:core/v1:NamespacePatch")
CHARTS = ("kubernetes:helm.sh/*:Release", "kubernetes:helm.sh/*:Chart")


def within(namespace: Node, *types: str) -> list[Node]:
    """What of these types lies in the namespace. Raises UnknownValue where nothing does for sure, something may."""
    name = text(mapping(namespace, "metadata"), "name")
    found, doubt = [], None
    for node in namespace.graph.of(*types):
        try:
            if _is_in(node, namespace, name):
                found.append(node)
        except UnknownValue as error:
            doubt = error
    if doubt and not found:
        raise doubt
    return found


def _is_in(node: Node, namespace: Node, name: str | None) -> bool:
    key = "namespace" if node.is_of(*CHARTS) else "metadata"
    if namespace in node.referred(key, *NAMESPACES):
        return True
    at = node if key == "namespace" else mapping(node, "metadata")
    return name is not None and text(at, "namespace") == name


def holds_a_chart(namespace: Node) -> bool:
    """Whether it was made for software of somebody else, whose pods come as they come."""
    return bool(within(namespace, *CHARTS))
