"""Virtual networks and their subnets: what stands in a subnet goes before it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network
from typing import Any

from infra.rehearsal.azure.arm import arm, one_of_ids
from infra.rehearsal.core.kinds import Find, Kind, Rule

NAME = r"[A-Za-z0-9][\w.-]*\w"
"""https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules#microsoftnetwork"""
PART = r"[A-Za-z0-9]([\w.-]*\w)?"
MODELS = "azure.mgmt.network.models"

SUBNETS = "https://learn.microsoft.com/azure/virtual-network/virtual-network-manage-subnet"
RANGES = "https://learn.microsoft.com/azure/virtual-network/virtual-networks-faq#what-address-ranges-can-i-use-in-my-virtual-networks"
GUARDS = "https://learn.microsoft.com/azure/virtual-network/network-security-groups-overview#security-rules"
FORBIDDEN = tuple(
    map(IPv4Network, ("224.0.0.0/4", "255.255.255.255/32", "127.0.0.0/8", "169.254.0.0/16", "168.63.129.16/32"))
)


def _block(value: Any, where: str, shortest: int, longest: int) -> Iterator[tuple[str, str]]:
    if not isinstance(value, str):
        return
    try:
        block = IPv4Network(value)
    except ValueError as error:
        yield where, f"InvalidCIDRNotation: The address prefix {value} is not valid: {error}"
        return
    if not shortest <= block.prefixlen <= longest:
        yield where, f"InvalidCIDRNotation: The address prefix {value} must be from /{shortest} to /{longest}"
    if taken := next((str(item) for item in FORBIDDEN if item.overlaps(block)), None):
        yield where, f"AddressPrefixNotAllowed: The address prefix {value} overlaps with {taken}, which is reserved"


