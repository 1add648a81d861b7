"""What the platform's own components stand for: pools that are submitted and not declared, and traffic."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from catalog import instances, prices
from catalog.errors import UserError
from catalog.prices.lines import origins_of
from catalog.prices.services import rates
from policies.cost.item import GIVEN, Item
from policies.cost.model import HOURS, Line, cents
from policies.cost.pools import Pool, hours_of
from policies.cost.tables import PRICERS, pricer
from policies.cost.usage import KEYS, quantity
from policies.resources import Props

CLOUDS = ("aws", "gcp", "azure", "kubernetes")
OUT = quantity("monthly_egress_data_transfer_gb", 100, "GB out to the internet")
BETWEEN_ZONES = quantity("monthly_inter_zone_gb", 100, "GB between zones")
BETWEEN_REGIONS = quantity("monthly_inter_region_gb", 0, "GB to other regions")
METRICS = quantity("custom_metrics", 10, "metrics of jobs and servers")
METRIC_MIB = quantity("monthly_metric_mib", 100, "MiB of metrics")
VOLUME = quantity("training_volume_gb", 50, "GB of disk on each training instance")
NODE_PRICE = "usd_per_node_hour"
KEYS[NODE_PRICE] = "USD for an hour of one node"
OWN_NODES = "what this cluster's nodes cost, only its owner knows: state it as usage, usd_per_node_hour"


@pricer("skywright:aws:TrainingCluster", "skywright:gcp:TrainingCluster", "skywright:kubernetes:TrainingCluster",
        "skywright:azure:TrainingCluster")  # fmt: skip
def training(item: Item) -> Iterator[Line]:
    """Managed training is submitted, not declared: its pools are priced here. Declared pools are priced as nodes."""
    spec = item.node.mapping("spec")
    on_cluster = spec.get("runtime") == "kubernetes" or item.cloud == "kubernetes"
    if not on_cluster and item.cloud == "azure":
        return
    if on_cluster and _has_node_pools(item):
        return
    for name, pool_spec in spec.mapping("pools").mappings():
        pool = hours_of(item, name, pool_spec)
        component = f"pool {name}"
        if on_cluster:
            yield _own_nodes(item, component, name, pool)
            continue
        try:
            machine = _instance(item, pool_spec, pool)
        except UserError as error:
            yield item.unknown(component, error.what, kind=_kind(pool))
            continue
        yield _managed(item, component, machine, pool)
        if item.cloud == "aws":
            size = item.use(VOLUME) * pool.hours / HOURS
            yield item.charge(f"{component} volumes", "sagemaker", "training_volume_storage", size,
                              kind="storage", count=pool.nodes)  # fmt: skip


def _has_node_pools(item: Item) -> bool:
    types = ("kubernetes:karpenter.sh/v1:NodePool", "gcp:container/nodePool:NodePool",
             "azure-native:containerservice:AgentPool")  # fmt: skip
    return any(node.component is item.node for node in item.node.graph.of(*types))


def _own_nodes(item: Item, component: str, name: str, pool: Pool) -> Line:
    item.asked |= {NODE_PRICE, f"{NODE_PRICE}:{name}"}
    given = item.usage.get(item.name, {})
    usd = given.get(f"{NODE_PRICE}:{name}", given.get(NODE_PRICE))
    if usd is None:
        return item.unknown(component, OWN_NODES, kind=_kind(pool))
    amount = cents(usd * pool.hours) * pool.nodes
    note = f"{pool.nodes} x {pool.hours} h at {usd} USD"
    return Line(item.name, component, amount, amount, amount, note, GIVEN, _kind(pool), item.part)


def _instance(item: Item, spec: Props, pool: Pool) -> instances.Instance:
    return instances.choose(
        item.cloud,
        item.region,
        runtime="managed",
        accelerator=pool.accelerator,
        count=pool.devices or 1,
        vcpus=int(spec.number("ranks")) if pool.accelerator is None else 1,
        cpu_class=str(spec.get("cpu_class", "general")),
        is_spot=pool.is_spot,
    )


def _managed(item: Item, component: str, machine: instances.Instance, pool: Pool) -> Line:
    """An hour of managed training. Its price of spot is published nowhere: on-demand bounds it."""
    note = f"{machine.name}, {pool.hours} h each"
    if item.cloud == "aws":
        line = item.charge(component, "sagemaker", f"training:{machine.name}", pool.hours,
                           kind=_kind(pool), count=pool.nodes, note=note)  # fmt: skip
    else:
        line = vertex(item, component, "training", machine.name, pool.nodes, hours=pool.hours, note=note,
                      accelerator=machine.accelerator, devices=machine.accelerator_count,
                      api_accelerator=machine.api_accelerator)  # fmt: skip
    if not pool.is_spot:
        return line
    bound = f"; on demand it is {line.monthly_usd} USD at the most" if line.monthly_usd is not None else ""
    said = f"{machine.name} on spot: the managed service publishes no price of it{bound}"
    return item.unknown(component, said, kind=line.kind, high=line.monthly_usd)


def vertex(
    item: Item,
    component: str,
    use: str,
    machine: str,
    count: Decimal,
    *,
    hours: Decimal = HOURS,
    most: Decimal | None = None,
    note: str = "",
    accelerator: str | None = None,
    devices: int = 0,
    api_accelerator: str | None = None,
) -> Line:
    """Vertex's own price where the catalogue has it; elsewhere Compute Engine's with the fee that it has there."""
    kind = "accelerators" if accelerator else "compute"
    own = rates("gcp", "vertex_ai", f"{use}:{machine}", item.region)
    if own and not (machine.startswith("n1-") and accelerator):
        return item.charge(component, "vertex_ai", f"{use}:{machine}", hours, kind=kind, count=count, most=most,
                           note=note)  # fmt: skip
    plain = prices.instance("gcp", machine, item.region, accelerator=accelerator, count=devices)
    fee = rates("gcp", "vertex_ai", "management_fee_ratio_on_compute_engine_price", "us-central1")
    if plain is None or plain.on_demand is None or not fee:
        return item.unknown(component, f"the catalogue has no {machine} in {item.region}", kind=kind)
    each = cents(Decimal(str(plain.on_demand)) * (1 + fee[0].usd) * hours)
    origins = [line.origin for line in [*origins_of("gcp", machine, item.region, accelerator, devices), fee[0].line]]
    said = (
        f"{note + '; ' if note else ''}Compute Engine's price with Vertex's fee of {fee[0].usd:.0%}, as in us-central1"
    )
    return Line(item.name, component, each * count, each * count, each * max(count, most or count), said,
                "; ".join(origins), kind, item.part)  # fmt: skip


_TRAFFIC: dict[str, tuple[tuple[str, Any, str, str, int], ...]] = {
    "aws": (
        ("out to the internet", OUT, "data_transfer", "internet_egress", 1),
        ("between zones", BETWEEN_ZONES, "data_transfer", "inter_az_each_direction", 2),
        ("to other regions", BETWEEN_REGIONS, "data_transfer", "inter_region", 1),
    ),
    "gcp": (
        ("out to the internet", OUT, "compute_network", "internet_egress_premium_worldwide", 1),
        ("between zones", BETWEEN_ZONES, "compute_network", "inter_zone_same_region", 1),
        ("to other regions", BETWEEN_REGIONS, "compute_network", "inter_region_within_north_america", 1),
    ),
    "azure": (
        ("out to the internet", OUT, "bandwidth", "internet_egress", 1),
        ("between zones", BETWEEN_ZONES, "bandwidth", "inter_availability_zone", 1),
        ("to other regions", BETWEEN_REGIONS, "bandwidth", "inter_region_same_continent", 1),
    ),
}


@pricer(*(f"skywright:{cloud}:Network" for cloud in _TRAFFIC))
def traffic(item: Item) -> Iterator[Line]:
    """What leaves a zone, the region, the cloud. AWS bills traffic between zones in both directions."""
    for component, asked, service, dimension, directions in _TRAFFIC[item.cloud]:
        amount = item.use(asked)
        if not amount:
            continue
        if dimension.startswith("inter_region_within") and item.region.startswith("europe-"):
            dimension = "inter_region_within_europe"
        yield item.charge(component, service, dimension, amount, kind="network", count=directions)


@pricer("skywright:aws:Monitoring", "skywright:gcp:Monitoring")
def metrics(item: Item) -> Iterator[Line]:
    """The metrics that jobs and servers write."""
    if item.cloud == "aws":
        yield item.charge("own metrics", "cloudwatch", "custom_metric", item.use(METRICS), kind="operations")
    else:
        yield item.charge("own metrics", "cloud_monitoring", "metric_ingest", item.use(METRIC_MIB), kind="operations")


@pricer(*(f"skywright:{cloud}:ModelEndpoint" for cloud in CLOUDS))
def endpoint(item: Item) -> Iterator[Line]:
    """Its releases are priced where they are declared; without any there is nothing to price yet."""
    if not list(item.node.mapping("spec").mapping("releases").mappings()):
        item.assumptions.append(f"{item.name}: nothing is released, so no replica is counted")
    return iter(())


def _kind(pool: Pool) -> str:
    return "accelerators" if pool.accelerator else "compute"


for _cloud in CLOUDS:
    for _component in ("Identity", "Storage", "ModelRegistry", "BudgetAlarm", "Monitoring", "Network"):
        PRICERS.setdefault(f"skywright:{_cloud}:{_component}", lambda _item: ())
