"""Built-in roles, and giving them at the scope of one thing.

https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_azure_native import authorization

from components.contract import Component

ROLES = {
    "AcrPull": "7f951dda-4ed3-4680-a7ca-43fe172d538d",
    "AcrPush": "8311e382-0749-4cb8-b61a-304f252e45ec",
    "AI Enterprise Network Connection Approver": "b556d68e-0be0-4f35-a333-ad7ee1ce17ea",
    "AKS RBAC Cluster Admin": "b1ff04bb-8a4e-4dc4-8eb5-8693973ce19b",
    "AzureML Data Scientist": "f6c7c914-8db3-469d-8ca1-694a8f32e121",
    "Key Vault Contributor": "f25e0fa2-a7c8-4377-a976-54943a77a395",
    "Key Vault Crypto Service Encryption User": "e147488a-f6f5-4113-8e2d-b22465e65bf6",
    "Key Vault Crypto User": "12338af0-0e69-4776-bea7-57ae8d297424",
    "Key Vault Reader": "21090545-7ca7-4776-b22c-e363652d74d2",
    "Key Vault Secrets Officer": "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
    "Managed Identity Operator": "f1a07417-d97a-45cb-824c-7a7467783830",
    "Network Contributor": "4d97b98b-1d4f-4787-a291-c67834d212e7",
    "Reader": "acdd72a7-3385-48ef-bd42-f606fba81ae7",
    "Storage Blob Data Contributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    "Storage Blob Data Reader": "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
    "Storage File Data Privileged Contributor": "69566ab7-960f-475b-8e7c-b3118f30c6bd",
}


@dataclass(frozen=True)
class Principal:
    """`key` tells principals of one use apart in names; empty for the stack's own identity."""

    id: pulumi.Input[str]
    type: str = "ServicePrincipal"
    key: str = ""


def grant(
    owner: Component[Any, Any],
    use: str,
    what: str,
    role: str,
    scope: pulumi.Input[str],
    principals: Iterable[Principal],
    *,
    subscription_id: pulumi.Input[str],
    only: str | None = None,
    **options: Any,
) -> list[authorization.RoleAssignment]:
    """A built-in role on `scope` for each principal. `only`: in a container, below this folder alone."""
    role_id = ROLES[role]
    definition = pulumi.Output.from_input(subscription_id).apply(
        lambda subscription: (
            f"/subscriptions/{subscription}/providers/Microsoft.Authorization/roleDefinitions/{role_id}"
        )
    )

    def named(both: list[str]) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, "|".join([*both, role_id, only or ""])))

    return [
        authorization.RoleAssignment(
            owner.child_name("-".join(filter(None, (use, what, principal.key)))),
            # A name of our own: the assignment is found again when its creation was interrupted.
            role_assignment_name=pulumi.Output.all(scope, principal.id).apply(named),
            scope=scope,
            principal_id=principal.id,
            principal_type=principal.type,
            role_definition_id=definition,
            condition=below(only) if only else None,
            condition_version="2.0" if only else None,
            opts=owner.child(delete_before_replace=True, **options),
        )
        for principal in principals
    ]


_BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"


def below(folder: str) -> str:
    """A condition: blobs are read, written and deleted below `folder` alone.

    https://learn.microsoft.com/azure/storage/blobs/storage-auth-abac-attributes
    """
    actions = " AND ".join(
        f"!(ActionMatches{{'{_BLOBS}/{verb}'}})" for verb in ("read", "write", "delete", "add/action", "move/action")
    )
    return f"(({actions}) OR (@Resource[{_BLOBS}:path] StringStartsWith '{folder}/'))"