def _space(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for index, value in enumerate((inputs.get("addressSpace") or {}).get("addressPrefixes") or ()):
        yield from _block(value, f"addressSpace.addressPrefixes[{index}]", 2, 29)


def _prefix(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield from _block(inputs.get("addressPrefix"), "addressPrefix", 2, 29)


SMALLEST = {"Microsoft.App/environments": 27, "Microsoft.ContainerService/managedClusters": 28}
"""Of delegated subnets. https://learn.microsoft.com/azure/container-apps/custom-virtual-networks#subnet and
https://learn.microsoft.com/azure/aks/api-server-vnet-integration"""


def _delegated(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    prefix = inputs.get("addressPrefix")
    for delegation in inputs.get("delegations") or ():
        service = delegation.get("serviceName")
        if isinstance(prefix, str) and service in SMALLEST and int(prefix.split("/")[-1]) > SMALLEST[service]:
            yield "addressPrefix", f"SubnetTooSmall: {service} wants /{SMALLEST[service]} or larger; {prefix} is given"


def _inside(inputs: Mapping[str, Any], find: Find) -> Iterator[tuple[str, str]]:
    """A subnet lies in its network and overlaps with no other."""
    if not isinstance(inputs.get("addressPrefix"), str):
        return
    own = IPv4Network(inputs["addressPrefix"])
    group, network = inputs["resourceGroupName"], inputs["virtualNetworkName"]
    for _, there in find("azure-native:network:VirtualNetwork"):
        if (there.get("resourceGroupName"), there.get("name")) != (group, network):
            continue
        space = (there.get("addressSpace") or {}).get("addressPrefixes") or []
        if not any(own.subnet_of(IPv4Network(item)) for item in space):
            yield (
                "addressPrefix",
                f"NetcfgInvalidSubnet: Subnet {own} is not valid because it is outside of {', '.join(space)}",
            )
    for _, other in find("azure-native:network:Subnet"):
        is_beside = (other.get("resourceGroupName"), other.get("virtualNetworkName")) == (group, network)
        if is_beside and other.get("addressPrefix") and own.overlaps(IPv4Network(other["addressPrefix"])):
            yield "addressPrefix", f"NetcfgSubnetRangesOverlap: Subnet {own} overlaps with subnet {other.get('name')}"


def _guards(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    seen: dict[tuple[Any, Any], str] = {}
    for index, rule in enumerate(inputs.get("securityRules") or ()):
        here, priority = f"securityRules[{index}].priority", rule.get("priority")
        if isinstance(priority, int) and not 100 <= priority <= 4096:
            yield here, f"SecurityRuleInvalidPriority: Priority {priority} is invalid; allowed: 100 to 4096"
        own = (rule.get("direction"), priority)
        if isinstance(priority, int) and own in seen:
            yield (
                here,
                f"SecurityRuleConflict: Rules {seen[own]} and {rule.get('name')} have the same priority and direction",
            )
        seen[own] = str(rule.get("name"))


def _standard(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if (inputs.get("sku") or {}).get("name") == "Standard" and inputs.get("publicIPAllocationMethod") == "Dynamic":
        yield (
            "publicIPAllocationMethod",
            "PublicIPAndSkuMismatch: A Standard public IP address must be Static; Dynamic is given",
        )


def _zones(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """A NAT gateway stands in one zone or in none."""
    if len(inputs.get("zones") or ()) > 1:
        yield "zones", "NatGatewayZonesInvalid: A Standard NAT gateway is in one zone at most"


GROUP_IDS = {
    "Microsoft.Storage/storageAccounts": {"blob", "dfs", "file", "queue", "table", "web"},
    "Microsoft.KeyVault/vaults": {"vault"},
    "Microsoft.ContainerRegistry/registries": {"registry"},
    "Microsoft.MachineLearningServices/workspaces": {"amlworkspace"},
}
"""https://learn.microsoft.com/azure/private-link/private-endpoint-overview#private-link-resource"""


def _subresource(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for index, connection in enumerate(inputs.get("privateLinkServiceConnections") or ()):
        target = connection.get("privateLinkServiceId")
        kind = "/".join(str(target).split("/providers/")[-1].split("/")[:2])
        for group in connection.get("groupIds") or ():
            if (
                isinstance(target, str)
                and isinstance(group, str)
                and kind in GROUP_IDS
                and group not in GROUP_IDS[kind]
            ):
                yield (
                    f"privateLinkServiceConnections[{index}].groupIds",
                    f"BadRequest: Group id {group} of {kind}; allowed: {', '.join(sorted(GROUP_IDS[kind]))}",
                )


def _flow(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    days = (inputs.get("retentionPolicy") or {}).get("days")
    if isinstance(days, int) and not 0 <= days <= 365:
        yield "retentionPolicy.days", f"RetentionPolicyInvalid: days is {days}; allowed: 0 to 365"


LINKABLE = (
    "storage:StorageAccount",
    "keyvault:Vault",
    "containerregistry:Registry",
    "machinelearningservices:Workspace",
)

KINDS: tuple[Kind, ...] = (
    arm(
        "azure-native:network:VirtualNetwork",
        "Microsoft.Network/virtualNetworks",
        f"{MODELS}:VirtualNetwork",
        name="virtualNetworkName",
        pattern=NAME,
        longest=64,
        outputs={"resourceGuid": "{uuid}"},
        checks=(Rule(RANGES, _space),),
    ),
    arm(
        "azure-native:network:Subnet",
        "Microsoft.Network/virtualNetworks/subnets",
        f"{MODELS}:Subnet",
        name="subnetName",
        pattern=PART,
        longest=80,
        under={"virtualNetworkName": "azure-native:network:VirtualNetwork"},
        references={
            "networkSecurityGroup.id": one_of_ids("network:NetworkSecurityGroup", holds=True),
            "natGateway.id": one_of_ids("network:NatGateway", holds=True),
        },
        checks=(Rule(RANGES, _prefix), Rule(SUBNETS, _delegated)),
        meets=_inside,
    ),
    arm(
        "azure-native:network:NetworkSecurityGroup",
        "Microsoft.Network/networkSecurityGroups",
        f"{MODELS}:NetworkSecurityGroup",
        name="networkSecurityGroupName",
        pattern=PART,
        longest=80,
        checks=(Rule(GUARDS, _guards),),
    ),
    arm(
        "azure-native:network:PublicIPAddress",
        "Microsoft.Network/publicIPAddresses",
        f"{MODELS}:PublicIPAddress",
        name="publicIpAddressName",
        pattern=PART,
        longest=80,
        outputs={"ipAddress": "203.0.113.{digits:1}"},
        checks=(Rule("https://learn.microsoft.com/azure/virtual-network/ip-services/public-ip-addresses", _standard),),
        immutable=("sku", "zones", "publicIPAddressVersion"),
    ),
    arm(
        "azure-native:network:NatGateway",
        "Microsoft.Network/natGateways",
        f"{MODELS}:NatGateway",
        name="natGatewayName",
        pattern=PART,
        longest=80,
        references={"publicIpAddresses.id": one_of_ids("network:PublicIPAddress", holds=True)},
        checks=(Rule("https://learn.microsoft.com/azure/nat-gateway/nat-availability-zones", _zones),),
        immutable=("zones", "sku"),
    ),
    arm(
        "azure-native:network:PrivateEndpoint",
        "Microsoft.Network/privateEndpoints",
        f"{MODELS}:PrivateEndpoint",
        name="privateEndpointName",
        pattern=r"[A-Za-z0-9]([\w.-]*\w)?",
        longest=80,
        references={
            "subnet.id": one_of_ids("network:Subnet", holds=True),
            "privateLinkServiceConnections.privateLinkServiceId": one_of_ids(*LINKABLE),
        },
        checks=(
            Rule("https://learn.microsoft.com/azure/private-link/private-endpoint-overview", _subresource),
        ),
        immutable=("subnet", "privateLinkServiceConnections"),
    ),
    arm(
        "azure-native:network:PrivateDnsZoneGroup",
        "Microsoft.Network/privateEndpoints/privateDnsZoneGroups",
        f"{MODELS}:PrivateDnsZoneGroup",
        name="privateDnsZoneGroupName",
        pattern=PART,
        longest=80,
        under={"privateEndpointName": "azure-native:network:PrivateEndpoint"},
        references={"privateDnsZoneConfigs.privateDnsZoneId": one_of_ids("privatedns:PrivateZone", holds=True)},
    ),
    arm(
        "azure-native:network:FlowLog",
        "Microsoft.Network/networkWatchers/flowLogs",
        f"{MODELS}:FlowLog",
        name="flowLogName",
        pattern=PART,
        longest=80,
        under={"networkWatcherName": ""},
        outputs={"targetResourceGuid": "{uuid}"},
        references={
            "storageId": one_of_ids("storage:StorageAccount"),
            "targetResourceId": one_of_ids("network:VirtualNetwork", "network:Subnet"),
        },
        checks=(Rule("https://learn.microsoft.com/azure/network-watcher/vnet-flow-logs-overview", _flow),),
        immutable=("targetResourceId",),
        has_identity=True,
    ),
)  # fmt: skip
