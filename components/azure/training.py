"""Training on Azure ML's compute clusters, or on an AKS cluster."""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi_azure_native import machinelearningservices as ml

from catalog import capacity, instances
from catalog.instances import Instance, Runtime
from catalog.names import name_for
from catalog.zones import azure_zones
from components import contract
from components.azure import names
from components.azure.outputs import AzureIdentity, AzureNetwork, AzureRegistry, AzureStorage, AzureTraining
from components.azure.provider import azure_settings
from components.contract import Context, Unsupported
from components.specs import PoolSpec, TrainingSpec
from ml_jobs.contract import Pool, Queue

NOTICE_S = 30
"""Before a spot machine goes. https://learn.microsoft.com/azure/virtual-machines/linux/scheduled-events"""
IDLE = "PT5M"


class TrainingCluster(contract.TrainingCluster):
    """Managed: a compute cluster per pool, from zero nodes. Kubernetes: AKS, and the platform on it."""

    cloud = "azure"

    @classmethod
    def check(cls, spec: TrainingSpec, ctx: Context) -> None:
        for pool in spec.pools.values():
            instance_of(pool, ctx, spec.runtime or "managed")

    def build(
        self,
        spec: TrainingSpec,
        *,
        network: AzureNetwork,
        identity: AzureIdentity,
        storage: AzureStorage,
        registry: AzureRegistry,
        **below: Any,
    ) -> AzureTraining:
        pools = pulumi.Output.from_input(0).apply(lambda _: pools_of(spec, self.ctx))
        if spec.runtime == "kubernetes":
            return self._on_cluster(spec, pools, network, identity, storage, registry)
        for name, pool in spec.pools.items():
            self._compute(name, pool, network, identity, registry)
        return AzureTraining(
            cluster_ref=registry.workspace_id,
            pools=pools,
            queues=pulumi.Output.from_input(0).apply(lambda _: [Queue(name="default")]),
            bounded={compute_name(name): pool for name, pool in spec.pools.items()},
        )

    def _compute(
        self, name: str, pool: PoolSpec, network: AzureNetwork, identity: AzureIdentity, registry: AzureRegistry
    ) -> None:
        ml.Compute(
            self.child_name(f"{name}-compute"),
            resource_group_name=network.group,
            workspace_name=registry.workspace,
            compute_name=compute_name(name),
            location=self.ctx.region,
            identity=ml.ManagedServiceIdentityArgs(
                type="UserAssigned", user_assigned_identities=[identity.ids["training"]]
            ),
            properties=ml.AmlComputeArgs(
                compute_type="AmlCompute",
                compute_location=self.ctx.region,
                description=f"Pool {name} of {self.ctx.project} {self.ctx.stack}",
                disable_local_auth=True,
                properties=ml.AmlComputePropertiesArgs(
                    vm_size=instance_of(pool, self.ctx, "managed").name,
                    vm_priority="LowPriority" if pool.is_spot else "Dedicated",
                    os_type="Linux",
                    scale_settings=ml.ScaleSettingsArgs(
                        min_node_count=0, max_node_count=pool.max_count, node_idle_time_before_scale_down=IDLE
                    ),
                    remote_login_port_public_access="Disabled",
                    enable_node_public_ip=False,
                ),
            ),
            tags=self.tags() | {"pool": name},
            opts=self.child(delete_before_replace=True),
        )

    def _on_cluster(
        self,
        spec: TrainingSpec,
        pools: pulumi.Output[Any],
        network: AzureNetwork,
        identity: AzureIdentity,
        storage: AzureStorage,
        registry: AzureRegistry,
    ) -> AzureTraining:
        from components.azure.cluster import declare_cluster
        from components.azure.node_pools import declare_node_pools, flavors_of
        from components.azure.workloads import bind, identity_of
        from components.kubernetes.names import TRAINING_ACCOUNT, team_namespace
        from components.kubernetes.platform import declare_platform, teams_of

        if not network.has_nat and not azure_settings(self.ctx).existing.cluster_name:
            raise Unsupported(
                "skywright:network.nat is 'none'; AKS's nodes fetch their images from outside of the network",
                "Set it to single, or bring a cluster: azure.existing.cluster_name.",
            )
        flavors = flavors_of(spec, self.ctx)
        made = declare_cluster(self, network=network, storage=storage, registry=registry)
        nodes = declare_node_pools(self, spec, made, network=network)
        last: list[pulumi.Resource] = []
        for team in teams_of(spec):
            namespace = team_namespace(made.cluster.settings.namespace, team)
            last = bind(self, "training", network, identity, made.issuer, namespace, TRAINING_ACCOUNT, depends_on=last)
        platform = declare_platform(
            self, made.cluster, spec, flavors=flavors, identity=identity_of(identity, "training"), depends_on=nodes
        )
        return AzureTraining(
            cluster_ref=made.ref,
            pools=pools,
            queues=platform.queues,
            cluster=made.cluster,
            flavors=tuple(flavors),
            issuer=made.issuer,
        )


def compute_name(pool: str) -> str:
    """Of its workspace alone: no other stack's can stand beside it."""
    return name_for(names.COMPUTE, pool)


def instance_of(pool: PoolSpec, ctx: Context, runtime: Runtime) -> Instance:
    """The size of a pool's machines. Raises UserError with the nearest that is possible."""
    return instances.choose(
        "azure",
        ctx.region,
        runtime=runtime,
        accelerator=pool.accelerator.kind if pool.accelerator else None,
        count=pool.accelerator.count if pool.accelerator else 1,
        vcpus=pool.ranks,
        cpu_class=pool.cpu_class,
        is_spot=pool.is_spot,
    )


def pools_of(spec: TrainingSpec, ctx: Context) -> list[Pool]:
    """As the stack contract carries them; how long starts take and spot lasts as far as the catalogue knows."""
    runtime: Runtime = spec.runtime or "managed"
    found = []
    for name, pool in spec.pools.items():
        instance = instance_of(pool, ctx, runtime)
        found.append(
            Pool(
                name=name,
                accelerator=pool.accelerator.kind if pool.accelerator else None,
                count=pool.ranks_per_instance,
                instance_type=instance.name,
                is_spot=pool.is_spot,
                zones=azure_zones(str(ctx.region)) if runtime == "kubernetes" else (),
                max_count=pool.max_count,
                usd_per_hour=instances.price(instance, ctx.region, is_spot=pool.is_spot),
                start_s=capacity.start_s(instance, ctx.region) or 0,
                mtbf_s=capacity.mtbf_s(instance, ctx.region) if pool.is_spot else None,
                notice_s=NOTICE_S if pool.is_spot else 0,
            )
        )
    return found
