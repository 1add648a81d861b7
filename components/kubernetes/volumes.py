"""Claims for what is stored in the cluster itself."""

from __future__ import annotations

from typing import Any

import pulumi_kubernetes as k8s

from components.contract import Component
from components.kubernetes.cluster import Cluster, metadata
from components.kubernetes.settings import VolumeSettings

MOUNT = "/mnt/skywright"
"""Where jobs mount their team's claims: `data` and `checkpoints` below it."""


def declare_claim(
    owner: Component[Any, Any], cluster: Cluster, namespace: str, role: str, gib: int, volumes: VolumeSettings
) -> k8s.core.v1.PersistentVolumeClaim:
    """The claim `role` of a namespace; kept by destroy where the stack keeps its data."""
    ctx = owner.ctx
    return k8s.core.v1.PersistentVolumeClaim(
        owner.child_name(f"{namespace}-{role}"),
        metadata=metadata(
            owner,
            role,
            namespace,
            annotations={"pulumi.com/skipAwait": "true"},  # bound only when its first pod comes, with most classes
        ),
        spec=k8s.core.v1.PersistentVolumeClaimSpecArgs(
            access_modes=[volumes.access_mode],
            storage_class_name=volumes.storage_class or cluster.storage_class,
            resources=k8s.core.v1.VolumeResourceRequirementsArgs(requests={"storage": f"{gib}Gi"}),
        ),
        opts=cluster.child(
            owner,
            depends_on=cluster.namespaces.get(namespace, []),
            protect=ctx.is_production,
            retain_on_delete=ctx.retain_data and not ctx.is_production,
        ),
    )
