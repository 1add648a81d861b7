"""A type of Resource Manager as a row: its id, type and names follow from the path of its requests."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from infra.rehearsal.azure.rest import operation
from infra.rehearsal.core.fit import Rule as FitRule
from infra.rehearsal.core.fit import To
from infra.rehearsal.core.kinds import Autoname, Facts, Find, Kind, Output, Ref, Rule, Unique
from infra.rehearsal.core.operations import Calls
from infra.rehearsal.core.shape import Shape
from infra.rehearsal.core.templates import drawn_uuid
from infra.rehearsal.core.values import at

RULES = "https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules"
GROUP = Ref("azure-native:resources:ResourceGroup", by=("name",), holds=True, skips=r"NetworkWatcherRG$")
"""What a resource names its group by. The watchers' group is Azure's own."""
IDENTITY = Ref("azure-native:managedidentity:UserAssignedIdentity", by=())
"""By its id."""


def arm(
    token: str,
    path: str,
    body: str,
    *,
    name: str,
    pattern: str,
    longest: int | None = None,
    under: Mapping[str, str] | None = None,
    scope: str = "",
    id: str = "",
    rules: Mapping[str, FitRule] | None = None,
    local: Mapping[str, str] | None = None,
    outputs: Mapping[str, Output] | None = None,
    references: Mapping[str, Ref | tuple[Ref, ...]] | None = None,
    checks: tuple[Rule, ...] = (),
    begins: Callable[[Mapping[str, Any]], Iterable[tuple[str, str]]] | None = None,
    meets: Callable[[Mapping[str, Any], Find], Iterable[tuple[str, str]]] | None = None,
    immutable: Iterable[str] = (),
    taken: str = "",
    is_global: bool = False,
    has_identity: bool = False,
    fixed: Mapping[str, Any] | None = None,
) -> Kind:
    """`path`: the type, `Microsoft.Network/virtualNetworks/subnets`. `name`: the input that names the resource, whose
    whole value matches `pattern`. `under`: what it lies in, type by input, from the outermost; an empty type where
    Azure makes that by itself. `scope`: the input that says on what an extension lies, which then has no group. `id`:
    where it does not follow from these. `is_global`: all of Azure shares the names; `taken`: what it says when one is
    in use.
    """
    provider, *kinds = path.split("/")
    names = [*(under or {}), name]
    own = "/".join(f"{kind}/{{{of}}}" for kind, of in zip(kinds, names, strict=len(kinds) == len(names)))
    before = f"{{{scope}}}" if scope else "/subscriptions/{account}/resourceGroups/{resourceGroupName}"
    place = (scope,) if scope else ("resourceGroupName",)
    group = {} if scope or name == "resourceGroupName" else {"resourceGroupName": GROUP}
    shapes = {**{key: Shape("string", key) for key in (*place, *(under or {}))},
              name: Shape("string", name, pattern=pattern, maximum=longest)}  # fmt: skip
    if group:
        del shapes["resourceGroupName"]
    return Kind(
        token,
        judge=Calls(
            "azure-ai-ml" if body.startswith("azure.ai.ml.") else f"azure-mgmt-{body.split('.')[2]}",
            operation(
                body,
                {"identity.userAssignedIdentities": To("userAssignedIdentities", by=by_id), **(rules or {})},
                path=shapes,
                fixed=fixed,
            ),
            local=local,
        ),
        id=id or f"{before}/providers/{provider}/{own}",
        outputs={
            "name": f"{{{name}}}",
            "type": path,
            "provisioningState": "Succeeded",
            "__id": lambda facts: facts["id"],
            **({"identity": identity} if has_identity else {}),
            **(outputs or {}),
        },
        references={
            **group,
            **{of: Ref(kind, by=("name",), holds=True) for of, kind in (under or {}).items() if kind},
            **({"identity.userAssignedIdentities": IDENTITY} if has_identity else {}),
            **{of: refs for of, refs in (references or {}).items() if refs},
        },
        unique=(
            Unique(
                (name,) if is_global else (name, "__id"),
                taken or f"Conflict: cannot create already existing resource {path} {{{name}}}",
                scope="global" if is_global else "account",
            ),
        ),
        rules=checks,
        immutable=frozenset({*place, *names, "location", *immutable}),
        autoname=Autoname(name, max_length=longest or 60, separator=""),
        begins=begins,
        meets=meets,
    )


def within(path: str, least: float, most: float, link: str) -> Rule:
    """A number between two others."""

    def check(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        for value in at(inputs, path):
            if isinstance(value, int | float) and not least <= value <= most:
                yield path, f"InvalidParameter: {path.rpartition('.')[2]} is {value}; allowed: {least:g} to {most:g}"

    return Rule(link, check)


def one_of(path: str, allowed: Iterable[str], link: str) -> Rule:
    """One of a closed set that no model has."""
    known = tuple(allowed)

    def check(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        for value in at(inputs, path):
            if isinstance(value, str) and value not in known:
                yield path, f"InvalidParameter: {path.rpartition('.')[2]} is {value}; allowed: {', '.join(known)}"

    return Rule(link, check)


def named(path: str, pattern: str, link: str = RULES) -> Rule:
    """A name that no model bounds."""

    def check(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        for value in at(inputs, path):
            if isinstance(value, str) and not re.fullmatch(pattern, value):
                yield path, f"InvalidParameter: {path.rpartition('.')[2]} is {value}; allowed: {pattern}"

    return Rule(link, check)


def one_of_ids(*tokens: str, holds: bool = False, skips: str = "") -> Ref:
    """What is referred to by its whole id: `network:Subnet`."""
    return Ref(tuple(f"azure-native:{token}" for token in tokens), by=(), holds=holds, skips=skips)


def by_id(identities: Any) -> Any:
    """The SDK takes a list of ids where REST has a map of them."""
    return {item: {} for item in identities} if isinstance(identities, list) else identities


def identity(facts: Facts) -> Any:
    """As Azure answers: a map by id, and of a system's own identity who it is."""
    held = facts.get("identity")
    if not isinstance(held, Mapping):
        return None
    users = by_id(held.get("userAssignedIdentities")) or {}
    done = {
        **held,
        "userAssignedIdentities": {
            id: {"clientId": drawn_uuid(f"{id}/client"), "principalId": drawn_uuid(f"{id}/principal")} for id in users
        },
    }
    if "System" in str(held.get("type")):
        done |= {"principalId": drawn_uuid(f"{facts['id']}/principal"), "tenantId": facts["tenant"]}
    return done
