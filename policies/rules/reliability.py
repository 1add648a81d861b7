"""What keeps production answering when a zone, a machine or a release fails."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from policies.examples import declared, platform
from policies.graph import Graph, Node
from policies.resources import UNKNOWN, Malformed, Props, Resource
from policies.rule import Finding, Severity, rule
from policies.rules.optional import mapping, number, text, texts

ZONE = re.compile(r".+-[a-z]")
"""A location of Google Cloud that is one zone: europe-west4-b."""

ENDPOINTS = ("skywright:*:ModelEndpoint",)


def _least(graph: Graph, key: str) -> float:
    """A parameter of the review: two where it isn't set."""
    given = number(graph.parameters, key)
    return 2 if given is None else given


def _count(node: Node, *path: str) -> int:
    """How many stand in the list at the path. What they are plays no part: subnets aren't known at a preview."""
    value: Any = node.resource.props
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    if isinstance(value, list | tuple):
        return len(value)
    *above, key = path
    if (given := mapping(node, *above).get(key)) is not None:  # raises where it, or what is above it, isn't known
        raise Malformed(".".join(path), given, "a list")
    return 0


@rule(
    "production-zones",
    Severity.HIGH,
    types=("skywright:aws:Network", "skywright:gcp:Network", "skywright:azure:Network"),
    joins=True,
    title="Production stands in two zones or more",
    why="A zone fails as a whole, and takes along all that stood in it alone.",
    remedy="Set skywright:network.zones to 2 or more, and give what stands in one zone another.",
)
def production_zones(network: Node) -> Finding | None:
    if not network.flag("isProduction"):
        return None
    spec = network.mapping("spec")
    zones = spec.number("zones")
    return None if zones >= _least(network.graph, "min_zones") else Finding(at=spec.at("zones"), found=zones)


def _network(zones: object, is_production: object = True) -> list[Resource]:
    return [declared("skywright:aws:Network", "n", isProduction=is_production, tags={}, spec={"zones": zones})]


production_zones.examples(
    good=[_network(2), _network(3), _network(1, False)],
    bad=[_network(1), _network(0)],
    unknown=[_network(UNKNOWN), _network(1, UNKNOWN)],
)


@production_zones.also(
    "aws:sagemaker/model:Model", "aws:eks/cluster:Cluster", "aws:eks/nodeGroup:NodeGroup", joins=True
)
def subnets(node: Node) -> Finding | None:
    if not node.graph.is_production or text(node, "capacityType") == "SPOT":
        return None
    path = (
        ("subnetIds",)
        if node.is_of("*:NodeGroup")
        else ("vpcConfig", "subnets" if node.is_of("*:Model") else "subnetIds")
    )
    count = _count(node, *path)
    return None if count >= _least(node.graph, "min_zones") else Finding(".".join(path), f"{count} subnets")


def _model(**config: Any) -> list[Resource]:
    return [platform(), declared("aws:sagemaker/model:Model", "m", vpcConfig=config)]


subnets.examples(
    good=[
        _model(subnets=["a", "b"]),
        _model(subnets=[UNKNOWN, UNKNOWN]),
        [platform(), declared("aws:eks/cluster:Cluster", "c", vpcConfig={"subnetIds": ["a", "b"]})],
        [platform(), declared("aws:eks/nodeGroup:NodeGroup", "g", subnetIds=["a", "b"])],
        [platform(), declared("aws:eks/nodeGroup:NodeGroup", "g", subnetIds=["a"], capacityType="SPOT")],
        [platform(is_production=False), declared("aws:sagemaker/model:Model", "m")],
    ],
    bad=[
        _model(subnets=["a"]),
        _model(),
        [platform(), declared("aws:eks/cluster:Cluster", "c", vpcConfig={"subnetIds": ["a"]})],
        [platform(), declared("aws:eks/nodeGroup:NodeGroup", "g", subnetIds=["a"])],
    ],
    unknown=[_model(subnets=UNKNOWN), [platform(), declared("aws:sagemaker/model:Model", "m", vpcConfig=UNKNOWN)]],
)


