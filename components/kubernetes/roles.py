"""What each role may do in the platform's namespaces: named resources, named verbs, nothing by wildcard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pulumi_kubernetes as k8s

from components.contract import Component
from components.kubernetes.cluster import Cluster, metadata

READ = ("get", "list", "watch")
WRITE = ("create", "delete", "patch", "update")

Rule = tuple[str, Sequence[str], Sequence[str]]
"""API group, resources, verbs."""

_SEE: tuple[Rule, ...] = (
    ("", ("configmaps", "events", "pods", "pods/log", "resourcequotas", "services"), READ),
    ("batch", ("jobs",), READ),
    ("jobset.x-k8s.io", ("jobsets",), READ),
    ("kueue.x-k8s.io", ("localqueues", "workloads"), READ),
    ("serving.kserve.io", ("inferenceservices",), READ),
    ("gateway.networking.k8s.io", ("gateways", "httproutes"), READ),
    ("keda.sh", ("scaledobjects",), READ),
)

ROLES: dict[str, tuple[Rule, ...]] = {
    "viewer": _SEE,
    "approver": (
        ("serving.kserve.io", ("inferenceservices",), READ),
        ("gateway.networking.k8s.io", ("httproutes",), READ),
    ),
    "pipeline": (
        ("", ("configmaps",), (*READ, "create", "patch")),  # what a run is made of lies in one
        ("", ("events", "pods", "pods/log"), READ),
        ("batch", ("jobs",), (*READ, *WRITE)),
        ("jobset.x-k8s.io", ("jobsets",), (*READ, *WRITE)),
        ("kueue.x-k8s.io", ("localqueues", "workloads"), READ),
    ),
    "admin": (
        *_SEE,
        ("", ("configmaps",), ("create", "patch")),
        ("", ("pods",), ("delete",)),
        ("batch", ("jobs",), WRITE),
        ("jobset.x-k8s.io", ("jobsets",), WRITE),
        ("kueue.x-k8s.io", ("localqueues", "workloads"), ("patch", "update")),
        ("keda.sh", ("scaledobjects",), ("patch", "update")),
    ),
}
"""Training and serving have none: what runs there never asks the API server."""


def group_of(owner: Component[Any, Any], role: str) -> str:
    """The RBAC group that stands for a role; a cloud maps its own role to it."""
    return f"skywright:{owner.ctx.stack}:{role}"


def declare_role(owner: Component[Any, Any], cluster: Cluster, namespace: str, role: str) -> None:
    """What ROLES says of it, in a namespace."""
    rules = [policy_rule(*rule) for rule in ROLES[role]]
    grant(owner, cluster, namespace, f"skywright-{role}", rules, subjects_of(owner, cluster, role))


def grant(
    owner: Component[Any, Any],
    cluster: Cluster,
    namespace: str,
    name: str,
    rules: Sequence[k8s.rbac.v1.PolicyRuleArgs],
    subjects: Sequence[k8s.rbac.v1.SubjectArgs],
) -> None:
    """A Role of that name in a namespace, bound to the subjects."""
    role = k8s.rbac.v1.Role(
        owner.child_name(f"{namespace}-{name}"),
        metadata=metadata(owner, name, namespace),
        rules=list(rules),
        opts=cluster.child(owner, depends_on=cluster.namespaces.get(namespace, [])),
    )
    k8s.rbac.v1.RoleBinding(
        owner.child_name(f"{namespace}-{name}"),
        metadata=metadata(owner, name, namespace),
        role_ref=k8s.rbac.v1.RoleRefArgs(api_group="rbac.authorization.k8s.io", kind="Role", name=name),
        subjects=list(subjects),
        opts=cluster.child(owner, depends_on=[role]),
    )


def subjects_of(owner: Component[Any, Any], cluster: Cluster, role: str) -> list[k8s.rbac.v1.SubjectArgs]:
    """Its group, the group that the settings name, and its account."""
    groups = [group_of(owner, role), getattr(cluster.settings.groups, role, None)]
    found = [
        k8s.rbac.v1.SubjectArgs(kind="Group", name=group, api_group="rbac.authorization.k8s.io")
        for group in groups
        if group
    ]
    if role in cluster.accounts:
        found.append(k8s.rbac.v1.SubjectArgs(kind="ServiceAccount", name=role, namespace=cluster.settings.namespace))
    return found


def policy_rule(
    group: str, resources: Sequence[str], verbs: Sequence[str], *, names: Sequence[str] | None = None
) -> k8s.rbac.v1.PolicyRuleArgs:
    """A rule, over the objects of these `names` alone where they are given."""
    return k8s.rbac.v1.PolicyRuleArgs(
        api_groups=[group],
        resources=list(resources),
        verbs=list(verbs),
        resource_names=list(names) if names is not None else None,
    )
