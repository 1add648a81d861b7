"""Azure Compute's cores: a family's and all of the region's for regular nodes, one quota for all spot. AKS's pools."""

from __future__ import annotations

from collections.abc import Iterator

from catalog.quotas import coded, machines
from policies.graph import Graph, Node
from policies.quota.counting import guarded, mapping_if_any, records_if_any, text, unknown
from policies.quota.model import Combine, Demand, of_quota, together
from policies.quota.pools import pools_of, runtime_of, whole
from policies.resources import Props

CLUSTER = "azure-native:containerservice:ManagedCluster"
AGENT_POOL = "azure-native:containerservice:AgentPool"
TRAINING = "skywright:azure:TrainingCluster"

TOTAL, SPOT = "Total Regional vCPUs", "Total Regional Low-priority vCPUs"
PER_CLUSTER = "Maximum nodes per cluster with Virtual Machine Scale Sets and Standard Load Balancer SKU"
PER_POOL = "Maximum nodes per node pool (Virtual Machine Scale Sets node pools)"
WHAT = "cores of node pools"
SURGE = "while it upgrades, a pool needs room for its surge nodes too"


def machines_of_clusters(graph: Graph, region: str | None) -> Iterator[Demand]:
    """Declared pools as they are; a cluster's neutral pools only where no cluster is declared."""
    pools, clusters = graph.of(AGENT_POOL), graph.of(CLUSTER)
    yield from guarded(clusters, _profiles, "azure", "compute", WHAT)
    yield from guarded(pools, lambda node: _pool(node, node.resource.name), "azure", "compute", WHAT)
    yield from guarded(clusters, _in_cluster, "azure", "aks", "nodes of a cluster")
    if not pools and not clusters:
        yield from guarded(graph.of(TRAINING), lambda node: _neutral(node, region), "azure", "compute", WHAT)


def cores(resource: str, size: str, count: int, *, is_spot: bool, note: str = "") -> Iterator[Demand]:
    """So many machines of a size. `note`: what else must be known of them."""
    each = machines.vcpus("azure", size)
    needed = None if each is None else each * count
    said = "; ".join(filter(None, (note, "" if each is not None else f"the vCPUs of {size} are not known")))
    if is_spot:
        yield of_quota("azure", "compute", SPOT, needed, resource, note=said)
        return
    family = machines.azure_family(size)
    known = coded("azure", "compute", family.compute) if family else None
    if known:
        yield of_quota("azure", "compute", known.name, needed, resource, note=said)
    else:
        why = f"the family of {size} is not known"
        yield of_quota("azure", "compute", f"family of {size}", needed, resource, unit="cores", note=why)
    yield of_quota("azure", "compute", TOTAL, needed, resource, note=said)


def size_of(pool: Props) -> int:
    """A pool's nodes at the most. Raises UnknownValue or Malformed."""
    return whole(pool.number("maxCount" if pool.get("enableAutoScaling") is True else "count"))


def _pool(pool: Props, name: str) -> Iterator[Demand]:
    note = SURGE if mapping_if_any(pool, "upgradeSettings").get("maxSurge") else ""
    yield from cores(
        name, text(pool, "vmSize"), size_of(pool), is_spot=pool.get("scaleSetPriority") == "Spot", note=note
    )
    yield of_quota("azure", "aks", PER_POOL, size_of(pool), name, combine=Combine.MAX)


def _profiles(cluster: Node) -> Iterator[Demand]:
    for profile in records_if_any(cluster, "agentPoolProfiles"):
        yield from _pool(profile, f"{cluster.resource.name} (pool {text(profile, 'name')})")


def _in_cluster(cluster: Node) -> Iterator[Demand]:
    name = cluster.resource.name
    parts = [
        *((each, name) for each in records_if_any(cluster, "agentPoolProfiles")),
        *((node, node.resource.name) for node in cluster.referrers(AGENT_POOL)),
    ]
    nodes = [of_quota("azure", "aks", PER_CLUSTER, size_of(pool), name, by) for pool, by in parts]
    yield of_quota(
        "azure", "aks", "Maximum node pools per cluster", len(parts), *dict.fromkeys(by for _, by in parts),
        combine=Combine.MAX,
    )  # fmt: skip
    for total in together(nodes):
        yield of_quota("azure", "aks", PER_CLUSTER, total.needed, *total.resources, combine=Combine.MAX)


def _neutral(node: Node, region: str | None) -> Iterator[Demand]:
    if runtime_of(node) != "kubernetes":
        return
    for pool in pools_of(node, "azure", region):
        if pool.machines:
            yield from cores(pool.resource, pool.machines[0].name, pool.count, is_spot=pool.is_spot)
        else:
            yield unknown("azure", "compute", WHAT, pool.resource, pool.note, unit="cores")
