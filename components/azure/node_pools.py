"""A node pool of AKS for each declared pool, from zero."""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi_azure_native import containerservice as aks

from catalog.zones import azure_zones
from components.azure import names
from components.azure.cluster import Made
from components.azure.outputs import AzureNetwork
from components.azure.training import instance_of
from components.contract import Component, Context
from components.kubernetes.flavors import ACCELERATOR_LABEL, CAPACITY_LABEL, GPU, GPU_TAINT, POOL_LABEL, Flavor
from components.kubernetes.settings import TolerationSettings
from components.specs import PoolSpec, TrainingSpec

SPOT_TAINT = TolerationSettings.model_construct(key="kubernetes.azure.com/scalesetpriority", value="spot")
"""AKS puts it onto spot nodes, with a label of the same name and value."""
SHARE = 0.9
"""Of a node that pods can have: the rest is kubelet's and AKS's agents'."""


def declare_node_pools(
    owner: Component[Any, Any], spec: TrainingSpec, made: Made, *, network: AzureNetwork
) -> list[pulumi.Resource]:
    """What must be there before the platform is declared: the pools come beside it. They take turns in the subnets."""
    for index, (name, pool) in enumerate(spec.pools.items()):
        subnet = network.node_subnets[index % len(network.node_subnets)]
        aks.AgentPool(
            owner.child_name(f"nodes-{name}"),
            resource_group_name=network.group,
            resource_name_=made.name,
            agent_pool_name=owner.ctx.name(names.AGENT_POOL, name),
            mode="User",
            type="VirtualMachineScaleSets",
            vm_size=instance_of(pool, owner.ctx, "kubernetes").name,
            count=0,
            min_count=0,
            max_count=pool.max_count,
            enable_auto_scaling=True,
            scale_set_priority="Spot" if pool.is_spot else "Regular",
            scale_set_eviction_policy="Delete" if pool.is_spot else None,
            spot_max_price=-1 if pool.is_spot else None,
            vnet_subnet_id=subnet,
            availability_zones=list(azure_zones(str(owner.ctx.region))) or None,
            os_type="Linux",
            os_sku="Ubuntu",
            os_disk_type="Managed",
            os_disk_size_gb=256 if pool.accelerator else 128,
            max_pods=110,
            enable_encryption_at_host=True,
            enable_node_public_ip=False,
            # NVIDIA's operator installs the driver.
            gpu_profile=aks.GPUProfileArgs(driver="None") if pool.accelerator else None,
            node_labels=labels_for(name, pool),
            node_taints=[f"{taint.key}={taint.value or 'present'}:NoSchedule" for taint in taints_for(pool)],
            tags=owner.tags() | {"pool": name},
            upgrade_settings=None if pool.is_spot else aks.AgentPoolUpgradeSettingsArgs(max_surge="1"),
            opts=owner.child(depends_on=list(made.needed), delete_before_replace=True, ignore_changes=["count"]),
        )
    return list(made.needed)


def labels_for(name: str, pool: PoolSpec) -> dict[str, str]:
    labels = {POOL_LABEL: name, CAPACITY_LABEL: "spot" if pool.is_spot else "on-demand"}
    if pool.is_spot:
        labels[SPOT_TAINT.key] = str(SPOT_TAINT.value)
    if pool.accelerator:
        labels[ACCELERATOR_LABEL] = pool.accelerator.kind
    return labels


def taints_for(pool: PoolSpec) -> list[TolerationSettings]:
    """Only what asks for a GPU or for spot goes there."""
    gpu = TolerationSettings(key=GPU, value="present")
    return [*([gpu] if pool.accelerator else []), *([SPOT_TAINT] if pool.is_spot else [])]


def flavors_of(spec: TrainingSpec, ctx: Context) -> list[Flavor]:
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
                cpus=max(1, int(instance.vcpus * SHARE)),
                memory_gib=max(1, int(instance.memory_gib * SHARE)),
                instance_type=instance.name,
                zones=azure_zones(str(ctx.region)),
            )
        )
    return flavors
