"""The estimator: each resource to its prices, each price to a line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from catalog.errors import did_you_mean
from policies.cost.free import is_free
from policies.cost.item import Item
from policies.cost.model import Estimate, Line
from policies.cost.tables import PRICERS, load
from policies.cost.usage import Usage, refused
from policies.graph import Graph, Node
from policies.resources import Malformed, Resource, UnknownValue

_CLOUDS = {"aws": "aws", "gcp": "gcp", "azure-native": "azure"}


def estimate(resources: Iterable[Resource], *, region: str | None, usage: Usage | None = None) -> Estimate:
    """A month of these resources in `region`, where they name no other.

    Pure but for the catalogue's files. Never raises for what a resource says: that becomes an unknown line. Raises
    UserError for a usage key that a resource's prices don't ask for, and for a damaged catalogue.
    """
    load()
    graph = Graph(resources)
    given = (usage or Usage()).given
    cloud = _cloud_of(graph)
    lines: list[Line] = []
    assumptions: list[str] = []
    asked: dict[str, set[str]] = {}
    for node in graph:
        item = _item(node, cloud, region, given)
        lines += _lines(item)
        assumptions += item.assumptions
        for name in {item.name, item.part}:
            asked.setdefault(name, set()).update(item.asked)
    assumptions += _check(usage or Usage(), asked)
    for name in given.keys() - asked.keys():
        hint = did_you_mean(name, list(asked))
        assumptions.append(
            f"usage names {name}, which the stack doesn't declare; it counts for nothing. {hint}".strip()
        )
    return Estimate(tuple(lines), region, tuple(assumptions))


def _lines(item: Item) -> Iterator[Line]:
    """What is known before something can't be told stays; the rest is one unknown line."""
    kind = item.node.resource.type
    price = PRICERS.get(kind)
    if price is None:
        if not is_free(kind):
            yield item.unknown(kind, f"nobody here knows what {kind} is billed for")
        return
    try:
        yield from price(item)
    except (UnknownValue, Malformed) as error:
        yield item.unknown(_short(kind), f"{error}")
    except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError) as error:
        yield item.unknown(_short(kind), f"what it declares can't be read ({type(error).__name__}: {error})")


def _item(node: Node, cloud: str, region: str | None, given: Mapping[str, Mapping[str, Decimal]]) -> Item:
    package = node.resource.type.split(":", 1)[0]
    if package == "skywright":
        package = node.resource.type.split(":")[1]
    of_cloud = _CLOUDS.get(package, "gcp" if node.is_of("pulumi-python:dynamic/gcp:*") else cloud)
    return Item(node, of_cloud, region, _region(node, of_cloud), given)


def _region(node: Node, cloud: str) -> str | None:
    """Where the resource itself says that it lies."""
    for key in ("location", "region", "zone"):
        value = node.resource.props.get(key)
        if isinstance(value, str) and value:
            lowered = value.lower().replace(" ", "") if cloud == "azure" else value.lower()
            return lowered[:-2] if cloud == "gcp" and lowered[-2:-1] == "-" else lowered
    return None


def _cloud_of(graph: Graph) -> str:
    """The stack's, by its components; else the one that most resources are of."""
    for node in graph.components:
        return node.resource.type.split(":")[1]
    counts = Counter(_CLOUDS.get(node.resource.type.split(":", 1)[0]) for node in graph)
    counts.pop(None, None)
    return str(counts.most_common(1)[0][0]) if counts else "kubernetes"


def _check(usage: Usage, asked: Mapping[str, set[str]]) -> Iterator[str]:
    """Usage of a declared resource that its prices don't ask for: refused, or told where usage is lenient."""
    for name, keys in usage.given.items():
        if (allowed := asked.get(name)) is None:
            continue
        for key in keys.keys() - allowed:
            if usage.is_strict:
                raise refused(name, key, dict.fromkeys(allowed))
            yield f"usage.{name}.{key} is not asked for there; it counts for nothing"


def _short(kind: str) -> str:
    return kind.rsplit(":", 1)[-1]
