"""Who may do everything on a cluster: nobody."""

from __future__ import annotations

from collections.abc import Iterator

from policies.graph import Node
from policies.resources import UNKNOWN, Malformed, Props
from policies.rule import Finding, Severity, rule
from policies.rules.gcp_grants import BINDINGS, MEMBERS, role_of
from policies.rules.optional import mapping, records, text, texts
from policies.rules.role_definitions import role_id

AZURE_ADMINS = {
    "b1ff04bb-8a4e-4dc4-8eb5-8693973ce19b": "Azure Kubernetes Service RBAC Cluster Admin",
    "0ab0b1a8-8aac-4efd-b8c2-3ee1fb270be8": "Azure Kubernetes Service Cluster Admin Role",
}
"""https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/containers"""


@rule(
    "no-cluster-admin",
    Severity.CRITICAL,
    types=(
        "kubernetes:rbac.authorization.k8s.io/*:ClusterRoleBinding",
        "kubernetes:rbac.authorization.k8s.io/*:RoleBinding",
    ),
    title="Nobody is made the administrator of a whole cluster",
    why="A cluster's administrator reads every secret and runs as any identity on any node.",
    remedy="Bind a role that names its verbs and resources, in the namespace where they are needed.",
)
def no_cluster_admin(binding: Props) -> Iterator[Finding]:
    role = text(binding.mapping("roleRef"), "name")
    if not role:
        raise Malformed("roleRef.name", role, "a name")
    if role == "cluster-admin":
        yield Finding(at="roleRef.name", found=role)
    for subject in records(binding, "subjects"):
        if text(subject, "name") == "system:masters":
            yield Finding(at=subject.at("name"), found="system:masters")


no_cluster_admin.examples(
    good=[{"roleRef": {"kind": "Role", "name": "reader"}, "subjects": [{"kind": "Group", "name": "ml"}]}],
    bad=[
        {"roleRef": {"kind": "ClusterRole", "name": "cluster-admin"}},
        {"roleRef": {"kind": "Role", "name": "reader"}, "subjects": [{"kind": "Group", "name": "system:masters"}]},
    ],
    unknown=[{"roleRef": {"name": UNKNOWN}}, {"roleRef": {"name": "a"}, "subjects": UNKNOWN}],
)


@no_cluster_admin.also("aws:eks/accessPolicyAssociation:AccessPolicyAssociation")
def _access_policy(association: Props) -> Finding | None:
    """https://docs.aws.amazon.com/eks/latest/userguide/access-policy-permissions.html"""
    arn = text(association, "policyArn") or ""
    name = arn.rpartition("/")[2]
    is_whole = text(mapping(association, "accessScope"), "type") != "namespace"
    if name == "AmazonEKSClusterAdminPolicy" or (name == "AmazonEKSAdminPolicy" and is_whole):
        return Finding(at="policyArn", found=name)
    return None


_EKS = "arn:aws:eks::aws:cluster-access-policy"

_access_policy.examples(
    good=[
        {"policyArn": f"{_EKS}/AmazonEKSViewPolicy", "accessScope": {"type": "cluster"}},
        {"policyArn": f"{_EKS}/AmazonEKSAdminPolicy", "accessScope": {"type": "namespace", "namespaces": ["team"]}},
    ],
    bad=[
        {"policyArn": f"{_EKS}/AmazonEKSClusterAdminPolicy", "accessScope": {"type": "cluster"}},
        {"policyArn": f"{_EKS}/AmazonEKSAdminPolicy", "accessScope": {"type": "cluster"}},
        {"policyArn": f"{_EKS}/AmazonEKSAdminPolicy"},
    ],
    unknown=[{"policyArn": UNKNOWN}, {"policyArn": f"{_EKS}/AmazonEKSAdminPolicy", "accessScope": UNKNOWN}],
)


@no_cluster_admin.also("aws:eks/accessEntry:AccessEntry")
def _access_entry(entry: Props) -> Finding | None:
    groups = texts(entry, "kubernetesGroups")
    return Finding(at="kubernetesGroups", found=groups) if "system:masters" in groups else None


_access_entry.examples(
    good=[{}, {"kubernetesGroups": ["viewers"]}],
    bad=[{"kubernetesGroups": ["viewers", "system:masters"]}],
    unknown=[{"kubernetesGroups": UNKNOWN}],
)


@no_cluster_admin.also(*MEMBERS, *BINDINGS, joins=True)
def _gke(grant: Node) -> Finding | None:
    """https://cloud.google.com/iam/docs/roles-permissions/container"""
    role = role_of(grant)
    return Finding(at="role", found=role) if role == "roles/container.admin" else None


_gke.examples(
    good=[{"role": "roles/container.defaultNodeServiceAccount"}],
    bad=[{"role": "roles/container.admin"}],
    unknown=[{"role": UNKNOWN}],
)


@no_cluster_admin.also("azure-native:authorization:RoleAssignment", joins=True)
def _aks(assignment: Node) -> Finding | None:
    role = role_id(assignment)
    return Finding(at="roleDefinitionId", found=AZURE_ADMINS[role]) if role in AZURE_ADMINS else None


_aks.examples(
    good=[{"roleDefinitionId": "/providers/Microsoft.Authorization/roleDefinitions/7f951dda"}],
    bad=[{"roleDefinitionId": f"/providers/Microsoft.Authorization/roleDefinitions/{guid}"} for guid in AZURE_ADMINS],
    unknown=[{"roleDefinitionId": UNKNOWN}],
)
