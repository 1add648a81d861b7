"""Roles of Azure and Kubernetes: what they let do, and the built-in ones that let do too much."""

from __future__ import annotations

import re
from collections.abc import Iterator

from policies.examples import Ref, declared
from policies.graph import Node
from policies.resources import UNKNOWN, Malformed, Props, UnknownValue
from policies.rule import Finding
from policies.rules import permissions
from policies.rules.optional import records, text, texts

GRANTING = {
    "8e3af657-a8ff-443c-a75c-2fe8c4bcb635": "Owner",
    "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9": "User Access Administrator",
    "f58310d9-a9f6-439a-9e8d-f62e7b41a168": "Role Based Access Control Administrator",
}
"""They hand out rights, to themselves too. https://learn.microsoft.com/azure/role-based-access-control/built-in-roles"""
CONTRIBUTOR = "b24988ac-6180-42a0-ab88-20f7382dd24c"
ONE_RESOURCE = re.compile(r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/.+", re.IGNORECASE)
HANDS_OUT = ("bind", "escalate", "impersonate")
"""https://kubernetes.io/docs/concepts/security/rbac-good-practices/#privilege-escalation-risks"""


DEFINITION = "azure-native:authorization:RoleDefinition"


def role_id(assignment: Node) -> str:
    """The GUID of the role that an assignment gives; none for a role of the stack, which is judged by itself."""
    try:
        name = text(assignment, "roleDefinitionId")
    except UnknownValue:
        if assignment.referred("roleDefinitionId", DEFINITION):
            return ""
        raise
    if not name:
        raise Malformed(assignment.at("roleDefinitionId"), name, "a role definition's id")
    return name.rpartition("/")[2].lower()


@permissions.no_wildcard_actions.also("azure-native:authorization:RoleAssignment", joins=True)
def _assigned(assignment: Node) -> Finding | None:
    role = role_id(assignment)
    if role in GRANTING:
        return Finding(at="roleDefinitionId", found=GRANTING[role])
    if role == CONTRIBUTOR and not ONE_RESOURCE.fullmatch(text(assignment, "scope") or ""):
        return Finding(at="roleDefinitionId", found="Contributor on more than one resource")
    return None


_ROLES = "/subscriptions/s/providers/Microsoft.Authorization/roleDefinitions"
_GROUP = "/subscriptions/s/resourceGroups/g"

_assigned.examples(
    good=[
        {"roleDefinitionId": f"{_ROLES}/7f951dda-4ed3-4680-a7ca-43fe172d538d", "scope": "/subscriptions/s"},
        {"roleDefinitionId": f"{_ROLES}/{CONTRIBUTOR}", "scope": f"{_GROUP}/providers/Microsoft.Search/services/x"},
        {"roleDefinitionId": f"{_ROLES}/7f951dda-4ed3-4680-a7ca-43fe172d538d", "scope": UNKNOWN},
        [
            declared(DEFINITION, "own", permissions=[]),
            declared("azure-native:authorization:RoleAssignment", "a", roleDefinitionId=Ref("own")),
        ],
    ],
    bad=[
        {"roleDefinitionId": f"{_ROLES}/{next(iter(GRANTING)).upper()}", "scope": UNKNOWN},
        {"roleDefinitionId": f"{_ROLES}/{CONTRIBUTOR}", "scope": "/subscriptions/s"},
        {"roleDefinitionId": f"{_ROLES}/{CONTRIBUTOR}", "scope": _GROUP},
        {"roleDefinitionId": f"{_ROLES}/{CONTRIBUTOR}"},
    ],
    unknown=[
        {"roleDefinitionId": UNKNOWN, "scope": _GROUP},
        {"roleDefinitionId": f"{_ROLES}/{CONTRIBUTOR}", "scope": UNKNOWN},
    ],
)


@permissions.no_wildcard_actions.also(DEFINITION)
def _defined(definition: Props) -> Iterator[Finding]:
    for permission in records(definition, "permissions"):
        for key in ("actions", "dataActions"):
            for index, action in enumerate(texts(permission, key)):
                if "*" in action and not action.endswith("/read"):
                    yield Finding(at=f"{permission.at(key)}[{index}]", found=action)


_defined.examples(
    good=[
        {"permissions": [{"actions": ["Microsoft.Search/services/read", "*/read"], "notActions": ["*"]}]},
        {"permissions": []},
    ],
    bad=[
        {"permissions": [{"actions": ["*"]}]},
        {"permissions": [{"actions": ["Microsoft.Authorization/*"]}]},
        {"permissions": [{"actions": [], "dataActions": ["Microsoft.Storage/*/write"]}]},
    ],
    unknown=[{"permissions": UNKNOWN}, {"permissions": [{"actions": [UNKNOWN]}]}],
)


@permissions.no_wildcard_actions.also(
    "kubernetes:rbac.authorization.k8s.io/*:ClusterRole", "kubernetes:rbac.authorization.k8s.io/*:Role"
)
def _kubernetes_role(role: Props) -> Iterator[Finding]:
    for given in records(role, "rules"):
        for key in ("apiGroups", "resources", "verbs", "nonResourceURLs"):
            if "*" in texts(given, key):
                yield Finding(at=given.at(key), found="*")
        for verb in set(HANDS_OUT) & set(texts(given, "verbs")):
            yield Finding(at=given.at("verbs"), found=verb)


_kubernetes_role.examples(
    good=[
        {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}]},
        {"aggregationRule": {"clusterRoleSelectors": []}},
    ],
    bad=[
        {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["*"]}]},
        {"rules": [{"apiGroups": ["batch"], "resources": ["*"], "verbs": ["get"]}]},
        {"rules": [{"apiGroups": ["*"], "resources": ["jobs"], "verbs": ["get"]}]},
        {"rules": [{"nonResourceURLs": ["*"], "verbs": ["get"]}]},
        {"rules": [{"apiGroups": [""], "resources": ["users"], "verbs": ["impersonate"]}]},
    ],
    unknown=[{"rules": UNKNOWN}, {"rules": [{"resources": ["pods"], "verbs": UNKNOWN}]}],
)
