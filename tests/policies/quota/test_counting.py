"""The arithmetic of needs, and what happens to values that can't be seen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.instances import kinds_in
from policies.quota import Combine, Demand, Limit, check, demand, together
from policies.quota.azure_ml import with_reserve
from policies.resources import SECRET, UNKNOWN, Resource

REGIONS = {"aws": "us-east-1", "gcp": "us-central1", "azure": "eastus"}
KINDS = [
    (cloud, runtime, {"kind": kind, "count": count})
    for cloud, region in REGIONS.items()
    for runtime in ("managed", "kubernetes")
    for kind, counts in kinds_in(cloud, region, runtime).items()  # type: ignore[arg-type]
    for count in counts
] + [(cloud, runtime, None) for cloud in REGIONS for runtime in ("managed", "kubernetes")]


def cluster(cloud: str, runtime: str, name: str = "training", **pools: dict[str, Any]) -> Resource:
    whole = {"ranks": 2, "cpu_class": "general", "is_spot": False, "max_count": 1}
    spec = {"runtime": runtime, "pools": {key: {**whole, **pool} for key, pool in pools.items()}}
    return Resource(f"skywright:{cloud}:TrainingCluster", name, {"spec": spec}, urn=f"urn:{name}")


def needs(found: Iterable[Demand]) -> dict[str, float | None]:
    return {item.key: item.needed for item in found}


@st.composite
def pools(draw: st.DrawFn) -> tuple[str, str, dict[str, Any]]:
    cloud, runtime, accelerator = draw(st.sampled_from(KINDS))
    pool = {"accelerator": accelerator} if accelerator else {"ranks": draw(st.integers(1, 8))}
    return cloud, runtime, {**pool, "is_spot": draw(st.booleans()), "max_count": draw(st.integers(1, 400))}


@given(pools())
@settings(max_examples=150, deadline=None)
def test_a_pool_twice_as_large_needs_twice_as_much_of_what_it_draws_on(made: tuple[str, str, dict[str, Any]]) -> None:
    cloud, runtime, pool = made
    one = demand([cluster(cloud, runtime, a=pool)], region=REGIONS[cloud])
    two = demand([cluster(cloud, runtime, a={**pool, "max_count": 2 * pool["max_count"]})], region=REGIONS[cloud])
    counted = {"azure/machine-learning/Total compute limit per region"}  # clusters, not nodes
    assert one
    for key, needed in needs(one).items():
        assert needed is not None and needs(two)[key] == (needed if key in counted else 2 * needed)


@given(pools(), pools())
@settings(max_examples=150, deadline=None)
def test_needs_add_up(one: tuple[str, str, dict[str, Any]], other: tuple[str, str, dict[str, Any]]) -> None:
    first, second = cluster(*one[:2], "one", a=one[2]), cluster(*other[:2], "two", b=other[2])
    parts = [demand([each], region=REGIONS[of[0]]) for each, of in ((first, one), (second, other))]
    both = demand([first, second], region=REGIONS[one[0]]) if one[0] == other[0] else together([*parts[0], *parts[1]])
    combine = {item.key: sum if item.combine is Combine.SUM else max for part in parts for item in part}
    given = [needs(part) for part in parts]
    assert needs(both) == {key: how(part[key] for part in given if key in part) for key, how in combine.items()}


@pytest.mark.parametrize(("instances", "counted"), [(1, 2), (4, 5), (5, 6), (10, 12), (20, 24), (50, 60)])
def test_what_azure_ml_counts_for_upgrades(instances: int, counted: int) -> None:
    assert with_reserve(instances) == counted


ODD: list[tuple[str, str, dict[str, Any]]] = [
    ("aws", "aws:eks/nodeGroup:NodeGroup", {"instanceTypes": ["q9.huge"], "scalingConfig": {"maxSize": 3}}),
    ("aws", "aws:eks/nodeGroup:NodeGroup", {"instanceTypes": ["m5.huge"], "scalingConfig": {"maxSize": 3}}),
    ("aws", "aws:eks/nodeGroup:NodeGroup", {"instanceTypes": ["m5.large"], "scalingConfig": {"maxSize": UNKNOWN}}),
    ("aws", "aws:eks/nodeGroup:NodeGroup", {"instanceTypes": UNKNOWN, "scalingConfig": {"maxSize": 2}}),
    ("aws", "aws:ec2/instance:Instance", {"instanceType": SECRET}),
    ("aws", "aws:sagemaker/endpointConfiguration:EndpointConfiguration",
     {"productionVariants": [{"instanceType": UNKNOWN, "initialInstanceCount": 1}]}),
    ("aws", "aws:sagemaker/endpointConfiguration:EndpointConfiguration", {"productionVariants": UNKNOWN}),
    ("aws", "aws:ec2/vpcEndpoint:VpcEndpoint", {"vpcEndpointType": UNKNOWN}),
    ("gcp", "gcp:container/nodePool:NodePool", {"nodeConfig": {"machineType": "zz"}, "nodeCount": 1}),
    ("gcp", "gcp:container/nodePool:NodePool", {"nodeConfig": {"machineType": "n2-odd-1"}, "nodeCount": 1}),
    ("gcp", "gcp:container/nodePool:NodePool", {"nodeConfig": UNKNOWN, "nodeCount": 1}),
    ("gcp", "gcp:container/cluster:Cluster", {"location": UNKNOWN}),
    ("gcp", "pulumi-python:dynamic/gcp:VertexDeployments", {"hardware": UNKNOWN, "releases": {}}),
    ("azure", "azure-native:containerservice:AgentPool", {"vmSize": "Standard_Q9", "count": 2}),
    ("azure", "azure-native:containerservice:AgentPool", {"vmSize": UNKNOWN, "count": 2}),
    ("azure", "azure-native:containerservice:ManagedCluster", {"agentPoolProfiles": UNKNOWN}),
    ("azure", "azure-native:machinelearningservices:Compute", {"properties": UNKNOWN}),
    ("azure", "azure-native:machinelearningservices:OnlineDeployment",
     {"sku": {"capacity": UNKNOWN}, "properties": {"instanceType": "Standard_DS3_v2"}}),
    ("azure", "azure-native:network:PublicIPAddress", {"sku": UNKNOWN}),
]  # fmt: skip


@pytest.mark.parametrize(("cloud", "kind", "props"), ODD)
def test_what_cannot_be_told_is_an_unknown_line_with_its_reason(cloud: str, kind: str, props: dict[str, Any]) -> None:
    lines = check(demand([Resource(kind, "odd", props, urn="urn:odd")], region=REGIONS[cloud]))
    unknown = [line for line in lines if line.needed is None]
    assert unknown and all(line.status.value == "unknown" and line.note and line.resources for line in unknown)
    assert all(line.headroom is None for line in unknown)


@pytest.mark.parametrize("cloud", REGIONS)
@pytest.mark.parametrize(
    "spec",
    [UNKNOWN, SECRET, None, 3, {"pools": UNKNOWN}, {"pools": {"a": UNKNOWN}}, {"pools": {"a": {"is_spot": "yes"}}},
     {"pools": {"a": {"is_spot": True, "ranks": 2, "max_count": UNKNOWN}}}, {"runtime": UNKNOWN, "pools": {}},
     {"runtime": "moon", "pools": {}},
     {"pools": {"a": {"is_spot": True, "max_count": 1, "accelerator": {"kind": "Z9", "count": 1}}}}],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["TrainingCluster", "ModelEndpoint"])
def test_a_spec_that_cannot_be_read_never_crashes(cloud: str, spec: Any, kind: str) -> None:
    found = demand([Resource(f"skywright:{cloud}:{kind}", "odd", {"spec": spec}, urn="urn:odd")], region=None)
    if kind == "TrainingCluster":
        assert any(item.needed is None and item.note for item in found)


def test_what_is_partly_known_is_at_least_that() -> None:
    group = {"instanceTypes": ["m5.large"], "scalingConfig": {"maxSize": 2}}
    odd = {"instanceTypes": ["m5.huge"], "scalingConfig": {"maxSize": 2}}
    kind = "aws:eks/nodeGroup:NodeGroup"
    found = demand([Resource(kind, "known", group, urn="a"), Resource(kind, "odd", odd, urn="b")], region="us-east-1")
    (line,) = [each for each in check(found) if each.service == "ec2"]
    assert (line.needed, line.is_at_least, line.status.value, line.headroom) == (4, True, "unknown", None)


@pytest.mark.parametrize(
    ("zones", "needed", "by"),
    [
        (("a", "a", "b"), 2, ("n0", "n1")),
        (("a", "b", "c"), 1, ("n0", "n1", "n2")),
        ((UNKNOWN, UNKNOWN, UNKNOWN), 3, ("n0", "n1", "n2")),  # as if all lay in one
        (("a", "b", UNKNOWN), 2, ("n0", "n2", "n1")),
    ],
)
def test_the_zone_with_the_most_nat_gateways_is_what_counts(
    zones: tuple[Any, ...], needed: int, by: tuple[str, ...]
) -> None:
    made = [
        item
        for n, zone in enumerate(zones)
        for item in (
            Resource("aws:ec2/subnet:Subnet", f"s{n}", {"availabilityZone": zone}, urn=f"s{n}"),
            Resource("aws:ec2/natGateway:NatGateway", f"n{n}", {}, urn=f"n{n}",
                     property_dependencies={"subnetId": [f"s{n}"]}),
        )
    ]  # fmt: skip
    found = {item.name: item for item in demand(made, region="us-east-1")}
    nat = found["NAT gateways per Availability Zone"]
    assert (nat.needed, nat.resources) == (needed, by) and bool(nat.note) == (UNKNOWN in zones)


@pytest.mark.parametrize(
    ("kind", "spot", "standard"),
    [
        ("A100-80", "PREEMPTIBLE_NVIDIA_A100_80GB_GPUS", "NVIDIA_A100_80GB_GPUS"),
        ("H200", "PREEMPTIBLE_NVIDIA_H200_GPUS", "GPUS_PER_GPU_FAMILY"),
    ],
)
def test_a_preemptible_quota_of_0_is_neither_enough_nor_short(kind: str, spot: str, standard: str) -> None:
    pool = {"accelerator": {"kind": kind, "count": 8}, "is_spot": True, "max_count": 4}
    found = demand([cluster("gcp", "kubernetes", a=pool)], region=REGIONS["gcp"])
    lines = {line.name: line for line in check(found, {item.key: Limit(0) for item in found})}
    for name, instead in ((spot, standard), ("PREEMPTIBLE_CPUS", "CPU")):
        assert (lines[name].status.value, lines[name].headroom) == ("unknown", -lines[name].needed)  # type: ignore[operator]
        assert instead in lines[name].note
    assert lines["GPUs (all regions)"].status.value == "short"
