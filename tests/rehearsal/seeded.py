"""A program that breaks every rule of a cloud: the rules' own bad examples, declared for the engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pulumi

from policies.resources import UNKNOWN, Resource
from policies.rule import Check, Example
from policies.rules import all_rules

ALONE = frozenset({"budget-declared", "idle-shutdown", "scales-to-zero"})
"""Rules whose bad examples are good beside those of others: of a whole stack they ask what it lacks."""


def seeds(package: str) -> Iterator[tuple[str, list[Resource]]]:
    """Rule -> the resources of one bad example of each of its checks that is about this cloud's types."""
    for rule in all_rules():
        for number, check in enumerate(rule.checks):
            for example in check.bad[:1]:
                resources = _resources(check, example, package)
                if resources and any(check.applies_to(item.type) for item in resources):
                    yield rule.name, [_renamed(item, f"{rule.name}-{number}") for item in resources]


def worlds(package: str) -> dict[str, list[tuple[str, list[Resource]]]]:
    """The seeds by what stack they need: one stack is in production or not, and its data of one class."""
    found: dict[str, list[tuple[str, list[Resource]]]] = {}
    for name, resources in seeds(package):
        components = [item.props for item in resources if item.type.startswith("skywright:")]
        is_production = any(props.get("isProduction") is not False for props in components) or not components
        tags = [props["tags"] for props in components if isinstance(props.get("tags"), Mapping)]
        classes = {str(each.get("data_classification", "")) for each in tags} - {"", "internal"}
        key = f"{'production' if is_production else 'development'}{''.join(f'-{it}' for it in sorted(classes))}"
        found.setdefault(name if name in ALONE else key, []).append((name, resources))
    return found


def declare(package: str, world: str) -> None:
    """Declare them all. What an example makes of another's outputs is made of them here too."""
    made: dict[str, pulumi.Resource] = {}
    for _, resources in worlds(package)[world]:
        for item in sorted(resources, key=lambda it: _depth(it, resources)):
            made[item.urn] = _declare(item, made)


def _depth(item: Resource, others: list[Resource]) -> int:
    """What is referred to comes first. Cycles don't occur."""
    needed = {urn for urns in item.property_dependencies.values() for urn in urns} | {item.parent}
    return 1 + max((_depth(other, others) for other in others if other.urn in needed), default=0)


def _declare(item: Resource, made: Mapping[str, pulumi.Resource]) -> pulumi.Resource:
    parent = made.get(item.parent or "")
    options = pulumi.ResourceOptions(parent=parent, protect=bool(item.options.get("protect")))
    props = {key: _wired(value, item.property_dependencies.get(key, ()), made) for key, value in item.props.items()}
    if item.type.startswith("skywright:"):
        return pulumi.ComponentResource(item.type, item.name, props, options)
    return pulumi.CustomResource(item.type, item.name, {**_given(item), **props}, options)


def _given(item: Resource) -> dict[str, Any]:
    """What a provider needs to answer at all; no rule asks for it."""
    package, module, kind = item.type.split(":")
    if package == "kubernetes":
        metadata = {**dict(item.props.get("metadata") or {}), "name": item.name}
        return {"apiVersion": module.removeprefix("core/"), "kind": kind, "metadata": metadata}
    return {"name": item.name.lower()} if package == "gcp" else {}


def _wired(value: Any, urns: Any, made: Mapping[str, pulumi.Resource]) -> Any:
    """Unknown values become outputs of the resources that they are made of."""
    if value is UNKNOWN:
        known = [made[urn] for urn in urns if urn in made]
        first = known[0] if known else None
        return first.id if isinstance(first, pulumi.CustomResource) else pulumi.Output.from_input(None)
    if isinstance(value, Mapping):
        return {key: _wired(item, urns, made) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_wired(item, urns, made) for item in value]
    return value


def _resources(check: Check, example: Example, package: str) -> list[Resource]:
    if isinstance(example, Mapping):
        for pattern in check.types:
            token = pattern.replace("skywright:*", f"skywright:{package.split('-')[0]}").replace("*", "Network")
            if token.split(":", 1)[0] in (package, "skywright") and token.count(":") == 2:
                return [Resource(token, "it", example, urn="urn:pulumi:example::skywright::any::it")]
        return []
    own = {item.type.split(":", 1)[0] for item in example} - {"skywright"}
    return list(example) if own <= {package} else []


def _renamed(item: Resource, prefix: str) -> Resource:
    def own(urn: str) -> str:
        return urn.replace("::any::", f"::any::{prefix}-")

    return Resource(
        item.type,
        f"{prefix}-{item.name}",
        item.props,
        urn=own(item.urn),
        parent=own(item.parent) if item.parent else None,
        options=item.options,
        property_dependencies={key: tuple(map(own, urns)) for key, urns in item.property_dependencies.items()},
    )
