"""Clusters and their nodes take what mends them by themselves."""

from __future__ import annotations

from collections.abc import Iterator

from policies.resources import UNKNOWN, Props
from policies.rule import Finding, Severity, rule
from policies.rules.optional import flag, mapping, text


@rule(
    "clusters-updated",
    Severity.MEDIUM,
    types=("gcp:container/cluster:Cluster",),
    title="Clusters and nodes are updated by themselves",
    why="A hole in the kernel or the kubelet stays open on each node that nobody has found the time to replace.",
    remedy="Set releaseChannel on GKE, management.autoUpgrade and autoRepair on its pools, autoUpgradeProfile on AKS.",
)
def clusters_updated(cluster: Props) -> Finding | None:
    """An Autopilot cluster is always in a channel."""
    if flag(cluster, "enableAutopilot"):
        return None
    channel = mapping(cluster, "releaseChannel")
    found = text(channel, "channel")
    return Finding(at=channel.at("channel"), found=found) if found in (None, "UNSPECIFIED") else None


clusters_updated.examples(
    good=[{"releaseChannel": {"channel": "REGULAR"}}, {"enableAutopilot": True}],
    bad=[{}, {"releaseChannel": {"channel": "UNSPECIFIED"}}, {"enableAutopilot": False}],
    unknown=[{"releaseChannel": UNKNOWN}, {"releaseChannel": {"channel": UNKNOWN}}],
)


@clusters_updated.also("gcp:container/nodePool:NodePool")
def _pool(pool: Props) -> Iterator[Finding]:
    management = mapping(pool, "management")
    for key in ("autoUpgrade", "autoRepair"):
        if (found := flag(management, key)) is not True:
            yield Finding(at=management.at(key), found=found)


_pool.examples(
    good=[{"management": {"autoUpgrade": True, "autoRepair": True}}],
    bad=[{}, {"management": {"autoUpgrade": True}}, {"management": {"autoUpgrade": False, "autoRepair": True}}],
    unknown=[{"management": UNKNOWN}, {"management": {"autoUpgrade": UNKNOWN, "autoRepair": True}}],
)


@clusters_updated.also("azure-native:containerservice:ManagedCluster")
def _aks(cluster: Props) -> Finding | None:
    """https://learn.microsoft.com/azure/aks/auto-upgrade-cluster"""
    profile = mapping(cluster, "autoUpgradeProfile")
    found = text(profile, "upgradeChannel")
    return Finding(at=profile.at("upgradeChannel"), found=found) if found in (None, "none") else None


_aks.examples(
    good=[{"autoUpgradeProfile": {"upgradeChannel": "patch"}}],
    bad=[{}, {"autoUpgradeProfile": {"upgradeChannel": "none"}}],
    unknown=[{"autoUpgradeProfile": {"upgradeChannel": UNKNOWN}}],
)
