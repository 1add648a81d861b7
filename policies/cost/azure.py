"""What Azure bills for: machines, clusters, Azure ML's compute, disks, the network."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from policies.cost.aws import most_replicas
from policies.cost.item import Item
from policies.cost.model import HOURS, Line
from policies.cost.pools import HOURS_TRAINED, Pool, pool_hours
from policies.cost.tables import Charge, pricer, table
from policies.cost.usage import quantity
from policies.resources import Malformed, Props

PROCESSED = quantity("monthly_data_processed_gb", 100, "GB")
WAY_DATA = quantity("monthly_data_processed_gb", 10, "GB")
POOL_LABEL = "skywright.dev/pool"

_TIERS = ((32, "4"), (64, "6"), (128, "10"), (256, "15"), (512, "20"), (1024, "30"), (2048, "40"), (4096, "50"))
"""GiB up to which a disk of each size goes: https://learn.microsoft.com/azure/virtual-machines/disks-types"""
_DISKS = {"Premium": "premium_p", "StandardSSD": "standard_ssd_e", "Standard": "standard_hdd_s"}

table(
    "azure-native:network:NatGateway",
    Charge("gateway hours", "nat_gateway", "gateway", "network"),
    Charge("data processed", "nat_gateway", "data_processed", "network", PROCESSED),
)
table(
    "azure-native:network:PrivateEndpoint",
    Charge("endpoint hours", "private_link", "private_endpoint", "network"),
    Charge("data processed", "private_link", "endpoint_data_each_direction", "network", WAY_DATA),
)
table(
    "azure-native:privatedns:PrivateZone", Charge("zone", "private_dns", "hosted_zone", "network", Decimal(1))
)  # fmt: skip
table(
    "azure-native:network:LoadBalancer",
    Charge("balancer hours", "load_balancer", "standard_first_5_rules_flat", "network"),
    Charge("data processed", "load_balancer", "standard_data_processed", "network", PROCESSED),
)
table(
    "azure-native:network:VirtualNetworkPeering",
    Charge("data over the peering", "vnet_peering", "same_region_each_direction", "network", PROCESSED),
)


@pricer("azure-native:network:PublicIPAddress")
def address(item: Item) -> Iterator[Line]:
    if item.text("publicIPAddressVersion", "IPv4") == "IPv4":
        yield item.hours("public address", "public_ip", "standard_static_ipv4", kind="network")


@pricer("azure-native:network:ApplicationGateway")
def application_gateway(item: Item) -> Iterator[Line]:
    tier = "waf_v2" if "WAF" in str(item.at("sku.tier", "")) else "standard_v2"
    yield item.hours("gateway hours", "application_gateway", f"{tier}_fixed", kind="network")
    units = HOURS * item.use(CAPACITY)
    yield item.charge("capacity units", "application_gateway", f"{tier}_capacity_unit", units, kind="network")


CAPACITY = quantity("capacity_units", 1, "capacity units in use")


def disk(
    item: Item, component: str, account: str, size: Decimal, count: Decimal | int = 1, share: Decimal = HOURS
) -> Line:
    """A managed disk is billed by the size class that it falls into."""
    family, _, redundancy = account.partition("_")
    tier = next((name for most, name in _TIERS if size <= most), None)
    if family not in _DISKS or tier is None:
        return item.unknown(component, f"the catalogue has no disks {account} of {size} GiB", kind="storage")
    dimension = f"{_DISKS[family]}{tier}_{redundancy.lower()}"
    return item.charge(component, "managed_disk", dimension, share / HOURS, kind="storage", count=count,
                       note=f"{account}, up to {next(most for most, name in _TIERS if name == tier)} GiB")  # fmt: skip


@pricer("azure-native:compute:Disk")
def managed_disk(item: Item) -> Iterator[Line]:
    yield disk(item, "storage", str(item.at("sku.name", "Standard_LRS")), item.number("diskSizeGB"))


