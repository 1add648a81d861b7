"""From declared resources to what they need of each quota, cloud by cloud."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from policies.graph import Graph, Node
from policies.quota.model import DEFAULT_SCOPE, Combine, Demand, of_quota
from policies.resources import Malformed, Props, UnknownValue

Counter = Callable[[Graph, str | None], Iterator[Demand]]


def guarded(
    nodes: Iterable[Node], count: Callable[[Node], Iterable[Demand]], cloud: str, service: str, what: str
) -> Iterator[Demand]:
    """What each of the nodes needs. A node that can't be read needs an unknown amount of `what`, and says why."""
    for node in nodes:
        try:
            yield from count(node)
        except (UnknownValue, Malformed) as error:
            yield unknown(cloud, service, what, node.resource.name, str(error))


def unknown(cloud: str, service: str, what: str, resource: str, why: str, *, unit: str = "count") -> Demand:
    """Something is needed, but not known of which quota or how much of it."""
    return Demand(
        cloud=cloud, service=service, name=what, code="", unit=unit, scope=DEFAULT_SCOPE[cloud], needed=None,
        resources=(resource,), note=why,
    )  # fmt: skip


def groups(nodes: Iterable[Node], key: str, *types: str) -> dict[str, list[Node]]:
    """Nodes by the resource that their property `key` is made of, or by its plain value; what can't be told is one."""
    found: dict[str, list[Node]] = {}
    for node in nodes:
        found.setdefault(home_of(node, key, *types), []).append(node)
    return found


def most_in_one(cloud: str, service: str, name: str, found: dict[str, list[Node]]) -> Iterator[Demand]:
    """The largest of the groups is what counts; each group is a demand of its own until they are put together."""
    for nodes in found.values():
        names = [node.resource.name for node in nodes]
        yield of_quota(cloud, service, name, len(names), *names, combine=Combine.MAX)


def home_of(node: Node, key: str, *types: str) -> str:
    """The name of the resource that `key` is made of, else the key's plain value, else ``."""
    if above := node.referred(key, *types):
        return above[0].resource.name
    value = plain_value(node, key)
    return value if isinstance(value, str) else ""


def plain_value(props: Props, key: str) -> object:
    """The value, or None where it can't be seen."""
    try:
        return props.get(key)
    except UnknownValue:
        return None


def text(props: Props, key: str) -> str:
    """Raises UnknownValue, or Malformed where it is no text."""
    value = props.get(key)
    if not isinstance(value, str):
        raise Malformed(props.at(key), value, "a text")
    return value


def records_if_any(props: Props, key: str) -> list[Props]:
    """A list of mappings; none where it is absent. Raises UnknownValue, or Malformed where it is something else."""
    return [] if props.get(key) is None else props.records(key)


def mapping_if_any(props: Props, key: str) -> Props:
    """A mapping; an empty one where it is absent. Raises as `records_if_any`."""
    return Props({}, props.at(key)) if props.get(key) is None else props.mapping(key)
