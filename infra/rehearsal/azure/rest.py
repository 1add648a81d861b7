"""Requests of Azure's Resource Manager: a body by the SDKs' models, and the names in its path."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from infra.rehearsal.azure.model import model
from infra.rehearsal.core import operations
from infra.rehearsal.core.fit import Rule
from infra.rehearsal.core.shape import Shape
from infra.rehearsal.core.validate import Violation, dotted

GROUP = Shape("string", "resourceGroupName", minimum=1, maximum=90, pattern=r"[-\w._()]*[-\w_()]")
"""https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules"""


def operation(
    body: str,
    rules: Mapping[str, Rule] | None = None,
    *,
    path: Mapping[str, Shape] | None = None,
    label: str = "PUT",
    fixed: Mapping[str, Any] | None = None,
    when: str | Callable[[Mapping[str, Any]], bool] | None = None,
    takes: tuple[str, ...] | None = None,
    omits: tuple[str, ...] = (),
) -> operations.Operation:
    """`body`: a model (`azure.mgmt.network.models:VirtualNetwork`). `path`: the shape of each name in the path, by
    the input that gives it (`virtualNetworkName`); the resource group's is always among them.

    The request is the body with those names beside its members, so that both are judged and counted alike.
    """
    names = {"resourceGroupName": GROUP, **(path or {})}

    def shape() -> Shape:
        own = model(body)
        return Shape(
            "structure",
            own.name,
            required=own.required | (path or {}).keys(),
            read_only=own.read_only - names.keys(),  # a name that answers repeat is in the path
            lazy_members=lambda: {**names, **own.members},
        )

    return operations.Operation(
        f"{label} {body.rpartition(':')[2]}", shape, words, rules or {}, fixed or {}, when, takes, omits
    )


def named(minimum: int, maximum: int, pattern: str) -> Shape:
    """A name in a path."""
    return Shape("string", "name", minimum=minimum, maximum=maximum, pattern=pattern)


def words(found: Violation) -> str:
    """As Resource Manager answers.

    https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/common-deployment-errors
    """
    where, own = dotted(found.path), str(found.path[-1]) if found.path else ""
    if found.what == "unknown":
        return (
            f"InvalidRequestContent: The request content was invalid and could not be deserialized: 'Could not find "
            f"member '{own}' on object of type '{found.shape.name}'. Path '{where}'.'"
        )
    if found.what == "required":
        return f"InvalidRequestFormat: Required property '{own}' not found in JSON. Path '{where}'."
    if found.what == "type":
        return (
            f"InvalidRequestContent: The request content was invalid and could not be deserialized: 'Error converting "
            f"value {found.value!r} to {found.allowed}. Path '{where}'.'"
        )
    return f"InvalidParameter: The value '{found.value}' of parameter '{where}' is invalid; allowed: {found.allowed}"
