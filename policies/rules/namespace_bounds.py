"""What a namespace may take, and what its containers get that ask for nothing."""

from __future__ import annotations

from typing import Any

from policies.examples import Ref, declared
from policies.graph import Node
from policies.resources import UNKNOWN, Resource
from policies.rule import Finding, Rule, Severity, rule
from policies.rules.namespaces import NAMESPACES, holds_a_chart, within
from policies.rules.optional import mapping


@rule(
    "namespaces-have-quota",
    Severity.MEDIUM,
    types=NAMESPACES,
    joins=True,
    title="A namespace that is worked in has a quota",
    why="One team's loop must not take the cluster from all others, nor the month's budget.",
    remedy="Declare a ResourceQuota with hard limits in the namespace.",
)
def namespaces_have_quota(namespace: Node) -> Finding | None:
    return _lacks(namespace, "kubernetes:core/v1:ResourceQuota", "hard")


@rule(
    "namespaces-have-limits",
    Severity.LOW,
    types=NAMESPACES,
    joins=True,
    title="A namespace that is worked in gives its containers limits",
    why="A container that asks for nothing is placed anywhere and starves its neighbours.",
    remedy="Declare a LimitRange with defaults in the namespace.",
)
def namespaces_have_limits(namespace: Node) -> Finding | None:
    return _lacks(namespace, "kubernetes:core/v1:LimitRange", "limits")


def _lacks(namespace: Node, kind: str, key: str) -> Finding | None:
    if any(mapping(node, "spec").get(key) for node in within(namespace, kind)) or holds_a_chart(namespace):
        return None
    return Finding(at=f"the namespace's {kind.rpartition(':')[2]}")


_CHARTED = declared("kubernetes:helm.sh/v3:Release", "chart", namespace="team")


def _space(name: Any = "team") -> Resource:
    return declared("kubernetes:core/v1:Namespace", "space", metadata={"name": name})


def _tables(item: Rule, kind: str, spec: dict[str, Any]) -> None:
    def bounded(given: Any = spec, namespace: Any = "team") -> list[Resource]:
        return [_space(), declared(f"kubernetes:core/v1:{kind}", "q", metadata={"namespace": namespace}, spec=given)]

    item.examples(
        good=[bounded(), bounded(namespace=Ref("space")), [_space(), _CHARTED]],
        bad=[[_space()], bounded(namespace="other"), bounded({}), [_space("other"), _CHARTED]],
        unknown=[bounded(namespace=UNKNOWN), bounded(UNKNOWN), [_space(UNKNOWN), _CHARTED]],
    )


_tables(namespaces_have_quota, "ResourceQuota", {"hard": {"requests.cpu": "8"}})
_tables(namespaces_have_limits, "LimitRange", {"limits": [{"type": "Container", "default": {"cpu": "1"}}]})
