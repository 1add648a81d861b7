"""Training by Vertex custom jobs, or on a GKE cluster."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_gcp as gcp

from catalog import capacity, instances
from catalog.instances import Instance, Runtime
from components import contract
from components.contract import Context
from components.gcp.grants import declare_role, grant_in_project, members_of
from components.gcp.outputs import GcpIdentity, GcpNetwork, GcpRegistry, GcpStorage, GcpTraining
from components.gcp.provider import gcp_settings, labels_of, region_of
from components.specs import PoolSpec, TrainingSpec
from ml_jobs.contract import Pool

NOTICE_S = 30
"""Between the notice and the end of a Spot VM. https://cloud.google.com/compute/docs/instances/spot"""

READ_JOBS = ("aiplatform.customJobs.get", "aiplatform.customJobs.list", "logging.logEntries.list")
SUBMIT_JOBS = ("aiplatform.customJobs.cancel", "aiplatform.customJobs.create", "compute.advice.capacity")
"""With what whoever follows a run asks beside: how likely spot is."""
TELEMETRY = ("roles/logging.logWriter", "roles/monitoring.metricWriter")


class TrainingCluster(contract.TrainingCluster):
    """Managed: what custom jobs need beside themselves, who may submit them and act as what. Kubernetes: GKE, and the
    platform on it."""

    cloud = "gcp"

    @classmethod
    def check(cls, spec: TrainingSpec, ctx: Context) -> None:
        for pool in spec.pools.values():
            instance_of(pool, ctx, spec.runtime or "managed")

    def build(
        self,
        spec: TrainingSpec,
        *,
        network: GcpNetwork,
        identity: GcpIdentity,
        storage: GcpStorage,
        registry: GcpRegistry,
        **below: Any,
    ) -> GcpTraining:
        members = members_of(identity.emails)
        for role in TELEMETRY:
            what = f"writes-{'logs' if 'logging' in role else 'metrics'}"
            grant_in_project(self, "training", what, network.project_id, role, members["training"])
        pools = pulumi.Output.from_input(0).apply(lambda _: pools_of(spec, self.ctx, network.zones))
        if spec.runtime == "kubernetes":
            return self._on_cluster(spec, pools, network, identity, storage)
        reads = declare_role(self, "jobs-read", network.project_id, "Read training jobs", READ_JOBS)
        submits = declare_role(self, "jobs-submit", network.project_id, "Submit training jobs", SUBMIT_JOBS)
        for use in ("pipeline", "viewer", "admin"):
            grant_in_project(self, use, "reads-jobs", network.project_id, reads.name, members[use])
        grant_in_project(self, "pipeline", "submits-jobs", network.project_id, submits.name, members["pipeline"])
        tensorboard = None
        if gcp_settings(self.ctx).tensorboard:
            tensorboard = self._tensorboard(network, storage, members["training"])
        region = region_of(self.ctx)
        return GcpTraining(
            cluster_ref=network.project_id.apply(lambda project: f"projects/{project}/locations/{region}"),
            pools=pools,
            queues=pulumi.Output.from_input(0).apply(lambda _: []),
            tensorboard_ref=tensorboard,
        )

    def _tensorboard(self, network: GcpNetwork, storage: GcpStorage, training: pulumi.Input[str]) -> pulumi.Output[str]:
        board = gcp.vertex.AiTensorboard(
            self.child_name("tensorboard"),
            project=network.project_id,
            region=self.ctx.region,
            display_name=f"{self.ctx.project} {self.ctx.stack}",
            description="What training jobs log",
            encryption_spec=gcp.vertex.AiTensorboardEncryptionSpecArgs(kms_key_name=storage.key_ref),
            labels=labels_of(self),
            opts=self.child(
                depends_on=[storage.agents["aiplatform"]],
                protect=self.ctx.is_production,
                retain_on_delete=self.ctx.retain_data,
            ),
        )
        writes = declare_role(
            self,
            "tensorboard-write",
            network.project_id,
            "Write to TensorBoard",
            [
                "aiplatform.tensorboardExperiments.create",
                "aiplatform.tensorboardExperiments.get",
                "aiplatform.tensorboardExperiments.write",
                "aiplatform.tensorboardRuns.create",
                "aiplatform.tensorboardRuns.write",
                "aiplatform.tensorboardTimeSeries.batchCreate",
                "aiplatform.tensorboards.get",
            ],
        )
        grant_in_project(self, "training", "writes-tensorboard", network.project_id, writes.name, training)
        ref: pulumi.Output[str] = board.id
        return ref

    def _on_cluster(
        self,
        spec: TrainingSpec,
        pools: pulumi.Output[Any],
        network: GcpNetwork,
        identity: GcpIdentity,
        storage: GcpStorage,
    ) -> GcpTraining:
        from components.gcp.cluster import declare_cluster
        from components.gcp.node_pools import declare_node_pools, flavors_of
        from components.gcp.workloads import bind, identity_of
        from components.kubernetes.names import TRAINING_ACCOUNT, team_namespace
        from components.kubernetes.platform import declare_platform, teams_of

        flavors = flavors_of(spec, self.ctx, network.zones)
        made = declare_cluster(self, network=network, storage=storage)
        nodes = declare_node_pools(self, spec, made, network=network, storage=storage)
        cluster = made.cluster
        for team in teams_of(spec):
            namespace = team_namespace(cluster.settings.namespace, team)
            bind(self, "training", network, identity, namespace, TRAINING_ACCOUNT, depends_on=made.needed)
        platform = declare_platform(
            self, cluster, spec, flavors=flavors, identity=identity_of(identity, "training"), depends_on=nodes
        )
        return GcpTraining(
            cluster_ref=made.ref, pools=pools, queues=platform.queues, cluster=cluster, flavors=tuple(flavors)
        )


def instance_of(pool: PoolSpec, ctx: Context, runtime: Runtime) -> Instance:
    """The machine type of a pool. Raises UserError with the nearest that is possible."""
    return instances.choose(
        "gcp",
        ctx.region,
        runtime=runtime,
        accelerator=pool.accelerator.kind if pool.accelerator else None,
        count=pool.accelerator.count if pool.accelerator else 1,
        vcpus=pool.ranks,
        cpu_class=pool.cpu_class,
        is_spot=pool.is_spot,
    )


def pools_of(spec: TrainingSpec, ctx: Context, zones: tuple[str, ...]) -> list[Pool]:
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
                zones=zones if runtime == "kubernetes" else (),
                max_count=pool.max_count,
                usd_per_hour=instances.price(instance, ctx.region, is_spot=pool.is_spot),
                start_s=capacity.start_s(instance, ctx.region) or 0,
                mtbf_s=capacity.mtbf_s(instance, ctx.region) if pool.is_spot else None,
                notice_s=NOTICE_S if pool.is_spot else 0,
            )
        )
    return found
