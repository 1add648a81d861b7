"""What Google Cloud bills for."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from catalog.prices.services import rates
from policies.cost.components import vertex
from policies.cost.item import Item
from policies.cost.model import HOURS, ZERO, Line, cents
from policies.cost.pools import HOURS_TRAINED, pool_hours
from policies.cost.tables import Charge, pricer, table, unpriced
from policies.cost.usage import quantity
from policies.resources import Malformed, Props

STORED = quantity("storage_gb", 100, "GB")
CLASS_A = quantity("monthly_class_a_operations", 100_000, "operations of class A (writes, lists)")
CLASS_B = quantity("monthly_class_b_operations", 1_000_000, "operations of class B (reads)")
IMAGES = quantity("storage_gb", 20, "GB")
NAT_VMS = quantity("assigned_vms", 4, "machines behind the gateway")
PROCESSED = quantity("monthly_data_processed_gb", 100, "GB")
LOGGED = quantity("monthly_logging_data_gb", 20, "GB of logs")
KEPT = quantity("log_storage_gb", 10, "GB of logs kept for more than 30 days")
OPERATIONS = quantity("monthly_key_operations", 100_000, "operations of the key")
VERSIONS = quantity("active_key_versions", 1, "active versions of the key")
MESSAGE_TIB = quantity("monthly_message_data_tb", "0.001", "TiB of messages")
ACCESSES = quantity("monthly_access_operations", 10_000, "reads of the secret")

POOL_LABEL = "skywright.dev/pool"
DEVICES = {
    "nvidia-tesla-t4": "T4", "nvidia-l4": "L4", "nvidia-tesla-v100": "V100", "nvidia-tesla-a100": "A100-40",
    "nvidia-a100-80gb": "A100-80", "nvidia-h100-80gb": "H100", "nvidia-h200-141gb": "H200",
}  # fmt: skip

table("gcp:artifactregistry/repository:Repository", Charge("images", "artifact_registry", "storage", "storage", IMAGES))
table(
    "gcp:pubsub/topic:Topic", Charge("messages", "pubsub", "throughput_basic", "operations", MESSAGE_TIB)
)  # fmt: skip
table(
    "gcp:kms/cryptoKey:CryptoKey",
    Charge("key versions", "kms", "software_key_version", "security", VERSIONS),
    Charge("operations", "kms", "operations", "security", OPERATIONS, per=10_000),
)
table(
    "gcp:secretmanager/secret:Secret",
    Charge("versions", "secret_manager", "secret_version", "security", Decimal(1)),
    Charge("reads", "secret_manager", "access", "security", ACCESSES, per=10_000),
)
unpriced("the catalogue has no price of BigQuery", "gcp:bigquery/dataset:Dataset", "gcp:bigquery/table:Table")
unpriced(
    "the catalogue has no price of Cloud Run, which runs functions",
    "gcp:cloudfunctionsv2/function:Function", "gcp:cloudrunv2/service:Service", "gcp:cloudrunv2/job:Job",
)  # fmt: skip
unpriced("the catalogue has no price of alerts' conditions", "gcp:monitoring/alertPolicy:AlertPolicy")
unpriced("the catalogue has no price of Vertex's TensorBoard", "gcp:vertex/aiTensorboard:AiTensorboard")


@pricer("gcp:storage/bucket:Bucket")
def bucket(item: Item) -> Iterator[Line]:
    place, of_class = item.text("location").lower(), item.text("storageClass", "STANDARD").lower()
    is_multi = place in ("us", "eu", "asia")
    item.region = {"eu": "europe"}.get(place, place)
    dimension = "standard_multi_region_storage" if is_multi else f"{of_class}_storage"
    yield item.charge("storage", "gcs", dimension, item.use(STORED), kind="storage")
    home = "multi_region" if is_multi else "region"
    for component, name, asked in (("writes and lists", "class_a", CLASS_A), ("reads", "class_b", CLASS_B)):
        yield item.charge(component, "gcs", f"{name}_ops_standard_{home}", item.use(asked), kind="storage", per=1000)


@pricer("gcp:compute/routerNat:RouterNat")
def nat(item: Item) -> Iterator[Line]:
    """By the machine up to 32, then one price for the gateway; its automatic addresses are billed too."""
    machines = item.use(NAT_VMS)
    if machines <= 32:
        yield _per_machine(item, machines)
    else:
        yield item.hours("gateway hours", "cloud_nat", "gateway_cap_over_32_vms", kind="network")
    yield item.charge("data processed", "cloud_nat", "data_processed", item.use(PROCESSED), kind="network")
    yield item.hours("public address", "compute_network", "external_ip_on_vm", kind="network")


def _per_machine(item: Item, machines: Decimal) -> Line:
    """The price's tier counts machines, not hours."""
    found = rates("gcp", "cloud_nat", "gateway_per_vm", item.region)
    if not found:
        return item.charge("gateway hours", "cloud_nat", "gateway_per_vm", HOURS, kind="network")
    amount = cents(found[0].usd * HOURS) * machines
    return Line(item.name, "gateway hours", amount, amount, amount, f"{machines} machines", found[0].line.origin,
                "network", item.part)  # fmt: skip


