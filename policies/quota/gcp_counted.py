"""What Google Cloud counts one by one: networks, addresses, clusters, nodes, disks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from policies.graph import Graph, Node
from policies.quota.counting import groups, guarded, text
from policies.quota.gcp_compute import CLUSTER, NODE_POOL, is_private, size_of, zones_of
from policies.quota.model import Combine, Demand, of_quota, together

ONE_EACH = (
    ("gcp:compute/network:Network", "NETWORKS"),
    ("gcp:compute/subnetwork:Subnetwork", "SUBNETWORKS"),
    ("gcp:compute/firewall:Firewall", "FIREWALLS"),
    ("gcp:compute/route:Route", "ROUTES"),
)
NAT, ADDRESS = "gcp:compute/routerNat:RouterNat", "gcp:compute/address:Address"
RULE, IN_USE = "gcp:compute/forwardingRule:ForwardingRule", "IN_USE_ADDRESSES"
SELF_MADE = "Cloud NAT takes addresses by itself, as its ports run out; how many isn't declared"
DISKS = {"pd-standard": "DISKS_TOTAL_GB", "pd-balanced": "SSD_TOTAL_GB", "pd-ssd": "SSD_TOTAL_GB"}
DEFAULT_DISK, DEFAULT_DISK_GB = "pd-balanced", 100
"""Of a GKE node: https://cloud.google.com/kubernetes-engine/docs/how-to/custom-boot-disks"""


def counted(graph: Graph, region: str | None) -> Iterator[Demand]:
    for kind, name in ONE_EACH:
        for node in graph.of(kind):
            yield of_quota("gcp", "compute", name, 1, node.resource.name)
    yield from guarded(graph.of(NAT), _nat, "gcp", "compute", IN_USE)
    yield from guarded(graph.of(ADDRESS), _address, "gcp", "compute", "addresses of an unknown kind")
    yield from guarded(graph.of(RULE), _rule, "gcp", "compute", IN_USE)
    yield from guarded(graph.of(CLUSTER), _cluster, "gcp", "gke", "clusters of a region or a zone")
    yield from guarded(graph.of(NODE_POOL), _nodes, "gcp", "compute", "INSTANCES")
    for pools in groups(graph.of(NODE_POOL), "cluster", CLUSTER).values():
        sizes = guarded(pools, _of_cluster, "gcp", "gke", "Nodes per Standard cluster")
        for whole_cluster in together(list(sizes)):
            yield replace(whole_cluster, combine=Combine.MAX)


def _nat(node: Node) -> Iterator[Demand]:
    if node.get("natIpAllocateOption") != "MANUAL_ONLY":
        yield of_quota("gcp", "compute", IN_USE, None, node.resource.name, note=SELF_MADE)


def _address(node: Node) -> Iterator[Demand]:
    name = "INTERNAL_ADDRESSES" if node.get("addressType") == "INTERNAL" else "STATIC_ADDRESSES"
    yield of_quota("gcp", "compute", name, 1, node.resource.name)


def _rule(node: Node) -> Iterator[Demand]:
    if str(node.get("loadBalancingScheme", "EXTERNAL")).startswith("EXTERNAL"):
        yield of_quota("gcp", "compute", IN_USE, 1, node.resource.name)


def _cluster(node: Node) -> Iterator[Demand]:
    is_zonal = text(node, "location").count("-") == 2
    name = "Zonal clusters per zone" if is_zonal else "Regional clusters per region"
    yield of_quota("gcp", "gke", name, 1, node.resource.name)


def _nodes(node: Node) -> Iterator[Demand]:
    name, config = node.resource.name, node.mapping("nodeConfig")
    count, note = size_of(node)
    zones, _ = zones_of(node)
    yield of_quota("gcp", "compute", "INSTANCES", count, name, note=note)
    yield of_quota("gcp", "compute", "INSTANCE_GROUP_MANAGERS", zones, name)
    yield of_quota(
        "gcp", "gke", "Nodes per node pool zone", count, name, combine=Combine.MAX,
        note="as if all of a pool lay in one zone",
    )  # fmt: skip
    gigabytes = config.number("diskSizeGb") if config.get("diskSizeGb") is not None else DEFAULT_DISK_GB
    if disk := DISKS.get(str(config.get("diskType", DEFAULT_DISK))):
        yield of_quota("gcp", "compute", disk, gigabytes * count, name)
    clusters = node.referred("cluster", CLUSTER)
    if clusters and not is_private(clusters[0]):
        yield of_quota("gcp", "compute", IN_USE, count, name, note="each node has an external address")


def _of_cluster(node: Node) -> Iterator[Demand]:
    yield of_quota("gcp", "gke", "Nodes per Standard cluster", size_of(node)[0], node.resource.name)
