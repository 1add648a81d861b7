"""What lies behind objects on a cluster: balancers, disks, and the nodes that model servers keep."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from catalog import instances
from catalog.errors import UserError
from policies.cost.azure import disk as azure_disk
from policies.cost.components import NODE_PRICE, OWN_NODES
from policies.cost.item import GIVEN, Item
from policies.cost.model import HOURS, Line, cents
from policies.cost.tables import pricer
from policies.cost.usage import quantity
from policies.resources import UNKNOWN, Malformed, Props, UnknownValue

PROCESSED = quantity("monthly_data_processed_gb", 100, "GB")
OWN_DISKS = "what this cluster's volumes cost, only its owner knows"
OWN_BALANCER = "what a balancer in front of this cluster costs, only its owner knows"
_UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "": 1}


def gibibytes(text: object) -> Decimal:
    """A Kubernetes quantity of bytes, in GiB. Raises Malformed."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]i|[kMGT]?)", str(text))
    if found is None:
        raise Malformed("storage", text, "a quantity such as 50Gi")
    return Decimal(found[1]) * _UNITS[found[2]] / 2**30


@pricer("kubernetes:core/v1:PersistentVolumeClaim")
def claim(item: Item) -> Iterator[Line]:
    yield _volume(item, "volume", gibibytes(item.at("spec.resources.requests.storage")))


def _volume(item: Item, component: str, size: Decimal) -> Line:
    """A disk of the cloud's default class below the cluster."""
    if item.cloud == "aws":
        return item.charge(component, "ebs", "gp3_storage", size, kind="storage", note="gp3")
    if item.cloud == "gcp":
        return item.charge(component, "persistent_disk", "pd_balanced", size, kind="storage", note="pd-balanced")
    if item.cloud == "azure":
        return azure_disk(item, component, "StandardSSD_LRS", size)
    return item.unknown(component, f"{size:f} GiB: {OWN_DISKS}", kind="storage")


@pricer("kubernetes:helm.sh/v3:Release")
def release(item: Item) -> Iterator[Line]:
    """A chart's pods run on the cluster's nodes; the volumes that its values ask for are disks of their own."""
    values = item.node.resource.props.get("values")
    if values is UNKNOWN:
        raise UnknownValue("values")
    for index, size in enumerate(_claims(values), start=1):
        yield _volume(item, f"volume {index}", size)


def _claims(values: Any) -> Iterator[Decimal]:
    if isinstance(values, list):
        for value in values:
            yield from _claims(value)
    elif isinstance(values, Mapping):
        for key, value in values.items():
            if key == "volumeClaimTemplate" and isinstance(value, Mapping):
                claim = Props(value).mapping("spec").mapping("resources").mapping("requests")
                yield gibibytes(claim.get("storage"))
            else:
                yield from _claims(value)


@pricer("kubernetes:core/v1:Service")
def service(item: Item) -> Iterator[Line]:
    if item.at("spec.type", "ClusterIP") == "LoadBalancer":
        yield from _balancer(item)


@pricer("kubernetes:gateway.networking.k8s.io/v1:Gateway")
def gateway(item: Item) -> Iterator[Line]:
    """Its controller puts one balancer of the cloud before it."""
    yield from _balancer(item)


def _balancer(item: Item) -> Iterator[Line]:
    service, dimension, data = {
        "aws": ("elb", "nlb", None),
        "gcp": ("load_balancing", "forwarding_rules_first_5_flat", "data_processed_in"),
        "azure": ("load_balancer", "standard_first_5_rules_flat", "standard_data_processed"),
    }.get(item.cloud, ("", "", None))
    if not service:
        yield item.unknown("load balancer", OWN_BALANCER, kind="network")
        return
    yield item.hours("load balancer", service, dimension, kind="network")
    if data:
        yield item.charge("data processed", service, data, item.use(PROCESSED), kind="network")
    else:
        yield item.charge("capacity units", service, f"{dimension}_lcu", HOURS, kind="network",
                          note="one unit in use")  # fmt: skip


@pricer("kubernetes:serving.kserve.io/v1beta1:InferenceService")
def inference_service(item: Item) -> Iterator[Line]:
    """A node of its own for each replica, all month: a GPU is one replica's; of CPUs it is an upper bound."""
    component = item.node.component
    if component is None:
        raise Malformed("parent", None, "a ModelEndpoint")
    spec = component.mapping("spec")
    least, most = (Decimal(str(item.at(f"spec.predictor.{key}", 1))) for key in ("minReplicas", "maxReplicas"))
    asked = spec.get("accelerator")
    kind = str(asked.get("kind")) if isinstance(asked, Props) else None
    count = int(asked.number("count")) if isinstance(asked, Props) else 0
    if item.cloud == "kubernetes":
        yield _own_nodes(item, least, most, kind)
        return
    try:
        machine = instances.choose(
            item.cloud, item.region, runtime="kubernetes", purpose="serving", accelerator=kind, count=count or 1,
            vcpus=int(spec.number("cpus")), cpu_class=str(spec.get("cpu_class", "general")),
        )  # fmt: skip
    except UserError as error:
        yield item.unknown("replicas", error.what, kind="accelerators" if kind else "compute")
        return
    note = "a node for each replica" if kind else "a node for each replica; less where several share one"
    yield item.machines("replicas", machine.name, least, most=most, is_spot=bool(spec.get("is_spot", False)),
                        accelerator=kind, devices=count, note=note)  # fmt: skip


def _own_nodes(item: Item, least: Decimal, most: Decimal, accelerator: str | None) -> Line:
    item.asked.add(NODE_PRICE)
    kind = "accelerators" if accelerator else "compute"
    usd = item.usage.get(item.name, item.usage.get(item.part, {})).get(NODE_PRICE)
    if usd is None:
        return item.unknown("replicas", OWN_NODES, kind=kind)
    each = cents(usd * HOURS)
    note = f"{least} nodes at {usd} USD"
    return Line(item.name, "replicas", each * least, each * least, each * max(least, most), note, GIVEN, kind,
                item.part)  # fmt: skip
