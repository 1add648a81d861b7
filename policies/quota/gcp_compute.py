"""Compute Engine's vCPUs by family and GPUs by model, spot apart, for GKE's node pools."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from catalog.quotas import coded, machines
from policies.graph import Graph, Node
from policies.quota.counting import guarded, mapping_if_any, records_if_any, text, unknown
from policies.quota.model import Demand, of_quota
from policies.quota.pools import pools_of, runtime_of, whole
from policies.resources import Props

NODE_POOL = "gcp:container/nodePool:NodePool"
CLUSTER = "gcp:container/cluster:Cluster"
TRAINING = "skywright:gcp:TrainingCluster"

ASSUMED_ZONES = 3
"""Of a region whose zones a pool doesn't name."""

N1_AND_E2 = "CPUS"
BY_FAMILY = "CPUS_PER_VM_FAMILY"
NEWER_FAMILIES = ("C3D", "C4", "N4", "Z3")
"""Seen with a value for each family in that quota."""

WHAT = "vCPUs or GPUs of node pools"
FAMILY_UNKNOWN = "whether {family} machines have a vCPU quota of their own isn't known"
ALL_REGIONS_SPOT = "whether spot counts isn't known; projects with 0 here were seen to start none"


@dataclass(frozen=True, slots=True)
class Machines:
    """So many machines of a type, at the most. `gpu`: the neutral or the API's name; `gpus` in each."""

    resource: str
    machine: str
    count: int
    is_spot: bool
    gpu: str = ""
    gpus: int = 0
    note: str = ""


def machines_of_clusters(graph: Graph, region: str | None) -> Iterator[Demand]:
    """Declared node pools as they are; a cluster's neutral pools only where none is declared."""
    declared = graph.of(NODE_POOL)
    yield from guarded(declared, lambda node: needs(of_node_pool(node)), "gcp", "compute", WHAT)
    if not declared:
        yield from guarded(graph.of(TRAINING), lambda node: _neutral(node, region), "gcp", "compute", WHAT)


def of_node_pool(node: Node) -> Machines:
    """Raises UnknownValue or Malformed."""
    config = node.mapping("nodeConfig")
    machine = text(config, "machineType")
    count, note = size_of(node)
    gpus = [(text(each, "type"), whole(each.number("count"))) for each in records_if_any(config, "guestAccelerators")]
    kind, each = gpus[0] if gpus else machines.built_in_gpus(machine) or ("", 0)
    is_spot = config.get("spot") is True or config.get("preemptible") is True
    return Machines(node.resource.name, machine, count, is_spot, kind, each, note)


def size_of(node: Node) -> tuple[int, str]:
    """Nodes at the most, in all zones together, and what was assumed."""
    scaling = mapping_if_any(node, "autoscaling")
    if scaling.get("totalMaxNodeCount") is not None:
        return whole(scaling.number("totalMaxNodeCount")), ""
    zones, note = zones_of(node)
    for props, key in ((scaling, "maxNodeCount"), (node, "nodeCount"), (node, "initialNodeCount")):
        if props.get(key) is not None:
            return whole(props.number(key)) * zones, note
    return zones, note


def zones_of(node: Node) -> tuple[int, str]:
    """How many zones a pool lies in, and what was assumed: its own, else its cluster's, else its location's."""
    for props in (node, *node.referred("cluster", CLUSTER)):
        if isinstance(places := props.get("nodeLocations"), list) and places:
            return len(places), ""
    location = node.get("location")
    if isinstance(location, str) and location.count("-") == 2:
        return 1, ""
    return ASSUMED_ZONES, f"{node.resource.name} names no zones: {ASSUMED_ZONES} are assumed"


def needs(pool: Machines) -> Iterator[Demand]:
    name, family = pool.resource, machines.gcp_family(pool.machine)
    each = machines.vcpus("gcp", pool.machine)
    vcpus = None if each is None else each * pool.count
    note = pool.note or ("" if vcpus is not None else f"the vCPUs of {pool.machine} are not known")
    if family is None:
        yield unknown("gcp", "compute", WHAT, name, f"nothing is known of {pool.machine}", unit="vCPU")
        return
    standard, dimension = _vcpu_quota(family)
    if pool.is_spot:
        yield _of("PREEMPTIBLE_CPUS", vcpus, name, note=note, standard=standard)
    else:
        doubt = FAMILY_UNKNOWN.format(family=family) if dimension and family not in NEWER_FAMILIES else ""
        yield _of(standard, vcpus, name, note="; ".join(filter(None, (note, doubt))), dimension=dimension)
    yield _of("CPUS_ALL_REGIONS", vcpus, name, note="not every project has it")
    if pool.gpus:
        yield from _gpus(pool)


def _gpus(pool: Machines) -> Iterator[Demand]:
    total, name = pool.gpus * pool.count, pool.resource
    if (model := machines.gcp_gpu(pool.gpu)) is None:
        yield unknown("gcp", "compute", "GPUs of an unknown model", name, f"{pool.gpu} isn't known", unit="GPUs")
    else:
        standard = f"{model}_GPUS" if coded("gcp", "compute", f"{model}_GPUS") else "GPUS_PER_GPU_FAMILY"
        dimension = model if standard == "GPUS_PER_GPU_FAMILY" else ""
        if pool.is_spot:
            yield _of(f"PREEMPTIBLE_{model}_GPUS", total, name, unit="GPUs", standard=standard)
        else:
            yield _of(standard, total, name, unit="GPUs", dimension=dimension)
    yield _of("GPUS_ALL_REGIONS", total, name, note=ALL_REGIONS_SPOT if pool.is_spot else "")


def _neutral(node: Node, region: str | None) -> Iterator[Demand]:
    if runtime_of(node) != "kubernetes":
        return
    for pool in pools_of(node, "gcp", region):
        if not pool.machines:
            yield unknown("gcp", "compute", WHAT, pool.resource, pool.note, unit="vCPU")
            continue
        best = pool.machines[0]
        kind = best.accelerator or ""
        yield from needs(Machines(pool.resource, best.name, pool.count, pool.is_spot, kind, pool.accelerators))


def _vcpu_quota(family: str) -> tuple[str, str]:
    """The quota of a family's vCPUs, and its dimension."""
    if family in ("N1", "E2"):
        return N1_AND_E2, ""
    return (f"{family}_CPUS", "") if coded("gcp", "compute", f"{family}_CPUS") else (BY_FAMILY, family)


def _of(
    code: str, needed: float | None, resource: str, *, unit: str = "vCPU", note: str = "", dimension: str = "",
    standard: str = "",
) -> Demand:  # fmt: skip
    known = coded("gcp", "compute", code)
    return of_quota(
        "gcp", "compute", known.name if known else code, needed, resource, unit=unit, code=code, note=note,
        dimension=dimension, standard=standard,
    )  # fmt: skip


def is_private(props: Props) -> bool:
    """Of a cluster: whether its nodes have no external addresses. Raises UnknownValue."""
    return mapping_if_any(props, "privateClusterConfig").get("enablePrivateNodes") is True
