"""Everything of Kubernetes lies in a namespace that was made for it."""

from __future__ import annotations

from policies.resources import UNKNOWN, Props, UnknownValue
from policies.rule import Finding, Severity, rule
from policies.rules.optional import mapping, text
from policies.rules.pods import WORKLOADS

NAMESPACED = (
    *WORKLOADS,
    "kubernetes:core/v1:ConfigMap",
    "kubernetes:core/v1:PersistentVolumeClaim",
    "kubernetes:core/v1:Secret",
    "kubernetes:core/v1:Service",
    "kubernetes:core/v1:ServiceAccount",
    "kubernetes:networking.k8s.io/*:Ingress",
    "kubernetes:rbac.authorization.k8s.io/*:Role",
    "kubernetes:rbac.authorization.k8s.io/*:RoleBinding",
)


@rule(
    "default-namespace-unused",
    Severity.LOW,
    types=NAMESPACED,
    title="Nothing lies in the default namespace",
    why="What nobody placed lies beside what nobody placed: without quotas, network policies or roles of its own.",
    remedy="Set metadata.namespace to a namespace of its own.",
)
def default_namespace_unused(item: Props) -> Finding | None:
    """One that is made of another resource's outputs is not the default."""
    metadata = mapping(item, "metadata")
    try:
        found = text(metadata, "namespace")
    except UnknownValue:
        return None
    return Finding(at=metadata.at("namespace"), found=found) if found in (None, "default") else None


default_namespace_unused.examples(
    good=[{"metadata": {"namespace": "team"}}, {"metadata": {"namespace": UNKNOWN}}],
    bad=[{}, {"metadata": {"name": "a"}}, {"metadata": {"namespace": "default"}}],
    unknown=[{"metadata": UNKNOWN}],
)