@production_zones.also("gcp:container/cluster:Cluster", joins=True)
def gke_zones(cluster: Node) -> Finding | None:
    """A regional cluster has its control plane in three zones, and nodes in all that nodeLocations names, or in all."""
    if not cluster.graph.is_production:
        return None
    least = _least(cluster.graph, "min_zones")
    location = text(cluster, "location")
    is_regional = location is not None and not ZONE.fullmatch(location)
    listed = _count(cluster, "nodeLocations")
    if is_regional and (not listed or listed >= least):
        return None
    return Finding(at="nodeLocations" if is_regional else "location", found=f"{listed} zones" if listed else location)


def _gke(**props: Any) -> list[Resource]:
    return [platform(), declared("gcp:container/cluster:Cluster", "c", **props)]


gke_zones.examples(
    good=[_gke(location="europe-west4"), _gke(location="europe-west4", nodeLocations=["a", "b"])],
    bad=[_gke(), _gke(location="europe-west4-b"), _gke(location="europe-west4", nodeLocations=["a"])],
    unknown=[_gke(location=UNKNOWN), _gke(location="europe-west4", nodeLocations=UNKNOWN)],
)


@production_zones.also("azure-native:containerservice:ManagedCluster", joins=True)
def aks_zones(cluster: Node) -> Finding | None:
    """Pools with accelerators stand where those are; the system's pools keep the cluster itself going."""
    if not cluster.graph.is_production:
        return None
    pools = [pool for pool in cluster.records("agentPoolProfiles") if text(pool, "mode") == "System"]
    zones = {zone for pool in pools for zone in texts(pool, "availabilityZones")}
    if len(zones) >= _least(cluster.graph, "min_zones"):
        return None
    return Finding(at="agentPoolProfiles", found=f"{len(zones)} zones for the system's pools")


def _aks(*zones: object, mode: object = "System") -> list[Resource]:
    profiles = [{"mode": mode, "availabilityZones": item} for item in zones]
    return [platform(), declared("azure-native:containerservice:ManagedCluster", "c", agentPoolProfiles=profiles)]


aks_zones.examples(
    good=[_aks(["1", "2", "3"]), _aks(["1"], ["2"])],
    bad=[_aks(), _aks(None), _aks(["1"]), _aks(["1"], ["1"]), _aks(["1", "2"], mode="User")],
    unknown=[_aks(UNKNOWN), _aks(["1"], mode=UNKNOWN)],
)


@rule(
    "production-replicas",
    Severity.HIGH,
    types=ENDPOINTS,
    joins=True,
    title="A production endpoint has two replicas or more",
    why="One replica is an outage at each failure and each update of its machine.",
    remedy="Set skywright:endpoint.min_replicas to 2 or more.",
)
def production_replicas(endpoint: Node) -> Finding | None:
    if not endpoint.flag("isProduction"):
        return None
    return _few(endpoint, endpoint.mapping("spec"), "min_replicas")


def _few(node: Node, holder: Props, key: str) -> Finding | None:
    given = holder.number(key)
    return None if given >= _least(node.graph, "min_replicas") else Finding(at=holder.at(key), found=given)


def _endpoint(is_production: object = True, **spec: Any) -> list[Resource]:
    return [declared("skywright:aws:ModelEndpoint", "endpoint", isProduction=is_production, tags={}, spec=spec)]


production_replicas.examples(
    good=[_endpoint(min_replicas=2), _endpoint(min_replicas=3), _endpoint(False, min_replicas=0)],
    bad=[_endpoint(min_replicas=1), _endpoint(min_replicas=0)],
    unknown=[_endpoint(min_replicas=UNKNOWN), _endpoint(UNKNOWN, min_replicas=1)],
)

