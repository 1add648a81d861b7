"""A namespace as the platform makes all of its own: restricted pods, bounded use, closed to the network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi_kubernetes as k8s

from components.contract import Component
from components.kubernetes.cluster import Cluster, metadata
from components.kubernetes.traffic import Gate

POD_SECURITY = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
"""https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted"""

NOTHING_EXPOSED = {"services.loadbalancers": "0", "services.nodeports": "0"}
"""What is reached from outside goes through the gateway."""


def declare_namespace(
    owner: Component[Any, Any], cluster: Cluster, name: str, *, quota: Mapping[str, str] | None = None
) -> Gate:
    """Declare the namespace with its guards; a brought one gets the guards alone. Gives back its gate, shut.

    `quota` are hard limits of a ResourceQuota beside NOTHING_EXPOSED.
    """
    # A brought namespace is patched: its pods come under the same standard, and destroy leaves it.
    is_brought = name in cluster.settings.existing.namespaces
    made = (k8s.core.v1.NamespacePatch if is_brought else k8s.core.v1.Namespace)(
        owner.child_name(name),
        metadata=metadata(owner, name, labels=POD_SECURITY),
        opts=cluster.child(owner, protect=owner.ctx.is_production and not is_brought),
    )
    depends_on = cluster.namespaces[name] = [made]
    k8s.core.v1.ResourceQuota(
        owner.child_name(f"{name}-quota"),
        metadata=metadata(owner, "quota", name),
        spec=k8s.core.v1.ResourceQuotaSpecArgs(hard={**NOTHING_EXPOSED, **(quota or {})}),
        opts=cluster.child(owner, depends_on=depends_on),
    )
    k8s.core.v1.LimitRange(
        owner.child_name(f"{name}-limits"),
        metadata=metadata(owner, "limits", name),
        spec=k8s.core.v1.LimitRangeSpecArgs(
            limits=[
                k8s.core.v1.LimitRangeItemArgs(
                    type="Container",
                    # Of what the queues count, and no more: Kueue refuses a job that asks for anything else.
                    default={"cpu": "1", "memory": "2Gi"},
                    default_request={"cpu": "100m", "memory": "256Mi"},
                )
            ]
        ),
        opts=cluster.child(owner, depends_on=depends_on),
    )
    gate = Gate(owner, cluster, name, depends_on)
    gate.shut()
    return gate
