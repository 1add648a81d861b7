"""Objects whose types operators bring: the SDK has no classes for them, the API server has their schema."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components.contract import Component
from components.kubernetes.cluster import Cluster, metadata

KINDS: dict[str, tuple[str, str]] = {
    "AlertmanagerConfig": ("monitoring.coreos.com/v1alpha1", "prometheus"),
    "ClusterQueue": ("kueue.x-k8s.io/v1beta1", "kueue"),
    "Gateway": ("gateway.networking.k8s.io/v1", "gateway"),
    "GatewayClass": ("gateway.networking.k8s.io/v1", "gateway"),
    "HTTPRoute": ("gateway.networking.k8s.io/v1", "gateway"),
    "InferenceService": ("serving.kserve.io/v1beta1", "kserve"),
    "LocalQueue": ("kueue.x-k8s.io/v1beta1", "kueue"),
    "PodMonitor": ("monitoring.coreos.com/v1", "prometheus"),
    "PrometheusRule": ("monitoring.coreos.com/v1", "prometheus"),
    "ResourceFlavor": ("kueue.x-k8s.io/v1beta1", "kueue"),
    "ScaledObject": ("keda.sh/v1alpha1", "keda"),
    "ServiceMonitor": ("monitoring.coreos.com/v1", "prometheus"),
    "WorkloadPriorityClass": ("kueue.x-k8s.io/v1beta1", "kueue"),
}
"""The version that is declared, and the operator that brings it (a key of operators.CHARTS)."""


class _Flat(pulumi.CustomResource):
    """An object with fields beside `spec`, which the SDK's class for custom resources can't take."""

    def __init__(self, version: str, kind: str, name: str, props: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__(f"kubernetes:{version}:{kind}", name, {"apiVersion": version, "kind": kind, **props}, opts)


def declare(
    owner: Component[Any, Any],
    cluster: Cluster,
    kind: str,
    role: str,
    name: str,
    namespace: str | None = None,
    *,
    spec: Mapping[str, Any] | None = None,
    flat: Mapping[str, Any] | None = None,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, pulumi.Input[str]] | None = None,
    depends_on: Iterable[Any] = (),
    **options: Any,
) -> pulumi.CustomResource:
    """A custom resource `name`; `flat` are the fields of a kind that has no `spec`."""
    version, operator = KINDS[kind]
    meta = metadata(owner, name, namespace, labels=labels, annotations=annotations)
    opts = cluster.child(
        owner,
        after=(operator,),
        depends_on=[*depends_on, *(cluster.namespaces.get(namespace, ()) if namespace else ())],
        **options,
    )
    if flat is not None:
        return _Flat(version, kind, owner.child_name(role), {"metadata": meta, **flat}, opts)
    made: pulumi.CustomResource = k8s.apiextensions.CustomResource(
        owner.child_name(role), api_version=version, kind=kind, metadata=meta, spec=dict(spec or {}), opts=opts
    )
    return made
