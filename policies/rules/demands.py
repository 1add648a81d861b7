"""Demands on one property each, which many types of resource share: each makes a check with its own truth table.

A path is written as in a finding: `encryption.defaultKmsKeyName`.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any

from policies.examples import Ref, declared
from policies.graph import Graph, Node
from policies.resources import UNKNOWN, Malformed, Props, Resource, UnknownValue
from policies.rule import Finding, Rule
from policies.rules.optional import mapping, text

KEYS = (
    "aws:kms/key:Key", "aws:kms/replicaKey:ReplicaKey", "aws:kms/externalKey:ExternalKey", "aws:kms/alias:Alias",
    "gcp:kms/cryptoKey:CryptoKey", "azure-native:keyvault:Key", "azure-native:compute:DiskEncryptionSet",
)  # fmt: skip
"""Types whose outputs name a key of one's own."""

CLOUDS_OWN_KEYS = ("alias/aws/", "Microsoft.Storage")
"""Keys that the cloud shares out, which nobody here can revoke."""

Value = str | bool


def lacks_key(node: Node, holder: Props, key: str) -> Finding | None:
    """What is wrong where `holder`, a part of `node`, should name a key of one's own.

    A name that isn't known yet will do where it is made of a declared key's outputs; else it raises UnknownValue.
    """
    path = holder.at(key)
    try:
        given = text(holder, key)
    except UnknownValue:
        if holder.is_secret(key) or node.referred(path.split(".")[0].split("[")[0], *KEYS):
            return None
        raise
    if not given or not given.strip() or any(name in given for name in CLOUDS_OWN_KEYS):
        return Finding(at=path, found=given)
    return None


def needs_key(rule: Rule, type_token: str, path: str) -> None:
    """The rule demands that this property names a key of one's own."""
    *above, key = path.split(".")

    @rule.also(type_token, joins=True)
    def check(node: Node) -> Finding | None:
        return lacks_key(node, mapping(node, *above), key)

    check.examples(
        good=[_one(type_token, path, "projects/p/keys/ours"), [*_key(), *_one(type_token, path, Ref("key"))]],
        bad=[_one(type_token, path, None), _one(type_token, path, ""), _one(type_token, path, "alias/aws/ebs")],
        unknown=[_one(type_token, path, UNKNOWN), _one(type_token, path.split(".")[0], UNKNOWN)],
    )


def needs(rule: Rule, type_token: str, path: str, *allowed: Value, refused: Value, absent: Value | None = None) -> None:
    """The rule demands one of these values; texts in any letters' case. `absent`: what the cloud takes then."""
    *above, key = path.split(".")

    @rule.also(type_token)
    def check(node: Node) -> Finding | None:
        holder = mapping(node, *above)
        return None if _is_one(holder, key, allowed, absent) else Finding(at=path, found=holder.get(key))

    silent = _nested(path, None)
    check.examples(
        good=[_nested(path, value) for value in allowed] + ([silent] if _fits(absent, allowed) else []),
        bad=[_nested(path, refused)] + ([] if _fits(absent, allowed) else [silent]),
        unknown=[_nested(path, UNKNOWN), _nested(path.split(".")[0], UNKNOWN)],
    )


def needs_unless_public(
    rule: Rule, type_token: str, path: str, *allowed: Value, refused: Value, absent: Value | None = None
) -> None:
    """As `needs`, but not where the stack's network declares that endpoints and API servers are public."""
    *above, key = path.split(".")

    @rule.also(type_token, joins=True)
    def check(node: Node) -> Finding | None:
        holder = mapping(node, *above)
        if _is_one(holder, key, allowed, absent) or is_public(node.graph):
            return None
        return Finding(at=path, found=holder.get(key))

    silent = _one(type_token, path, None)
    check.examples(
        good=[
            *(_one(type_token, path, value) for value in allowed),
            [network(is_api_public=True), *_one(type_token, path, refused)],
            *([silent] if _fits(absent, allowed) else []),
        ],
        bad=[
            _one(type_token, path, refused),
            [network(is_api_public=False), *_one(type_token, path, refused)],
            *([] if _fits(absent, allowed) else [silent]),
        ],
        unknown=[
            _one(type_token, path, UNKNOWN),
            [network(is_api_public=UNKNOWN), *_one(type_token, path, refused)],
        ],
    )


def is_public(graph: Graph) -> bool:
    """Whether a network of the stack declares that endpoints and API servers may have public addresses."""
    return any(spec.get("is_api_public") is True for spec in _network_specs(graph))


def network(*, is_api_public: Any) -> Resource:
    """For examples: the component that declares it."""
    return declared("skywright:aws:Network", "network", spec={"is_api_public": is_api_public})


@functools.lru_cache(maxsize=4)
def _network_specs(graph: Graph) -> list[Props]:
    nodes = [node for node in graph.components if node.is_of("skywright:*:Network")]
    return [mapping(node, "spec") for node in nodes]


def beside(node: Node, types: Sequence[str], key: str) -> list[Node]:
    """Resources of these types whose property `key` names this one: made of its outputs, or the same plain text."""
    if joined := node.referrers(*types, by=key):
        return joined
    name = node.resource.props.get(key)
    return list(_by_text(node.graph, tuple(types), key).get(name, ())) if isinstance(name, str) else []


@functools.lru_cache(maxsize=64)
def all_of(graph: Graph, *types: str) -> tuple[Node, ...]:
    """The graph's resources of these types, looked for once."""
    return tuple(graph.of(*types))


@functools.lru_cache(maxsize=64)
def _by_text(graph: Graph, types: tuple[str, ...], key: str) -> dict[str, list[Node]]:
    found: dict[str, list[Node]] = {}
    for node in all_of(graph, *types):
        if isinstance(value := node.resource.props.get(key), str):
            found.setdefault(value, []).append(node)
    return found


def _is_one(holder: Props, key: str, allowed: Sequence[Value], absent: Value | None) -> bool:
    value = holder.get(key, absent)
    if value is not None and not isinstance(value, str | bool):
        raise Malformed(holder.at(key), value, "a text, true or false")
    return _fits(value, allowed)


def _fits(value: Value | None, allowed: Sequence[Value]) -> bool:
    """The engine keeps some truth values as text."""
    return value is not None and str(value).casefold() in {str(item).casefold() for item in allowed}


def _nested(path: str, value: Any) -> dict[str, Any]:
    for key in reversed(path.split(".")):
        value = {} if value is None else {key: value}
    return dict(value)


def _one(type_token: str, path: str, value: Any) -> list[Resource]:
    return [declared(type_token, "it", **_nested(path, value))]


def _key() -> Iterator[Resource]:
    yield declared("aws:kms/key:Key", "key")
