"""Roles, and who has them where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from infra.rehearsal.azure.arm import arm, one_of_ids
from infra.rehearsal.core.kinds import Find, Kind, Ref, Rule

MODELS = "azure.mgmt.authorization.v2022_04_01.models"
UUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
CONDITIONS = "https://learn.microsoft.com/azure/role-based-access-control/conditions-format"
CUSTOM = "https://learn.microsoft.com/azure/role-based-access-control/custom-roles"

SCOPE = one_of_ids(
    "resources:ResourceGroup", "storage:BlobContainer", "keyvault:Key", "storage:StorageAccount", "keyvault:Vault",
    "containerregistry:Registry", "machinelearningservices:Workspace", "network:Subnet",
    "managedidentity:UserAssignedIdentity", "applicationinsights:Component", "containerservice:ManagedCluster",
    "machinelearningservices:OnlineEndpoint", "operationalinsights:Workspace",
    skips=r"/subscriptions/[^/]+$",
)  # fmt: skip
ROLE = Ref(
    "azure-native:authorization:RoleDefinition",
    by=(),
    holds=True,
    skips=r"/subscriptions/[^/]+/providers/Microsoft\.Authorization/roleDefinitions/(?!.*skywright)",
)
"""Built-in roles lie at the subscription, custom ones at the stack's group."""


def _condition(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if inputs.get("condition") and inputs.get("conditionVersion") != "2.0":
        yield (
            "conditionVersion",
            f"InvalidConditionVersion: {inputs.get('conditionVersion')} is not valid with a condition; allowed: 2.0",
        )


def _principal(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    principal = inputs.get("principalId")
    if isinstance(principal, str) and len(principal) != 36:
        yield "principalId", f"InvalidPrincipalId: The Principal ID '{principal}' is not valid; it must be a GUID"


def _given_once(inputs: Mapping[str, Any], find: Find) -> Iterator[tuple[str, str]]:
    """One principal has a role at a scope once, whatever the assignment is named. Several conditions don't help."""
    own = tuple(str(inputs.get(key)).lower() for key in ("scope", "principalId", "roleDefinitionId"))
    for _, other in find("azure-native:authorization:RoleAssignment"):
        if own == tuple(str(other.get(key)).lower() for key in ("scope", "principalId", "roleDefinitionId")):
            yield "roleDefinitionId", "RoleAssignmentExists: The role assignment already exists."


def _role(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    scopes = inputs.get("assignableScopes")
    if isinstance(scopes, list) and not scopes:
        yield "assignableScopes", "RoleDefinitionWithNoAssignableScopes: A role needs one assignable scope at least"
    for index, permission in enumerate(inputs.get("permissions") or ()):
        for action in permission.get("actions") or ():
            if isinstance(action, str) and action != "*" and action.count("/") < 1:
                yield (
                    f"permissions[{index}].actions",
                    f"InvalidActionOrNotAction: '{action}' is no action of any provider",
                )


def _named_once(inputs: Mapping[str, Any], find: Find) -> Iterator[tuple[str, str]]:
    for _, other in find("azure-native:authorization:RoleDefinition"):
        if other.get("roleName") == inputs.get("roleName"):
            yield (
                "roleName",
                f"RoleDefinitionWithSameNameExists: '{inputs.get('roleName')}' is in the tenant already",
            )


KINDS: tuple[Kind, ...] = (
    arm(
        "azure-native:authorization:RoleAssignment",
        "Microsoft.Authorization/roleAssignments",
        f"{MODELS}:RoleAssignmentCreateParameters",
        name="roleAssignmentName",
        pattern=UUID,
        scope="scope",
        references={"scope": SCOPE, "roleDefinitionId": ROLE},
        checks=(
            Rule(CONDITIONS, _condition),
            Rule("https://learn.microsoft.com/azure/role-based-access-control/troubleshooting", _principal),
        ),
        immutable=("principalId", "principalType", "roleDefinitionId", "condition", "conditionVersion", "description"),
        taken="RoleAssignmentExists: The role assignment already exists.",
        meets=_given_once,
    ),
    arm(
        "azure-native:authorization:RoleDefinition",
        "Microsoft.Authorization/roleDefinitions",
        f"{MODELS}:RoleDefinition",
        name="roleDefinitionId",
        pattern=UUID,
        scope="scope",
        rules={"roleType": "properties.type"},
        references={"scope": SCOPE, "assignableScopes": SCOPE},
        checks=(Rule(CUSTOM, _role),),
        meets=_named_once,
    ),
)  # fmt: skip