@pricer("gcp:compute/address:Address", "gcp:compute/globalAddress:GlobalAddress")
def address(item: Item) -> Iterator[Line]:
    if item.text("addressType", "EXTERNAL") == "EXTERNAL":
        yield item.hours("public address", "compute_network", "external_ip_on_vm", kind="network")


@pricer("gcp:compute/forwardingRule:ForwardingRule", "gcp:compute/globalForwardingRule:GlobalForwardingRule")
def forwarding_rule(item: Item) -> Iterator[Line]:
    """The first five rules of a project share one price: each is counted as if it were the only one."""
    yield item.hours("forwarding rule", "load_balancing", "forwarding_rules_first_5_flat", kind="network",
                     note="up to five rules share this price")  # fmt: skip
    yield item.charge("data processed", "load_balancing", "data_processed_in", item.use(PROCESSED), kind="network")


@pricer("gcp:logging/projectBucketConfig:ProjectBucketConfig")
def logs(item: Item) -> Iterator[Line]:
    yield item.charge("log intake", "cloud_logging", "ingest", item.use(LOGGED), kind="operations")
    if item.number("retentionDays", 30) > 30:
        yield item.charge("log storage", "cloud_logging", "retention_over_30_days", item.use(KEPT), kind="operations")


@pricer("gcp:compute/disk:Disk", "gcp:compute/regionDisk:RegionDisk")
def disk(item: Item) -> Iterator[Line]:
    suffix = "_regional" if item.node.is_of("gcp:compute/regionDisk:RegionDisk") else ""
    yield _disk(item, "storage", item.text("type", "pd-standard") + suffix, item.number("size"))


def _disk(
    item: Item, component: str, kind: str, size: Decimal, count: Decimal | int = 1, share: Decimal = HOURS
) -> Line:
    return item.charge(component, "persistent_disk", kind.replace("-", "_"), size * share / HOURS, kind="storage",
                       count=count, note=kind)  # fmt: skip


@pricer("gcp:compute/instance:Instance")
def instance(item: Item) -> Iterator[Line]:
    machine = item.text("machineType").rsplit("/", 1)[-1]
    scheduling = item.node.get("scheduling")
    is_spot = isinstance(scheduling, Props) and (
        scheduling.get("provisioningModel") == "SPOT" or bool(scheduling.get("preemptible"))
    )
    accelerator, devices = _devices(item.node.get("guestAccelerators"))
    line = item.machines("instance hours", machine, 1, is_spot=is_spot, accelerator=accelerator, devices=devices)
    yield line
    yield from sustained(item, line, machine, HOURS, is_spot)
    if isinstance(boot := item.node.get("bootDisk"), Props) and isinstance(
        given := boot.get("initializeParams"), Props
    ):
        yield _disk(item, "boot disk", str(given.get("type", "pd-balanced")), Decimal(str(given.get("size", 10))))
    for port in item.node.get("networkInterfaces") or []:
        if port.get("accessConfigs"):
            yield item.hours("public address", "compute_network", "external_ip_on_vm", kind="network")


@pricer("gcp:container/cluster:Cluster")
def cluster(item: Item) -> Iterator[Line]:
    yield item.hours("control plane", "gke", "cluster_management", kind="compute",
                     note="zonal and Autopilot clusters may be covered by the account's credit")  # fmt: skip


