"""Kueue's queues: for each team one in front of spot capacity and one in front of on-demand, all in one cohort.

Two, so that a budget can stop what is spot and leave the rest: Kueue stops whole queues, never a flavor of one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi_kubernetes as k8s

from catalog.names import name_for
from components.contract import Component
from components.kubernetes import custom
from components.kubernetes.cluster import Cluster, metadata
from components.kubernetes.flavors import GPU, Flavor
from components.kubernetes.names import CLUSTER_WIDE, QUEUE, team_namespace
from components.kubernetes.quotas import Share, shares
from components.kubernetes.traffic import NAMESPACE_LABEL
from components.specs import TeamSpec
from ml_jobs.contract import Queue

CAPACITIES = ("spot", "on-demand")
PRIORITIES = {"low": -100, "normal": 0, "high": 100}
"""As the bounds and the middle of JobSpec.priority."""
POD_PRIORITIES = {"training": (0, "Never"), "serving": (1_000_000, "PreemptLowerPriority")}

Shares = Mapping[str, Mapping[str, Mapping[str, Share]]]


def declare_queues(
    owner: Component[Any, Any], cluster: Cluster, flavors: Sequence[Flavor], teams: Mapping[str, TeamSpec]
) -> list[Queue]:
    """Flavors, queues and priorities; gives back the queues as the stack contract carries them."""
    made = []
    for flavor in flavors:
        name = owner.ctx.name(CLUSTER_WIDE, flavor.name)
        made.append(
            custom.declare(owner, cluster, "ResourceFlavor", f"flavor-{flavor.name}", name, spec=_nodes(flavor))
        )
    declare_priorities(owner, cluster)
    divided = shares(flavors, teams)
    queues = []
    for team in teams:
        for capacity in CAPACITIES:
            if not (own := [flavor for flavor in flavors if flavor.capacity == capacity]):
                continue
            name = cluster_queue_name(owner, team, capacity)
            queue = custom.declare(
                owner,
                cluster,
                "ClusterQueue",
                f"queue-{team}-{capacity}",
                name,
                spec=cluster_queue(owner, cluster, team, own, divided),
                labels={"skywright.dev/team": team, "skywright.dev/capacity": capacity},
                depends_on=made,
                ignore_changes=["spec.stopPolicy"],  # the budget's, and whoever lifts its holds
            )
            cluster.queues[name] = capacity
            namespace = team_namespace(cluster.settings.namespace, team)
            custom.declare(
                owner,
                cluster,
                "LocalQueue",
                f"local-queue-{team}-{capacity}",
                capacity,
                namespace,
                spec={"clusterQueue": name},
                depends_on=[queue],
            )
            queues.append(Queue(name=name_for(QUEUE, team, capacity), ref=f"{namespace}/{capacity}"))
    return queues


def declare_priorities(owner: Component[Any, Any], cluster: Cluster) -> None:
    """Of workloads in the queues, and of pods on the nodes: servers go before jobs, which never push others out."""
    for name, value in PRIORITIES.items():
        custom.declare(
            owner,
            cluster,
            "WorkloadPriorityClass",
            f"priority-{name}",
            owner.ctx.name(CLUSTER_WIDE, name),
            flat={"value": value, "description": f"Jobs of {name} priority"},
        )
    for role, (value, preemption) in POD_PRIORITIES.items():
        k8s.scheduling.v1.PriorityClass(
            owner.child_name(f"pods-{role}"),
            metadata=metadata(owner, owner.ctx.name(CLUSTER_WIDE, role)),
            value=value,
            preemption_policy=preemption,
            description=f"Pods of {role}",
            opts=cluster.child(owner, delete_before_replace=True),
        )


def cluster_queue_name(owner: Component[Any, Any], team: str, capacity: str) -> str:
    return owner.ctx.name(CLUSTER_WIDE, team, capacity)


def cluster_queue(
    owner: Component[Any, Any], cluster: Cluster, team: str, flavors: Sequence[Flavor], divided: Shares
) -> dict[str, Any]:
    """A team's queue in front of these flavors: may lend and borrow, and takes back what it lent."""
    covered = ["cpu", "memory", *([GPU] if any(flavor.count for flavor in flavors) else [])]
    by_cost = sorted(flavors, key=lambda flavor: flavor.count > 0)  # CPU jobs try nodes without accelerators first
    return {
        "cohort": owner.ctx.name(CLUSTER_WIDE, "cohort"),
        "queueingStrategy": "BestEffortFIFO",
        "namespaceSelector": {"matchLabels": {NAMESPACE_LABEL: team_namespace(cluster.settings.namespace, team)}},
        "preemption": {
            "reclaimWithinCohort": "Any",
            "borrowWithinCohort": {"policy": "LowerPriority"},
            "withinClusterQueue": "LowerPriority",
        },
        "flavorFungibility": {"whenCanBorrow": "Borrow", "whenCanPreempt": "TryNextFlavor"},
        "resourceGroups": [
            {
                "coveredResources": covered,
                "flavors": [
                    {
                        "name": owner.ctx.name(CLUSTER_WIDE, flavor.name),
                        "resources": [_quota(name, divided[team][flavor.name][name]) for name in covered],
                    }
                    for flavor in by_cost
                ],
            }
        ],
    }


def _quota(resource: str, share: Share) -> dict[str, Any]:
    unit = "Gi" if resource == "memory" else ""
    limit = {} if share.borrow is None else {"borrowingLimit": f"{share.borrow}{unit}"}
    return {"name": resource, "nominalQuota": f"{share.nominal}{unit}", **limit}


def _nodes(flavor: Flavor) -> dict[str, Any]:
    tolerations = [
        {
            "key": item.key,
            "operator": "Exists" if item.value is None else "Equal",
            **({} if item.value is None else {"value": item.value}),
            "effect": item.effect,
        }
        for item in flavor.tolerations
    ]
    return {"nodeLabels": dict(flavor.node_labels), **({"tolerations": tolerations} if tolerations else {})}
