"""A stack's resources joined: who refers to whom, who is whose child. Ids play no part: a preview doesn't know them."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from policies.resources import Props, Resource


class Graph:
    """All resources of a stack, or the one that is looked at alone.

    `is_whole` is False while the engine asks about one resource: there is nothing yet to join it with.
    `parameters`: what the review's configuration gives to rules, for this stack's environment.
    """

    def __init__(
        self, resources: Iterable[Resource], *, parameters: Mapping[str, Any] | None = None, is_whole: bool = True
    ) -> None:
        self.is_whole = is_whole
        self.parameters = Props(parameters or {}, "parameters")
        self._nodes = [Node(resource, self) for resource in resources]
        self._by_urn = {node.resource.urn: node for node in self._nodes if node.resource.urn}

    def __iter__(self) -> Iterator[Node]:
        return iter(self._nodes)

    def __len__(self) -> int:
        return len(self._nodes)

    def of(self, *types: str) -> list[Node]:
        """The resources of these types (`*` stands for any text)."""
        return [node for node in self._nodes if node.is_of(*types)]

    def node(self, urn: str) -> Node | None:
        return self._by_urn.get(urn)

    @functools.cached_property
    def referrers(self) -> Mapping[str, list[tuple[str, Node]]]:
        """URN -> the properties that refer to it, with their resources."""
        found: dict[str, list[tuple[str, Node]]] = defaultdict(list)
        for node in self._nodes:
            for key, urns in node.resource.property_dependencies.items():
                for urn in urns:
                    found[urn].append((key, node))
        return found

    @functools.cached_property
    def components(self) -> list[Node]:
        """The platform's own components."""
        return self.of("skywright:*")

    @property
    def is_production(self) -> bool:
        return any(node.get("isProduction") is True for node in self.components)

    @property
    def environment(self) -> str | None:
        return self._tag("environment")

    @property
    def data_classification(self) -> str | None:
        """The tag of that name: `personal`, `health`, or whatever the owner wrote."""
        return self._tag("data_classification")

    def _tag(self, key: str) -> str | None:
        for node in self.components:
            tags = node.get("tags")
            if isinstance(tags, Props) and isinstance(value := tags.get(key), str):
                return value
        return None


class Node(Props):
    """A resource's properties, and its place in the graph."""

    def __init__(self, resource: Resource, graph: Graph) -> None:
        super().__init__(resource.props)
        self.resource = resource
        self._graph = graph

    @property
    def graph(self) -> Graph:
        """The whole stack. Raises LookupError while it isn't known, which a check with `joins=True` never meets."""
        if not self._graph.is_whole:
            raise LookupError("the whole stack isn't known yet: declare the check with joins=True")
        return self._graph

    def is_of(self, *types: str) -> bool:
        return any(fnmatchcase(self.resource.type, pattern) for pattern in types)

    def referrers(self, *types: str, by: str | None = None) -> list[Node]:
        """Resources of these types one of whose properties (`by`, or any) is made of this resource's outputs."""
        found = self.graph.referrers.get(self.resource.urn, ())
        return _once(node for key, node in found if by in (None, key) and (not types or node.is_of(*types)))

    def referred(self, key: str, *types: str) -> list[Node]:
        """Resources of these types whose outputs the property `key` is made of."""
        urns = self.resource.property_dependencies.get(key, ())
        nodes = (node for urn in urns if (node := self.graph.node(urn)) is not None)
        return _once(node for node in nodes if not types or node.is_of(*types))

    @property
    def component(self) -> Node | None:
        """The nearest of the platform's components above this resource."""
        above = self.resource.parent
        while above and (node := self.graph.node(above)) is not None:
            if node.is_of("skywright:*"):
                return node
            above = node.resource.parent
        return None


def _once(nodes: Iterable[Node]) -> list[Node]:
    return list({id(node): node for node in nodes}.values())
