"""Training on the cluster that the user brings: its nodes are declared as pools, Kueue shares them out."""

from __future__ import annotations

from typing import Any

import pulumi

from catalog.errors import did_you_mean, mistake
from components import contract
from components.contract import Context
from components.kubernetes.cluster import ClusterTraining
from components.kubernetes.flavors import brought_flavors, brought_pools
from components.kubernetes.network import KubernetesNetwork, own_settings
from components.kubernetes.platform import declare_platform
from components.specs import TrainingSpec


class TrainingCluster(contract.TrainingCluster):
    """Operators, team namespaces, queues."""

    cloud = "kubernetes"

    @classmethod
    def check(cls, spec: TrainingSpec, ctx: Context) -> None:
        for name in own_settings(ctx).pools:
            if name not in spec.pools:
                raise mistake(
                    f"skywright:kubernetes.pools.{name}",
                    name,
                    f"a pool of skywright:training.pools: {', '.join(spec.pools)}",
                    did_you_mean(name, list(spec.pools)),
                )

    def build(self, spec: TrainingSpec, *, network: KubernetesNetwork, **below: Any) -> ClusterTraining:
        cluster = network.cluster
        settings = own_settings(self.ctx)
        flavors = brought_flavors(spec, settings)
        platform = declare_platform(
            self, cluster, spec, flavors=flavors, volumes=None if settings.storage_url else settings.volume
        )
        pools = brought_pools(spec, settings)
        return ClusterTraining(
            cluster_ref=pulumi.Output.from_input(cluster.name),
            pools=pulumi.Output.from_input(0).apply(lambda _: pools),
            queues=platform.queues,
            cluster=cluster,
            flavors=tuple(flavors),
        )
