"""What AWS bills for: machines, clusters, disks, the network, storage, registries."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from catalog import prices
from policies.cost.item import Item
from policies.cost.model import HOURS, Line
from policies.cost.pools import pool_hours
from policies.cost.tables import Charge, pricer, table
from policies.cost.usage import quantity
from policies.resources import UNKNOWN, Malformed, Props

STORED = quantity("storage_gb", 100, "GB")
WRITES = quantity("monthly_tier_1_requests", 100_000, "requests (PUT, COPY, POST, LIST)")
READS = quantity("monthly_tier_2_requests", 1_000_000, "requests (GET)")
PROCESSED = quantity("monthly_data_processed_gb", 100, "GB")
IMAGES = quantity("storage_gb", 20, "GB")
LOGGED = quantity("monthly_data_ingested_gb", 5, "GB of logs")
NODE_DISK = quantity("node_disk_gb", 100, "GB on each node")
LCU = quantity("capacity_units", 1, "capacity units (LCU) in use")

table(
    "aws:s3/bucket:Bucket",
    Charge("storage", "s3", "standard_storage", "storage", STORED),
    Charge("writes and lists", "s3", "standard_put_copy_post_list", "storage", WRITES, per=1000),
    Charge("reads", "s3", "standard_get_select", "storage", READS, per=1000),
)
table(
    "aws:ec2/natGateway:NatGateway",
    Charge("gateway hours", "vpc", "nat_gateway", "network"),
    Charge("data processed", "vpc", "nat_gateway_data", "network", PROCESSED),
)
table("aws:ec2/eip:Eip", Charge("public address", "vpc", "public_ipv4", "network"))
table("aws:ecr/repository:Repository", Charge("images", "ecr", "storage", "storage", IMAGES))
table("aws:efs/fileSystem:FileSystem", Charge("storage", "efs", "standard_storage", "storage", STORED))


@pricer("aws:ec2/vpcEndpoint:VpcEndpoint")
def vpc_endpoint(item: Item) -> Iterator[Line]:
    """Gateway endpoints are free; an interface is billed in each subnet."""
    if item.text("vpcEndpointType", "Gateway") != "Gateway":
        zones = max(item.count("subnetIds"), 1)
        yield item.hours("endpoint hours", "vpc", "interface_endpoint", kind="network", count=zones)
        yield item.charge("data processed", "vpc", "interface_endpoint_data", item.use(WAY_DATA), kind="network")


WAY_DATA = quantity("monthly_data_processed_gb", 10, "GB")


@pricer("aws:lb/loadBalancer:LoadBalancer", "aws:alb/loadBalancer:LoadBalancer")
def load_balancer(item: Item) -> Iterator[Line]:
    kind = "nlb" if item.text("loadBalancerType", "application") == "network" else "alb"
    yield item.hours("balancer hours", "elb", kind, kind="network")
    yield item.charge("capacity units", "elb", f"{kind}_lcu", HOURS * item.use(LCU), kind="network")


table("aws:elb/loadBalancer:LoadBalancer", Charge("balancer hours", "elb", "classic_lb", "network"))


@pricer("aws:ec2/instance:Instance")
def instance(item: Item) -> Iterator[Line]:
    is_spot = item.at("instanceMarketOptions.marketType") == "spot"
    yield item.machines("instance hours", item.text("instanceType"), 1, is_spot=is_spot)
    root = item.node.get("rootBlockDevice")
    yield disk(item, "root disk", root if isinstance(root, Props) else None)
    for index, device in enumerate(item.node.get("ebsBlockDevices") or [], start=1):
        yield disk(item, f"disk {index}", device)
    if item.node.get("associatePublicIpAddress"):
        yield item.hours("public address", "vpc", "public_ipv4", kind="network")


@pricer("aws:ebs/volume:Volume")
def volume(item: Item) -> Iterator[Line]:
    kind = item.text("type", "gp2")
    yield _gigabytes(item, "storage", kind, item.number("size"))
    if kind in ("io1", "io2"):
        yield item.charge("IOPS", "ebs", f"{kind}_iops", item.number("iops", 100), kind="storage")
    elif kind == "gp3":
        yield from _gp3(item)


table("aws:ebs/snapshot:Snapshot", Charge("storage", "ebs", "snapshot", "storage", STORED))


def _gp3(item: Item) -> Iterator[Line]:
    for component, key, dimension, free in (
        ("IOPS above 3000", "iops", "gp3_iops_over_3000", 3000),
        ("throughput above 125 MiB/s", "throughput", "gp3_throughput_over_125", 125),
    ):
        if (more := item.number(key, free) - free) > 0:
            yield item.charge(component, "ebs", dimension, more, kind="storage")


def disk(item: Item, component: str, device: Props | None, count: Decimal | int = 1, share: Decimal = HOURS) -> Line:
    """An EBS disk of `count` machines, of which each stands for `share` hours of the month."""
    size = device.get("volumeSize") if device else None
    kind = device.get("volumeType", "gp3") if device else "gp3"
    gigabytes = item.use(NODE_DISK) if size is None else Decimal(str(size))
    return _gigabytes(item, component, str(kind), gigabytes * share / HOURS, count)


def _gigabytes(item: Item, component: str, kind: str, amount: Decimal, count: Decimal | int = 1) -> Line:
    return item.charge(component, "ebs", f"{kind}_storage", amount, kind="storage", count=count, note=kind)


@pricer("aws:eks/cluster:Cluster")
def cluster(item: Item) -> Iterator[Line]:
    is_extended = item.at("upgradePolicy.supportType") == "EXTENDED"
    yield item.hours("control plane", "eks", "control_plane", kind="compute",
                     note="a version in extended support costs six times that" if is_extended else "")  # fmt: skip
    if item.count("enabledClusterLogTypes") and not _has_log_group(item):
        yield item.charge(
            "control plane logs", "cloudwatch", "log_ingest_standard", item.use(LOGGED), kind="operations"
        )


def _has_log_group(item: Item) -> bool:
    """Whether the logs' own group is declared: it is priced there."""
    groups = item.node.graph.of("aws:cloudwatch/logGroup:LogGroup")
    return any(str(group.resource.props.get("name")).startswith("/aws/eks/") for group in groups)


