"""EC2's vCPUs, by group of families, on-demand and spot apart: a cluster's pools, its node groups, plain instances."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from catalog.quotas import machines
from policies.graph import Graph, Node
from policies.quota.counting import guarded, text, unknown
from policies.quota.model import Demand, of_quota
from policies.quota.pools import Pool, pools_of, runtime_of, whole
from policies.resources import Malformed, Props

NODE_GROUP = "aws:eks/nodeGroup:NodeGroup"
INSTANCE = "aws:ec2/instance:Instance"
TRAINING = "skywright:aws:TrainingCluster"
DEFAULT_TYPES = ["t3.medium"]
"""Of a managed node group that names none: https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateNodegroup.html"""

P5_SPOT = "accounts that still list All P5 Spot Instance Requests (L-C4BD4855) count P5 there"
WHAT = "vCPUs of an unknown group"


def vcpus(graph: Graph, region: str | None) -> Iterator[Demand]:
    yield from guarded(graph.of(INSTANCE), _instance, "aws", "ec2", WHAT)
    yield from guarded(graph.of(NODE_GROUP), _node_group, "aws", "ec2", WHAT)
    yield from guarded(graph.of(TRAINING), lambda node: _pools(node, region), "aws", "ec2", WHAT)


def _instance(node: Node) -> Iterator[Demand]:
    market = node.get("instanceMarketOptions")
    is_spot = isinstance(market, Props) and market.get("marketType") == "spot"
    yield from _of(node.resource.name, [text(node, "instanceType")], 1, is_spot=is_spot)


def _node_group(node: Node) -> Iterator[Demand]:
    types = node.get("instanceTypes") or DEFAULT_TYPES
    if not isinstance(types, list) or not all(isinstance(each, str) for each in types):
        raise Malformed(node.at("instanceTypes"), types, "names of types")
    count = whole(node.mapping("scalingConfig").number("maxSize"))
    yield from _of(node.resource.name, types, count, is_spot=node.get("capacityType") == "SPOT")


def _pools(node: Node, region: str | None) -> Iterator[Demand]:
    if runtime_of(node) == "kubernetes":
        for pool in pools_of(node, "aws", region):
            yield from _pool(pool)


def _pool(pool: Pool) -> Iterator[Demand]:
    """Karpenter may take the largest of a pool's types for every node: its pools' limits of cpu say no less."""
    if pool.machines:
        yield from _of(pool.resource, [each.machine for each in pool.machines], pool.count, is_spot=pool.is_spot)
    else:
        yield unknown("aws", "ec2", WHAT, pool.resource, pool.note, unit="vCPU")


def _of(resource: str, types: Iterable[str], count: int, *, is_spot: bool) -> Iterator[Demand]:
    """So many machines, each of any of these types: of each group the largest that it may take."""
    by_group: dict[str | None, list[str]] = {}
    for each in types:
        by_group.setdefault(machines.ec2_group(each), []).append(each)
    for group, members in by_group.items():
        if group is None:
            yield unknown("aws", "ec2", WHAT, resource, f"nothing is known of {', '.join(members)}", unit="vCPU")
            continue
        sizes = [size for each in members if (size := machines.vcpus("aws", each)) is not None]
        needed, notes = None, []
        if len(sizes) < len(members):
            notes.append(f"the vCPUs of {', '.join(members)} are not known")
        else:
            needed = max(sizes) * count
            if len(set(sizes)) > 1:
                notes.append(f"{resource} may take any of {', '.join(members)}: the largest is counted")
        if is_spot and any(each.startswith("p5") for each in members):
            notes.append(P5_SPOT)
        name = f"All {group} Spot Instance Requests" if is_spot else f"Running On-Demand {group} instances"
        yield of_quota("aws", "ec2", name, needed, resource, note="; ".join(notes))
