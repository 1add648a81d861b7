"""API servers, endpoints and what stands beside them answer on private addresses, unless the stack declares else.

What declares else is `skywright:network.is_api_public`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from policies.examples import declared
from policies.graph import Node
from policies.resources import UNKNOWN, Props, Resource
from policies.rule import Finding, Severity, rule
from policies.rules.demands import is_public, needs, needs_unless_public, network
from policies.rules.optional import flag, is_given, mapping, records, text, texts

EKS = "aws:eks/cluster:Cluster"
GKE = "gcp:container/cluster:Cluster"
ANYWHERE = ("0.0.0.0/0", "::/0")


@rule(
    "api-server-private",
    Severity.HIGH,
    types=(EKS,),
    title="A cluster's API server has no public address, and where it is declared public, not for everybody",
    why="Whoever reaches the API server may try every stolen token and every hole of Kubernetes on it.",
    remedy="Remove skywright:network.is_api_public, or name who reaches it in the cloud's own settings.",
    joins=True,
)
def api_server_private(cluster: Node) -> Iterator[Finding]:
    vpc = mapping(cluster, "vpcConfig")
    if flag(vpc, "endpointPublicAccess") is False:  # EKS's own default is true
        return
    if not is_public(cluster.graph):
        yield Finding(at=vpc.at("endpointPublicAccess"), found=vpc.get("endpointPublicAccess"))
    yield from _open_to_all(vpc, "publicAccessCidrs")


def _open_to_all(holder: Props, key: str) -> Iterator[Finding]:
    """No list lets everybody in."""
    ranges = texts(holder, key)
    if not ranges or any(each in ANYWHERE for each in ranges):
        yield Finding(at=holder.at(key), found=ranges or None)


_OFFICE = ["192.0.2.0/24"]


def _eks(declares: object = None, **vpc: Any) -> list[Resource]:
    return [network(is_api_public=declares), declared(EKS, "eks", vpcConfig={"subnetIds": UNKNOWN, **vpc})]


api_server_private.examples(
    good=[
        _eks(endpointPublicAccess=False, endpointPrivateAccess=True),
        _eks(True, endpointPublicAccess=True, publicAccessCidrs=_OFFICE),
    ],
    bad=[
        _eks(),
        _eks(False, endpointPublicAccess=True, publicAccessCidrs=_OFFICE),
        _eks(True, endpointPublicAccess=True),
        _eks(True, endpointPublicAccess=True, publicAccessCidrs=["0.0.0.0/0"]),
        [declared(EKS, "eks", vpcConfig={})],
    ],
    unknown=[
        _eks(endpointPublicAccess=UNKNOWN),
        _eks(UNKNOWN, endpointPublicAccess=True),
        _eks(True, endpointPublicAccess=True, publicAccessCidrs=UNKNOWN),
    ],
)


@api_server_private.also(GKE, joins=True)
def gke_api_server(cluster: Node) -> Iterator[Finding]:
    endpoints = mapping(cluster, "controlPlaneEndpointsConfig")
    name = mapping(endpoints, "dnsEndpointConfig")
    if flag(name, "allowExternalTraffic") and not is_public(cluster.graph):
        yield Finding(at=name.at("allowExternalTraffic"), found=True)
    private = mapping(cluster, "privateClusterConfig")
    has_no_address = flag(mapping(endpoints, "ipEndpointsConfig"), "enabled") is False
    if has_no_address or flag(private, "enablePrivateEndpoint"):
        return
    if not is_public(cluster.graph):
        yield Finding(at=private.at("enablePrivateEndpoint"), found=private.get("enablePrivateEndpoint"))
    allowed = mapping(cluster, "masterAuthorizedNetworksConfig")
    if cluster.get("masterAuthorizedNetworksConfig") is None:
        yield Finding(at="masterAuthorizedNetworksConfig")
    for each in records(allowed, "cidrBlocks"):
        if (block := text(each, "cidrBlock")) in ANYWHERE:
            yield Finding(at=each.at("cidrBlock"), found=block)


def _gke(declares: object = None, is_private: object = None, **props: Any) -> list[Resource]:
    config = {"enablePrivateNodes": True, "enablePrivateEndpoint": is_private}
    return [network(is_api_public=declares), declared(GKE, "gke", privateClusterConfig=config, **props)]


def _authorized(*blocks: object) -> dict[str, Any]:
    return {"cidrBlocks": [{"cidrBlock": block} for block in blocks]}


gke_api_server.examples(
    good=[
        _gke(False, True),
        _gke(True, False, masterAuthorizedNetworksConfig=_authorized("192.0.2.0/24")),
        _gke(False, None, controlPlaneEndpointsConfig={"ipEndpointsConfig": {"enabled": False}}),
    ],
    bad=[
        _gke(),
        _gke(False, False, masterAuthorizedNetworksConfig=_authorized("192.0.2.0/24")),
        _gke(True, False),
        _gke(True, False, masterAuthorizedNetworksConfig=_authorized("0.0.0.0/0")),
        _gke(False, True, controlPlaneEndpointsConfig={"dnsEndpointConfig": {"allowExternalTraffic": True}}),
    ],
    unknown=[
        _gke(False, UNKNOWN),
        _gke(UNKNOWN, False, masterAuthorizedNetworksConfig=_authorized("192.0.2.0/24")),
        _gke(True, False, masterAuthorizedNetworksConfig=_authorized(UNKNOWN)),
    ],
)
AKS = "azure-native:containerservice:ManagedCluster"


@api_server_private.also(AKS, joins=True)
def aks_api_server(cluster: Node) -> Iterator[Finding]:
    profile = mapping(cluster, "apiServerAccessProfile")
    if flag(profile, "enablePrivateCluster"):
        return
    if not is_public(cluster.graph):
        yield Finding(at=profile.at("enablePrivateCluster"), found=profile.get("enablePrivateCluster"))
    yield from _open_to_all(profile, "authorizedIPRanges")


def _aks(declares: object = None, **profile: Any) -> list[Resource]:
    return [network(is_api_public=declares), declared(AKS, "aks", apiServerAccessProfile=profile)]


aks_api_server.examples(
    good=[_aks(enablePrivateCluster=True), _aks(True, authorizedIPRanges=_OFFICE)],
    bad=[_aks(), _aks(False, authorizedIPRanges=_OFFICE), _aks(True), _aks(True, authorizedIPRanges=["0.0.0.0/0"])],
    unknown=[_aks(enablePrivateCluster=UNKNOWN), _aks(UNKNOWN, authorizedIPRanges=_OFFICE)],
)


@rule(
    "endpoints-private",
    Severity.HIGH,
    types=("aws:sagemaker/model:Model",),
    title="Endpoints, workspaces, registries and vaults answer on private addresses alone",
    why="A leaked token is worth nothing to those who can't reach what it opens.",
    remedy="Use a private address or private link; or declare skywright:network.is_api_public.",
    joins=True,
)
def endpoints_private(model: Node) -> Finding | None:
    """A SageMaker endpoint has no address of its own; its containers reach what their network lets them.

    A Vertex endpoint that isn't dedicated has none either: it is called at the region's API, by IAM alone.
    """
    is_isolated = flag(model, "enableNetworkIsolation") or is_given(mapping(model, "vpcConfig"), "subnets")
    return None if is_isolated or is_public(model.graph) else Finding(at="vpcConfig")


def _model(declares: object = None, **props: Any) -> list[Resource]:
    return [network(is_api_public=declares), declared("aws:sagemaker/model:Model", "model", **props)]


endpoints_private.examples(
    good=[_model(vpcConfig={"subnets": [UNKNOWN]}), _model(enableNetworkIsolation=True), _model(True)],
    bad=[_model(), _model(False, vpcConfig={}), _model(enableNetworkIsolation=False)],
    unknown=[_model(enableNetworkIsolation=UNKNOWN), _model(UNKNOWN), _model(vpcConfig=UNKNOWN)],
)


@endpoints_private.also("gcp:vertex/aiEndpoint:AiEndpoint", joins=True)
def vertex_endpoints(endpoint: Node) -> Finding | None:
    has_own_name = flag(endpoint, "dedicatedEndpointEnabled")
    linked = flag(mapping(endpoint, "privateServiceConnectConfig"), "enablePrivateServiceConnect")
    if not has_own_name or linked or is_given(endpoint, "network") or is_public(endpoint.graph):
        return None
    return Finding(at="dedicatedEndpointEnabled", found=True)


def _vertex(declares: object = None, **props: Any) -> list[Resource]:
    return [network(is_api_public=declares), declared("gcp:vertex/aiEndpoint:AiEndpoint", "it", **props)]


_LINKED = {"enablePrivateServiceConnect": True}
vertex_endpoints.examples(
    good=[
        _vertex(),
        _vertex(dedicatedEndpointEnabled=True, privateServiceConnectConfig=_LINKED),
        _vertex(True, dedicatedEndpointEnabled=True),
    ],
    bad=[_vertex(dedicatedEndpointEnabled=True)],
    unknown=[_vertex(dedicatedEndpointEnabled=UNKNOWN), _vertex(UNKNOWN, dedicatedEndpointEnabled=True)],
)


@endpoints_private.also("aws:apigateway/restApi:RestApi", joins=True)
def rest_apis(api: Node) -> Finding | None:
    configuration = mapping(api, "endpointConfiguration")
    given = configuration.get("types")
    kinds = [given] if isinstance(given, str) else texts(configuration, "types")
    if kinds == ["PRIVATE"] or is_public(api.graph):
        return None
    return Finding(at=configuration.at("types"), found=kinds or None)


def _api(kinds: object, declares: object = None) -> list[Resource]:
    api = declared("aws:apigateway/restApi:RestApi", "api", endpointConfiguration={"types": kinds})
    return [network(is_api_public=declares), api]


rest_apis.examples(
    good=[_api("PRIVATE"), _api(["PRIVATE"]), _api("REGIONAL", True)],
    bad=[_api("REGIONAL"), _api(["EDGE"]), _api(None)],
    unknown=[_api(UNKNOWN), _api("REGIONAL", UNKNOWN)],
)

needs(endpoints_private, "aws:lambda/functionUrl:FunctionUrl", "authorizationType", "AWS_IAM", refused="NONE")
needs_unless_public(endpoints_private, "aws:lb/loadBalancer:LoadBalancer", "internal", True, refused=False)
needs_unless_public(endpoints_private, "aws:alb/loadBalancer:LoadBalancer", "internal", True, refused=False)
for _type, _path in {
    "azure-native:machinelearningservices:Workspace": "publicNetworkAccess",
    "azure-native:machinelearningservices:Registry": "publicNetworkAccess",
    "azure-native:machinelearningservices:OnlineEndpoint": "properties.publicNetworkAccess",
    "azure-native:containerregistry:Registry": "publicNetworkAccess",
    "azure-native:keyvault:Vault": "properties.publicNetworkAccess",
    "azure-native:storage:StorageAccount": "publicNetworkAccess",
    "azure-native:app:ManagedEnvironment": "publicNetworkAccess",
    "azure-native:cognitiveservices:Account": "properties.publicNetworkAccess",
    "azure-native:sql:Server": "publicNetworkAccess",
    "azure-native:databricks:Workspace": "publicNetworkAccess",
}.items():
    needs_unless_public(endpoints_private, _type, _path, "Disabled", "SecuredByPerimeter", refused="Enabled")