CONFIGURATION = "aws:sagemaker/endpointConfiguration:EndpointConfiguration"
TARGET = "aws:appautoscaling/target:Target"
DEPLOYMENT = "azure-native:machinelearningservices:OnlineDeployment"
SCALED = "kubernetes:keda.sh/*:ScaledObject"
INFERENCE = "kubernetes:serving.kserve.io/*:InferenceService"
VERTEX = "pulumi-python:dynamic/gcp:VertexDeployments"


@production_replicas.also(CONFIGURATION, TARGET, DEPLOYMENT, SCALED, INFERENCE, VERTEX, joins=True)
def declared_replicas(node: Node) -> Iterator[Finding]:
    for holder, key in _replicas(node) if node.graph.is_production else ():
        if finding := _few(node, holder, key):
            yield finding


def _replicas(node: Node) -> Iterator[tuple[Props, str]]:
    if node.is_of(CONFIGURATION):
        for variant in node.records("productionVariants"):
            if variant.get("serverlessConfig") is None:
                yield variant, "initialInstanceCount"
    elif node.is_of(TARGET):
        if text(node, "serviceNamespace") == "sagemaker":
            yield node, "minCapacity"
    elif node.is_of(DEPLOYMENT):
        yield node.mapping("sku"), "capacity"
    elif node.is_of(SCALED):
        yield node.mapping("spec"), "minReplicaCount"
    elif node.is_of(INFERENCE):
        yield node.mapping("spec").mapping("predictor"), "minReplicas"
    else:
        yield node.mapping("hardware"), "min_replicas"


def _copies(count: object) -> Iterator[list[Resource]]:
    made = (
        declared(CONFIGURATION, "it", productionVariants=[{"initialInstanceCount": count}]),
        declared(TARGET, "it", serviceNamespace="sagemaker", minCapacity=count),
        declared(DEPLOYMENT, "it", sku={"capacity": count}),
        declared(SCALED, "it", spec={"minReplicaCount": count}),
        declared(INFERENCE, "it", spec={"predictor": {"minReplicas": count}}),
        declared(VERTEX, "it", hardware={"min_replicas": count}),
    )
    return ([platform(), item] for item in made)


declared_replicas.examples(
    good=[
        *_copies(2),
        [platform(is_production=False), declared(TARGET, "it", serviceNamespace="sagemaker", minCapacity=1)],
        [platform(), declared(TARGET, "it", serviceNamespace="ecs", minCapacity=1)],
        [platform(), declared(CONFIGURATION, "it", productionVariants=[{"serverlessConfig": {"maxConcurrency": 5}}])],
    ],
    bad=[*_copies(1), *_copies(0)],
    unknown=[*_copies(UNKNOWN)],
)


@rule(
    "endpoint-rolls-back",
    Severity.HIGH,
    types=("aws:sagemaker/endpoint:Endpoint",),
    title="An endpoint's update rolls back by itself when its alarm rings",
    why="Nobody is awake when a bad release meets its first requests.",
    remedy="Give deploymentConfig.autoRollbackConfiguration an alarm of the endpoint's errors.",
)
def endpoint_rolls_back(endpoint: Node) -> Finding | None:
    """Only SageMaker does it by itself; on other clouds `skywright rollout` judges and goes back."""
    path = ("deploymentConfig", "autoRollbackConfiguration", "alarms")
    return None if _count(endpoint, *path) else Finding(".".join(path), "without an alarm")


def _rolled(alarms: object) -> dict[str, Any]:
    return {"deploymentConfig": {"autoRollbackConfiguration": {"alarms": alarms}}}


endpoint_rolls_back.examples(
    good=[_rolled([{"alarmName": "errors"}]), _rolled([{"alarmName": UNKNOWN}])],
    bad=[{}, _rolled([]), {"deploymentConfig": {}}],
    unknown=[_rolled(UNKNOWN), {"deploymentConfig": UNKNOWN}],
)