@pricer("gcp:container/nodePool:NodePool")
def node_pool(item: Item) -> Iterator[Line]:
    """Its least size all month; a pool that starts from nothing as long as it trains."""
    config = item.node.mapping("nodeConfig")
    machine, is_spot = str(config.get("machineType", "e2-medium")), bool(config.get("spot", False))
    accelerator, devices = _devices(config.get("guestAccelerators"))
    least, most = _size(item)
    nodes, hours = least, HOURS
    if not least and most:
        labels = config.get("labels")
        named = labels.get(POOL_LABEL) if isinstance(labels, Props) else None
        try:
            pool = pool_hours(item, named)
            nodes, hours = pool.nodes, pool.hours
        except Malformed:
            nodes, hours = most, item.use(HOURS_TRAINED)
        most = nodes
    line = item.machines("node hours", machine, nodes, hours=hours, most=most, is_spot=is_spot, accelerator=accelerator,
                         devices=devices)  # fmt: skip
    yield line
    yield from sustained(item, line, machine, hours, is_spot)
    size = Decimal(str(config.get("diskSizeGb", 100)))
    yield _disk(item, "node disks", str(config.get("diskType", "pd-balanced")), size, nodes, hours)


def _size(item: Item) -> tuple[Decimal, Decimal]:
    """(least, most) nodes. Counts by zone are multiplied by the zones."""
    zones = max(item.count("nodeLocations"), 1)
    if isinstance(scaling := item.node.get("autoscaling"), Props):
        if (most := scaling.get("totalMaxNodeCount")) is not None:
            return Decimal(str(scaling.get("totalMinNodeCount", 0))), Decimal(str(most))
        return (
            Decimal(str(scaling.get("minNodeCount", 0))) * zones,
            Decimal(str(scaling.number("maxNodeCount"))) * zones,
        )
    count = item.number("nodeCount", None if item.node.get("nodeCount") is not None else 1) * zones
    return count, count


def _devices(found: object) -> tuple[str | None, int]:
    if not isinstance(found, list) or not found:
        return None, 0
    kind = str(found[0].get("type")).rsplit("/", 1)[-1]
    return DEVICES.get(kind, kind), int(found[0].number("count"))


def sustained(item: Item, line: Line, machine: str, hours: Decimal, is_spot: bool) -> Iterator[Line]:
    """What Google takes off by itself from machines that run for more than a quarter of the month."""
    family = machine.split("-")[0]
    found = rates("gcp", "compute", f"sustained_use_max_discount:{family}", "global")
    if is_spot or line.monthly_usd is None or line.low_usd is None or line.high_usd is None:
        return
    if not found or not found[0].usd:
        return
    steps = rates("gcp", "compute", f"sustained_use_rate:{'n1' if found[0].usd == Decimal('0.3') else 'n2'}", "global")
    share = min(hours / HOURS, Decimal(1))
    billed = sum(
        ((min(share, step.tier_to or share) - step.tier_from) * step.usd for step in steps if share > step.tier_from),
        ZERO,
    )
    if billed >= share:
        return
    off = 1 - billed / share
    amount, low, high = (-cents(value * off) for value in (line.monthly_usd, line.low_usd, line.high_usd))
    origins = "; ".join(rate.line.origin for rate in [*found, *steps])
    note = f"{off:.1%} off {line.component}, taken off by Google itself"
    yield Line(item.name, "sustained use", amount, low, high, note, origins, line.kind, item.part)


@pricer("pulumi-python:dynamic/gcp:VertexDeployments")
def deployments(item: Item) -> Iterator[Line]:
    """Each release's replicas all month, on the machine that its endpoint names."""
    hardware = item.node.mapping("hardware")
    api = hardware.get("accelerator_type")
    kind = {key.upper().replace("-", "_"): value for key, value in DEVICES.items()}.get(str(api)) if api else None
    least, most = (Decimal(str(hardware.number(key))) for key in ("min_replicas", "max_replicas"))
    for name, _ in item.node.mapping("releases").mappings():
        yield vertex(item, f"{name} replicas", "prediction", str(hardware.get("machine_type")), least, most=most,
                     accelerator=kind, devices=int(hardware.get("accelerator_count") or 0))  # fmt: skip


@pricer("gcp:redis/instance:Instance")
def redis(item: Item) -> Iterator[Line]:
    size, tier = item.number("memorySizeGb"), item.text("tier", "BASIC").lower().removesuffix("_ha")
    step = next(name for name, most in (("m1", 4), ("m2", 10), ("m3", 35), ("m4", 100), ("m5", 10**6)) if size <= most)
    yield item.hours("capacity", "memorystore_redis", f"{tier}_{step}", kind="compute", count=size)


@pricer("gcp:filestore/instance:Instance")
def filestore(item: Item) -> Iterator[Line]:
    tier = {"STANDARD": "basic_hdd", "PREMIUM": "basic_ssd", "ENTERPRISE": "regional"}
    named = item.text("tier")
    size = item.node.mapping("fileShares").number("capacityGb")
    yield item.charge("capacity", "filestore", tier.get(named, named.lower()), Decimal(str(size)), kind="storage")
