"""Node pools: one for the platform itself, one for each declared pool, from zero."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_gcp as gcp

from catalog.instances import Instance
from components.contract import Component, Context
from components.gcp import names
from components.gcp.cluster import Made
from components.gcp.outputs import GcpNetwork, GcpStorage
from components.gcp.provider import labels_of
from components.gcp.training import instance_of
from components.kubernetes.flavors import (
    ACCELERATOR_LABEL,
    CAPACITY_LABEL,
    GPU,
    GPU_TAINT,
    POOL_LABEL,
    Flavor,
)
from components.kubernetes.settings import TolerationSettings
from components.specs import PoolSpec, TrainingSpec

SYSTEM_MACHINE, SYSTEM_MAX = "e2-standard-4", 6
SPOT_TAINT = TolerationSettings.model_construct(key="cloud.google.com/gke-spot", value="true")
DISK_GIB, GPU_DISK_GIB = 100, 200
"""GPU images are big; a pool of PD-balanced disks costs little against its GPUs."""

SYSTEM_SHARE = 0.9
"""Of a node that pods can have: the rest is kubelet's, GKE's agents'."""

NODE_ROLE = "roles/container.defaultNodeServiceAccount"
"""The least that nodes work with: https://cloud.google.com/kubernetes-engine/docs/how-to/hardening-your-cluster"""


def declare_node_pools(
    owner: Component[Any, Any],
    spec: TrainingSpec,
    made: Made,
    *,
    network: GcpNetwork,
    storage: GcpStorage,
) -> list[pulumi.Resource]:
    """What must be there before the platform is declared. A cluster that is brought keeps its own system pool."""
    nodes = gcp.serviceaccount.Account(
        owner.child_name("nodes-account"),
        project=network.project_id,
        account_id=owner.ctx.name(names.SERVICE_ACCOUNT, "nodes"),
        display_name=f"{owner.ctx.project} {owner.ctx.stack} nodes"[:100],
        description="Nodes of the cluster; pods have accounts of their own",
        opts=owner.child(delete_before_replace=True),
    )
    role = gcp.projects.IAMMember(
        owner.child_name("nodes-role"),
        project=network.project_id,
        role=NODE_ROLE,
        member=nodes.member,
        opts=owner.child(),
    )
    needed: list[pulumi.Resource] = [*made.needed, role]
    if not made.is_brought:
        needed.append(
            _pool(owner, made, network, storage, nodes, "system", _system_config(owner), 1, SYSTEM_MAX, needed)
        )
    for name, pool in spec.pools.items():
        instance = instance_of(pool, owner.ctx, "kubernetes")
        config = _config(owner, name, pool, instance)
        _pool(owner, made, network, storage, nodes, name, config, 0, pool.max_count, [*made.needed, role])
    return needed


def _pool(
    owner: Component[Any, Any],
    made: Made,
    network: GcpNetwork,
    storage: GcpStorage,
    nodes: gcp.serviceaccount.Account,
    name: str,
    config: dict[str, Any],
    least: int,
    most: int,
    depends_on: list[pulumi.Resource],
) -> gcp.container.NodePool:
    is_spot = bool(config.get("spot"))
    return gcp.container.NodePool(
        owner.child_name(f"nodes-{name}"),
        project=network.project_id,
        name=owner.ctx.name(names.NODE_POOL, name),
        location=owner.ctx.region,
        cluster=made.name,
        initial_node_count=least,
        node_locations=list(network.zones),
        autoscaling=gcp.container.NodePoolAutoscalingArgs(
            total_min_node_count=least,
            total_max_node_count=most,
            # Spot is taken wherever there is some; on-demand is spread so that a zone's outage spares the rest.
            location_policy="ANY" if is_spot or not least else "BALANCED",
        ),
        management=gcp.container.NodePoolManagementArgs(auto_repair=True, auto_upgrade=True),
        upgrade_settings=gcp.container.NodePoolUpgradeSettingsArgs(strategy="SURGE", max_surge=1, max_unavailable=0),
        node_config=gcp.container.NodePoolNodeConfigArgs(
            service_account=nodes.email,
            oauth_scopes=["https://www.googleapis.com/auth/cloud-platform"],
            image_type="COS_CONTAINERD",
            disk_type="pd-balanced",
            boot_disk_kms_key=storage.key_ref,
            metadata={"disable-legacy-endpoints": "true"},
            shielded_instance_config=gcp.container.NodePoolNodeConfigShieldedInstanceConfigArgs(
                enable_secure_boot=True, enable_integrity_monitoring=True
            ),
            workload_metadata_config=gcp.container.NodePoolNodeConfigWorkloadMetadataConfigArgs(mode="GKE_METADATA"),
            tags=[network.training_tag],
            resource_labels=labels_of(owner, pool=name),
            **config,
        ),
        # A pool's name is fixed, and much of it is immutable: the old one goes first.
        opts=owner.child(depends_on=depends_on, delete_before_replace=True, ignore_changes=["initialNodeCount"]),
    )


