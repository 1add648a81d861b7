"""What Azure counts one by one: addresses, networks, accounts, clusters."""

from __future__ import annotations

from collections.abc import Iterator

from policies.graph import Graph, Node
from policies.quota.counting import groups, guarded, mapping_if_any, most_in_one, records_if_any
from policies.quota.model import Combine, Demand, of_quota

NETWORK, SUBNET = "azure-native:network:VirtualNetwork", "azure-native:network:Subnet"
ADDRESS, GROUP = "azure-native:network:PublicIPAddress", "azure-native:network:NetworkSecurityGroup"
ONE_EACH = (
    (ADDRESS, "network", "Public IP Addresses"),
    (NETWORK, "network", "Virtual networks"),
    (GROUP, "network", "Network Security Groups"),
    ("azure-native:network:RouteTable", "network", "User-defined route tables"),
    ("azure-native:network:NetworkInterface", "network", "Network interface cards"),
    ("azure-native:network:PrivateEndpoint", "network", "Network interface cards"),  # each has one
    ("azure-native:storage:StorageAccount", "storage", "Storage accounts per region per subscription"),
    ("azure-native:containerservice:ManagedCluster", "aks", "Maximum clusters per subscription"),
    ("azure-native:containerservice:ManagedCluster", "aks", "AKS managed clusters"),
)
WORKSPACE = "azure-native:machinelearningservices:Workspace"


def counted(graph: Graph, region: str | None) -> Iterator[Demand]:
    for kind, service, name in ONE_EACH:
        for node in graph.of(kind):
            yield of_quota("azure", service, name, 1, node.resource.name)
    yield from guarded(graph.of(ADDRESS), _standard, "azure", "network", "Public IP Addresses - Standard")
    yield from guarded(graph.of(GROUP), _rules, "azure", "network", "NSG rules per NSG")
    yield from most_in_one(
        "azure", "network", "Subnets per virtual network", groups(graph.of(SUBNET), "virtualNetworkName", NETWORK)
    )
    yield from most_in_one(
        "azure", "machine-learning", "Workspaces per resource group", groups(graph.of(WORKSPACE), "resourceGroupName")
    )


def _standard(node: Node) -> Iterator[Demand]:
    if mapping_if_any(node, "sku").get("name") == "Standard":
        yield of_quota("azure", "network", "Public IP Addresses - Standard", 1, node.resource.name)


def _rules(node: Node) -> Iterator[Demand]:
    if rules := records_if_any(node, "securityRules"):
        yield of_quota("azure", "network", "NSG rules per NSG", len(rules), node.resource.name, combine=Combine.MAX)
