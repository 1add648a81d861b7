"""Azure ML's own cores, and how many clusters, endpoints and deployments a region takes."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from catalog.quotas import coded, machines
from policies.graph import Graph, Node
from policies.quota.counting import groups, guarded, mapping_if_any, plain_value, records_if_any, text, unknown
from policies.quota.model import Combine, Demand, of_quota
from policies.quota.pools import pools_of, replicas_of, runtime_of, whole
from policies.resources import Malformed

COMPUTE = "azure-native:machinelearningservices:Compute"
ENDPOINT = "azure-native:machinelearningservices:OnlineEndpoint"
DEPLOYMENT = "azure-native:machinelearningservices:OnlineDeployment"
AUTOSCALE = "azure-native:monitor:AutoscaleSetting"
TRAINING, SERVING = "skywright:azure:TrainingCluster", "skywright:azure:ModelEndpoint"

SERVICE = "machine-learning"
DEDICATED, LOW_PRIORITY = "Total Cluster Dedicated Regional vCPUs", "Total Cluster Low Priority Regional vCPUs"
COMPUTES, PER_CLUSTER = (
    "Total compute limit per region",
    "Nodes in a single AmlCompute cluster (not communication-enabled)",
)
PER_DEPLOYMENT = "Number of instances per deployment"
UNRELEASED = "nothing is released yet: one release at its largest is counted"
RESERVE = "Azure ML holds a fifth more for upgrades: ceil(1.2 x instances)"


def with_reserve(instances: int) -> int:
    """Instances of a managed online deployment as the quota counts them, on families that aren't exempt.

    https://learn.microsoft.com/azure/machine-learning/how-to-manage-quotas
    """
    return ceil(instances * 12 / 10)


def training(graph: Graph, region: str | None) -> Iterator[Demand]:
    """Declared computes as they are; the neutral pools only where none is declared."""
    declared = graph.of(COMPUTE)
    what = "cores of computes"
    yield from guarded(declared, _compute, "azure", SERVICE, what)
    if not declared:
        yield from guarded(graph.of(TRAINING), lambda node: _pools(node, region), "azure", SERVICE, what)


def endpoints(graph: Graph, region: str | None) -> Iterator[Demand]:
    """Declared deployments as they are; else what the neutral spec would make for one release."""
    declared = [node for node in graph.of(DEPLOYMENT) if _is_managed(node)]
    what = "cores of deployments"
    yield from guarded(declared, _deployment, "azure", SERVICE, what)
    for found in groups(graph.of(DEPLOYMENT), "endpointName", ENDPOINT).values():
        names = [node.resource.name for node in found]
        yield of_quota("azure", SERVICE, "Number of deployments per endpoint", len(names), *names, combine=Combine.MAX)
    for kind, quota in ((ENDPOINT, "Number of endpoints per subscription"),
                        (DEPLOYMENT, "Number of deployments per subscription")):  # fmt: skip
        for node in graph.of(kind):
            yield of_quota("azure", SERVICE, quota, 1, node.resource.name)
    if not graph.of(DEPLOYMENT):
        yield from guarded(graph.of(SERVING), lambda node: _replicas(node, region), "azure", SERVICE, what)


def _compute(node: Node) -> Iterator[Demand]:
    name, outer = node.resource.name, node.mapping("properties")
    kind = text(outer, "computeType")
    if kind not in ("AmlCompute", "ComputeInstance"):
        return
    inner = outer.mapping("properties")
    size = text(inner, "vmSize")
    if kind == "ComputeInstance":
        yield from _cores(name, size, 1)
        yield of_quota("azure", SERVICE, COMPUTES, 1, name)
        return
    count = whole(inner.mapping("scaleSettings").number("maxNodeCount"))
    yield from _cluster(name, size, count, is_spot=inner.get("vmPriority") == "LowPriority")


def _pools(node: Node, region: str | None) -> Iterator[Demand]:
    if runtime_of(node) != "managed":
        return
    for pool in pools_of(node, "azure", region):
        if pool.machines:
            yield from _cluster(pool.resource, pool.machines[0].name, pool.count, is_spot=pool.is_spot)
        else:
            yield unknown("azure", SERVICE, "cores of computes", pool.resource, pool.note, unit="cores")


def _cluster(name: str, size: str, count: int, *, is_spot: bool) -> Iterator[Demand]:
    yield from _cores(name, size, count, is_spot=is_spot)
    yield of_quota("azure", SERVICE, COMPUTES, 1, name)
    yield of_quota("azure", SERVICE, PER_CLUSTER, count, name, combine=Combine.MAX)


def _is_managed(node: Node) -> bool:
    """Whether it runs on Azure ML's own machines; yes too where that can't be seen."""
    return plain_value(node, "kind") != "Kubernetes"


def _deployment(node: Node) -> Iterator[Demand]:
    most = [whole(mapping_if_any(node, "sku").number("capacity"))]
    most += [
        _count(profile.mapping("capacity").get("maximum"), setting.at("profiles.capacity.maximum"))
        for setting in node.referrers(AUTOSCALE, by="targetResourceUri")
        for profile in records_if_any(setting, "profiles")
    ]
    yield from _served(node.resource.name, text(node.mapping("properties"), "instanceType"), max(most))


def _replicas(node: Node, region: str | None) -> Iterator[Demand]:
    if runtime_of(node) != "managed":
        return
    pool = replicas_of(node, "azure", region)
    if pool.machines:
        yield from _served(pool.resource, pool.machines[0].name, pool.count, note=UNRELEASED)
        yield of_quota("azure", SERVICE, "Number of deployments per subscription", 1, pool.resource, note=UNRELEASED)
    else:
        yield unknown("azure", SERVICE, "cores of deployments", pool.resource, pool.note, unit="cores")


def _served(name: str, size: str, instances: int, *, note: str = "") -> Iterator[Demand]:
    family = machines.azure_family(size)
    is_exempt = family is not None and family.is_exempt
    counted = instances if is_exempt else with_reserve(instances)
    said = "; ".join(filter(None, (note, "" if is_exempt else RESERVE)))
    yield from _cores(name, size, counted, note=said)
    yield of_quota("azure", SERVICE, COMPUTES, 1, name)
    yield of_quota("azure", SERVICE, PER_DEPLOYMENT, instances, name, note=note, combine=Combine.MAX)


def _cores(name: str, size: str, count: int, *, is_spot: bool = False, note: str = "") -> Iterator[Demand]:
    each = machines.vcpus("azure", size)
    needed = None if each is None else each * count
    notes = [note, "" if each is not None else f"the vCPUs of {size} are not known"]
    if not is_spot:
        family = machines.azure_family(size)
        code = family.ml or family.compute if family else ""
        known = coded("azure", SERVICE, code)
        own = notes if known else [*notes, f"how Azure ML names the family of {size} is not known"]
        yield of_quota(
            "azure", SERVICE, known.name if known else code or f"family of {size}", needed, name, unit="cores",
            code=code, note="; ".join(filter(None, own)),
        )  # fmt: skip
    total = LOW_PRIORITY if is_spot else DEDICATED
    yield of_quota("azure", SERVICE, total, needed, name, note="; ".join(filter(None, notes)))


def _count(value: object, path: str) -> int:
    if isinstance(value, str) and value.isdigit():
        return int(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return whole(value)
    raise Malformed(path, value, "a whole number")