def _system_config(owner: Component[Any, Any]) -> dict[str, Any]:
    return {"machine_type": SYSTEM_MACHINE, "disk_size_gb": DISK_GIB, "labels": {POOL_LABEL: "system"}}


def _config(owner: Component[Any, Any], name: str, pool: PoolSpec, instance: Instance) -> dict[str, Any]:
    config: dict[str, Any] = {
        "machine_type": instance.name,
        "disk_size_gb": GPU_DISK_GIB if pool.accelerator else DISK_GIB,
        "spot": pool.is_spot,
        "labels": labels_for(name, pool),
        "taints": [
            gcp.container.NodePoolNodeConfigTaintArgs(key=taint.key, value=taint.value or "", effect="NO_SCHEDULE")
            for taint in taints_for(pool)
        ],
    }
    if pool.accelerator:
        config["guest_accelerators"] = [
            gcp.container.NodePoolNodeConfigGuestAcceleratorArgs(
                type=str(instance.api_accelerator),
                count=pool.accelerator.count,
                gpu_driver_installation_config=(
                    gcp.container.NodePoolNodeConfigGuestAcceleratorGpuDriverInstallationConfigArgs(
                        gpu_driver_version="DEFAULT"
                    )
                ),
            )
        ]
    return config


def labels_for(name: str, pool: PoolSpec) -> dict[str, str]:
    labels = {POOL_LABEL: name, CAPACITY_LABEL: "spot" if pool.is_spot else "on-demand"}
    if pool.accelerator:
        labels[ACCELERATOR_LABEL] = pool.accelerator.kind
    return labels


def taints_for(pool: PoolSpec) -> list[TolerationSettings]:
    """Only what asks for a GPU or for spot goes there. The value `present` is what GKE itself puts on GPU nodes."""
    gpu = TolerationSettings(key=GPU, value="present")
    return [*([gpu] if pool.accelerator else []), *([SPOT_TAINT] if pool.is_spot else [])]


def flavors_of(spec: TrainingSpec, ctx: Context, zones: tuple[str, ...]) -> list[Flavor]:
    """The pools as Kueue sees them."""
    flavors = []
    for name, pool in spec.pools.items():
        instance = instance_of(pool, ctx, "kubernetes")
        flavors.append(
            Flavor(
                name=name,
                pool=name,
                node_labels={POOL_LABEL: name},
                tolerations=(*([GPU_TAINT] if pool.accelerator else []), *([SPOT_TAINT] if pool.is_spot else [])),
                accelerator=pool.accelerator.kind if pool.accelerator else None,
                count=pool.accelerator.count if pool.accelerator else 0,
                max_count=pool.max_count,
                is_spot=pool.is_spot,
                cpus=max(1, int(instance.vcpus * SYSTEM_SHARE)),
                memory_gib=max(1, int(instance.memory_gib * SYSTEM_SHARE)),
                instance_type=instance.name,
                zones=zones,
            )
        )
    return flavors