@pricer("aws:eks/nodeGroup:NodeGroup")
def node_group(item: Item) -> Iterator[Line]:
    """Its wanted size all month; the high end is its largest."""
    wanted, most = item.number("scalingConfig.desiredSize"), item.number("scalingConfig.maxSize")
    types = [str(name) for name in item.node.get("instanceTypes") or ["t3.medium"]]
    is_spot = item.text("capacityType", "ON_DEMAND") == "SPOT"
    name = next((name for name in types if _usd(item, name, is_spot) is not None), types[0])
    note = "" if name == types[0] else f"the catalogue has no price of {types[0]}, its first choice"
    yield item.machines("node hours", name, wanted, most=most, is_spot=is_spot, note=note)
    templates = item.node.referred("launchTemplate", "aws:ec2/launchTemplate:LaunchTemplate")
    mappings = templates[0].get("blockDeviceMappings") if templates else None
    device = mappings[0].get("ebs") if mappings else None
    if device is None and (size := item.node.get("diskSize")) is not None:
        device = Props({"volumeSize": size, "volumeType": "gp3"})
    yield disk(item, "node disks", device, wanted)


@pricer("kubernetes:karpenter.sh/v1:NodePool")
def karpenter_pool(item: Item) -> Iterator[Line]:
    """Nodes that come with jobs and go with them: as many hours as the pool trains."""
    found = {r.get("key"): r.get("values") for r in item.at("spec.template.spec.requirements", [])}
    types = found.get("node.kubernetes.io/instance-type")
    if not types:
        raise Malformed("spec.template.spec.requirements", None, "a list that names instance types")
    is_spot = "spot" in (found.get("karpenter.sh/capacity-type") or [])
    pool = pool_hours(item, item.at("spec.template.metadata.labels", Props({})).get("skywright.dev/pool"))
    yield item.machines(
        "node hours", _cheapest(item, [str(name) for name in types], is_spot), pool.nodes, hours=pool.hours,
        is_spot=is_spot, accelerator=pool.accelerator,
    )  # fmt: skip
    yield disk(item, "node disks", None, pool.nodes, pool.hours)


def _cheapest(item: Item, types: list[str], is_spot: bool) -> str:
    """What Karpenter takes of several, as far as their prices are known."""
    return min(types, key=lambda name: usd if (usd := _usd(item, name, is_spot)) is not None else float("inf"))


def _usd(item: Item, machine: str, is_spot: bool) -> float | None:
    found = prices.instance("aws", machine, item.region)
    return None if found is None else found.spot_likely if is_spot else found.on_demand


@pricer("aws:sagemaker/endpointConfiguration:EndpointConfiguration")
def endpoint_configuration(item: Item) -> Iterator[Line]:
    """Every variant's instances all month; more of them where the stack's endpoint may scale out."""
    for variant in [*(item.node.get("productionVariants") or []), *(item.node.get("shadowProductionVariants") or [])]:
        named = variant.get("variantName")
        label = f"{named} " if isinstance(named, str) else ""
        if serverless := variant.get("serverlessConfig"):
            memory = Decimal(str(serverless.number("memorySizeInMb"))) / 1024
            seconds = item.use(REQUESTS) * item.use(DURATION_MS) / 1000
            yield item.charge(f"{label}serverless inference", "sagemaker", "serverless_inference_memory",
                              memory * seconds, kind="compute")  # fmt: skip
            continue
        count = Decimal(str(variant.number("initialInstanceCount")))
        machine = str(variant.get("instanceType"))
        yield item.hours(
            f"{label}instance hours", "sagemaker", f"hosting:{machine}", kind=_kind(machine), count=count,
            most=most_replicas(item, count), note=machine,
        )  # fmt: skip
        if size := variant.get("volumeSizeInGb"):
            yield item.charge(f"{label}volumes", "sagemaker", "hosting_volume_storage", Decimal(str(size)),
                              kind="storage", count=count)  # fmt: skip


REQUESTS = quantity("monthly_requests", 1_000_000, "requests")
DURATION_MS = quantity("request_duration_ms", 100, "ms for each request")
INFERRED = quantity("monthly_inference_data_gb", 10, "GB of requests and answers")
table(
    "aws:sagemaker/endpoint:Endpoint",
    Charge("data in and out", "sagemaker", "realtime_inference_data", "network", INFERRED),
)


def most_replicas(item: Item, least: Decimal) -> Decimal:
    """The spec's `max_replicas` of the component that the resource belongs to."""
    component = item.node.component
    if component is None or component.resource.props.get("spec") is UNKNOWN:
        return least
    return max(least, Decimal(str(component.mapping("spec").get("max_replicas", 0))))


def _kind(machine: str) -> str:
    family = machine.removeprefix("ml.").split(".")[0]
    return "accelerators" if family.startswith(("g", "p", "trn", "inf")) else "compute"
