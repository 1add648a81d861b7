"""A node starts nothing but what is signed."""

from __future__ import annotations

from collections.abc import Iterator

from policies.resources import UNKNOWN, Props
from policies.rule import Finding, Severity, rule
from policies.rules.optional import flag, mapping


@rule(
    "nodes-shielded",
    Severity.MEDIUM,
    types=("gcp:container/nodePool:NodePool",),
    title="Nodes start only what is signed",
    why="Who gets into a boot loader or a kernel module stays there through every restart, unseen by what runs above.",
    remedy="Set shieldedInstanceConfig.enableSecureBoot of the nodes, and leave enableShieldedNodes on.",
)
def nodes_shielded(pool: Props) -> Finding | None:
    """Off where nothing is said: https://cloud.google.com/kubernetes-engine/docs/how-to/shielded-gke-nodes"""
    return _unsigned(mapping(pool, "nodeConfig", "shieldedInstanceConfig"))


def _unsigned(config: Props) -> Finding | None:
    found = flag(config, "enableSecureBoot")
    return None if found else Finding(at=config.at("enableSecureBoot"), found=found)


nodes_shielded.examples(
    good=[{"nodeConfig": {"shieldedInstanceConfig": {"enableSecureBoot": True}}}],
    bad=[{}, {"nodeConfig": {}}, {"nodeConfig": {"shieldedInstanceConfig": {"enableSecureBoot": False}}}],
    unknown=[{"nodeConfig": UNKNOWN}, {"nodeConfig": {"shieldedInstanceConfig": UNKNOWN}}],
)


@nodes_shielded.also("gcp:container/cluster:Cluster")
def _cluster(cluster: Props) -> Iterator[Finding]:
    """With the pool that a cluster is made with, unless it goes at once."""
    if flag(cluster, "enableAutopilot"):
        return
    if flag(cluster, "enableShieldedNodes") is False:
        yield Finding(at="enableShieldedNodes", found=False)
    if not flag(cluster, "removeDefaultNodePool") and (found := _unsigned(_default_pool(cluster))):
        yield found


def _default_pool(cluster: Props) -> Props:
    return mapping(cluster, "nodeConfig", "shieldedInstanceConfig")


_cluster.examples(
    good=[
        {"enableAutopilot": True},
        {"removeDefaultNodePool": True},
        {"nodeConfig": {"shieldedInstanceConfig": {"enableSecureBoot": True}}},
    ],
    bad=[{}, {"removeDefaultNodePool": True, "enableShieldedNodes": False}],
    unknown=[{"removeDefaultNodePool": UNKNOWN}, {"enableAutopilot": UNKNOWN}],
)
