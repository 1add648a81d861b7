"""What training needs on any cluster: operators, a namespace for each team, queues in front of the pools."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components.contract import Component
from components.kubernetes import custom
from components.kubernetes.cluster import Cluster, WorkloadIdentity, metadata
from components.kubernetes.flavors import Flavor
from components.kubernetes.names import TRAINING_ACCOUNT, team_namespace
from components.kubernetes.namespaces import declare_namespace
from components.kubernetes.operators import declare_operators
from components.kubernetes.queues import declare_queues
from components.kubernetes.quotas import hard_quota
from components.kubernetes.roles import declare_role
from components.kubernetes.settings import VolumeSettings
from components.kubernetes.traffic import ROLE_LABEL, Gate, namespace_peer, same_namespace
from components.kubernetes.volumes import declare_claim
from components.specs import TeamSpec, TrainingSpec
from ml_jobs.contract import Queue

METRICS_PORT = 9090
"""Where a job's ranks are scraped; the port of the pod is named `metrics`."""
REGISTRY_PORT = 5000


@dataclass(frozen=True)
class Platform:
    """`queues` as the stack contract carries them: `ref` is `namespace/local queue`."""

    queues: pulumi.Output[Sequence[Queue]]


def declare_platform(
    owner: Component[Any, Any],
    cluster: Cluster,
    spec: TrainingSpec,
    *,
    flavors: Sequence[Flavor],
    identity: WorkloadIdentity | None = None,
    volumes: VolumeSettings | None = None,
    depends_on: Iterable[Any] = (),
) -> Platform:
    """Declare it all. `identity`: what jobs become on the cloud; `volumes`: claims for data and checkpoints, where
    these don't lie in a cloud's buckets; `depends_on`: what the cluster needs before anything can run on it."""
    needed = list(depends_on)
    cluster.flavors.extend(flavors)
    declare_operators(owner, cluster, has_accelerators=any(flavor.count for flavor in flavors), depends_on=needed)
    if cluster.settings.namespace not in cluster.namespaces:
        declare_namespace(owner, cluster, cluster.settings.namespace)
    teams = teams_of(spec)
    for name, team in teams.items():
        namespace = team_namespace(cluster.settings.namespace, name)
        gate = declare_namespace(owner, cluster, namespace, quota=hard_quota(flavors, team))
        _open(gate, cluster, identity or WorkloadIdentity())
        _accounts(owner, cluster, namespace, identity or WorkloadIdentity())
        if volumes:
            for role, gib in (("data", volumes.data_gib), ("checkpoints", volumes.checkpoints_gib)):
                declare_claim(owner, cluster, namespace, role, gib, volumes)
        _scraped(owner, cluster, namespace)
    queues = declare_queues(owner, cluster, flavors, teams)
    return Platform(queues=pulumi.Output.from_input(0).apply(lambda _: queues))


def teams_of(spec: TrainingSpec) -> dict[str, TeamSpec]:
    """The declared teams; one for all where there are none."""
    return dict(spec.teams) or {"default": TeamSpec()}


def _open(gate: Gate, cluster: Cluster, identity: WorkloadIdentity) -> None:
    """Ranks of a job reach each other, object stores and the registry; Prometheus reaches them."""
    gate.let_in("same-namespace", same_namespace())
    gate.let_out("same-namespace", same_namespace())
    gate.let_out_to_cloud(identity)
    gate.let_out("registry", namespace_peer(cluster.settings.namespace), to=(REGISTRY_PORT,))
    gate.let_in("prometheus", namespace_peer(cluster.settings.prometheus_namespace), to=(METRICS_PORT,))


def _accounts(owner: Component[Any, Any], cluster: Cluster, namespace: str, identity: WorkloadIdentity) -> None:
    k8s.core.v1.ServiceAccount(
        owner.child_name(f"{namespace}-{TRAINING_ACCOUNT}"),
        metadata=metadata(owner, TRAINING_ACCOUNT, namespace, annotations=identity.annotations),
        automount_service_account_token=False,
        opts=cluster.child(owner, depends_on=cluster.namespaces[namespace]),
    )
    for role in ("pipeline", "viewer", "admin"):
        declare_role(owner, cluster, namespace, role)


def _scraped(owner: Component[Any, Any], cluster: Cluster, namespace: str) -> None:
    custom.declare(
        owner,
        cluster,
        "PodMonitor",
        f"{namespace}-jobs",
        "jobs",
        namespace,
        spec={
            "selector": {"matchLabels": {ROLE_LABEL: "training"}},
            "podTargetLabels": ["skywright.dev/job"],
            "podMetricsEndpoints": [{"port": "metrics", "interval": "30s"}],
        },
        labels=cluster.settings.prometheus_labels,
    )
