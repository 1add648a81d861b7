"""What the stack's tags say of its data."""

from __future__ import annotations

from policies.examples import declared
from policies.graph import Graph
from policies.resources import Resource
from policies.rules.optional import mapping, text

SENSITIVE = frozenset({"personal", "health"})
"""Values of the tag data_classification that stricter rules are for; several stand with commas between."""

PURPOSE = "capture_purpose"
"""The tag that says why requests of people are kept: the purpose, and what allows it."""


def is_sensitive(graph: Graph) -> bool:
    """Whether data of people is handled here. Raises UnknownValue where the tags aren't known."""
    found = (graph.data_classification or "").lower().replace(",", " ").split()
    return bool(SENSITIVE & set(found))


def has_purpose(graph: Graph) -> bool:
    """Whether it is declared why requests are kept."""
    return any((text(mapping(node, "tags"), PURPOSE) or "").strip() for node in graph.components)


def classified(data: str = "personal", **more: str) -> Resource:
    """For examples: a component of a stack with such data, in eu-west-1."""
    tags = {"data_classification": data, **more}
    return declared("skywright:aws:Identity", "identity", isProduction=True, tags=tags, region="eu-west-1", spec={})