@pricer("azure-native:compute:VirtualMachine")
def machine(item: Item) -> Iterator[Line]:
    is_spot = item.text("priority", "Regular") in ("Spot", "Low")
    yield item.machines("instance hours", str(item.at("hardwareProfile.vmSize")), 1, is_spot=is_spot)
    size = item.number("storageProfile.osDisk.diskSizeGB", 30)
    account = str(item.at("storageProfile.osDisk.managedDisk.storageAccountType", "Standard_LRS"))
    yield disk(item, "system disk", account, size)


@pricer("azure-native:containerservice:ManagedCluster")
def cluster(item: Item) -> Iterator[Line]:
    tier = str(item.at("sku.tier", "Free"))
    if tier != "Free":
        dimension = "premium_tier_long_term_support" if tier == "Premium" else "standard_tier_uptime_sla"
        yield item.hours("control plane", "aks", dimension, kind="compute")
    for profile in item.node.get("agentPoolProfiles") or []:
        yield from _agents(item, profile, f"{profile.get('name', 'pool')} ")


@pricer("azure-native:containerservice:AgentPool")
def agent_pool(item: Item) -> Iterator[Line]:
    yield from _agents(item, item.node, "")


def _agents(item: Item, profile: Props, prefix: str) -> Iterator[Line]:
    """Its least size all month; a pool that starts from nothing as long as it trains."""
    is_scaled = bool(profile.get("enableAutoScaling", False))
    least = Decimal(str(profile.get("minCount" if is_scaled else "count", 0) or 0))
    most = Decimal(str(profile.get("maxCount", 0) or 0)) if is_scaled else least
    labels = profile.get("nodeLabels")
    pool = sized(item, least, most, labels.get(POOL_LABEL) if isinstance(labels, Props) else None)
    is_spot = profile.get("scaleSetPriority") == "Spot"
    name = str(profile.get("vmSize"))
    yield item.machines(f"{prefix}node hours", name, pool.nodes, hours=pool.hours, most=most, is_spot=is_spot,
                        accelerator=pool.accelerator)  # fmt: skip
    if profile.get("osDiskType", "Managed") != "Ephemeral":
        size = Decimal(str(profile.get("osDiskSizeGB", 128)))
        yield disk(item, f"{prefix}node disks", "Premium_LRS", size, pool.nodes, pool.hours)


def sized(item: Item, least: Decimal, most: Decimal, name: object) -> Pool:
    """`least` nodes all month; from nothing: the hours that the pool trains, or all of its nodes do."""
    if least or not most:
        return Pool(least, HOURS, None, 0, False)
    try:
        return pool_hours(item, name)
    except Malformed:
        return Pool(most, item.use(HOURS_TRAINED), None, 0, False)


@pricer("azure-native:machinelearningservices:Compute")
def compute(item: Item) -> Iterator[Line]:
    """Azure ML adds nothing to the machine's price. Its low priority is counted by the price of spot."""
    outer = item.node.mapping("properties")
    if outer.get("computeType") not in ("AmlCompute", "ComputeInstance"):
        raise Malformed("properties.computeType", outer.get("computeType"), "AmlCompute or ComputeInstance")
    inner = outer.mapping("properties")
    if outer.get("computeType") == "ComputeInstance":
        yield item.machines("instance hours", str(inner.get("vmSize")), 1, hours=min(item.use(WORK_HOURS), HOURS))
        return
    scale = inner.mapping("scaleSettings")
    least, most = (Decimal(str(scale.get(key, 0))) for key in ("minNodeCount", "maxNodeCount"))
    is_spot = inner.get("vmPriority", "Dedicated") != "Dedicated"
    pool = sized(item, least, most, item.node.get("computeName"))
    yield item.machines("node hours", str(inner.get("vmSize")), pool.nodes, hours=pool.hours, most=pool.nodes,
                        is_spot=is_spot, accelerator=pool.accelerator,
                        note="low priority, by the price of spot" if is_spot else "")  # fmt: skip


WORK_HOURS = quantity("notebook_hours", 160, "hours")


@pricer("azure-native:machinelearningservices:OnlineDeployment")
def deployment(item: Item) -> Iterator[Line]:
    """Its instances all month; as many as the endpoint may scale to at the high end."""
    count = item.number("sku.capacity", 1)
    most = most_replicas(item, count)
    yield item.machines("instance hours", str(item.at("properties.instanceType")), count, most=most)
