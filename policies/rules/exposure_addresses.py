"""Machines have no public address; a gateway for what goes out may have one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from policies.examples import Ref, declared
from policies.graph import Node
from policies.resources import UNKNOWN, Props, Resource
from policies.rule import Finding, Severity, rule
from policies.rules.demands import is_public, needs, network
from policies.rules.optional import flag, is_given, mapping, records, text

SUBNET = "aws:ec2/subnet:Subnet"


@rule(
    "addresses-not-public",
    Severity.HIGH,
    types=("aws:ec2/instance:Instance",),
    title="Machines have no public address",
    why="A machine with an address of its own is scanned from its first minute, whatever its firewall says today.",
    remedy="Take the address away; let the machine reach out through the network's NAT gateway.",
    joins=True,
)
def addresses_not_public(instance: Node) -> Iterator[Finding]:
    given = flag(instance, "associatePublicIpAddress")
    if given:
        yield Finding(at="associatePublicIpAddress", found=True)
    if given is None and any(flag(each, "mapPublicIpOnLaunch") for each in instance.referred("subnetId", SUBNET)):
        yield Finding(at="associatePublicIpAddress", found="given by its subnet")
    if given is None and not is_given(instance, "subnetId") and not is_given(instance, "launchTemplate"):
        yield Finding(at="associatePublicIpAddress", found="given by the default network")


def _instance(subnet: object = None, **props: Any) -> list[Resource]:
    home = declared(SUBNET, "subnet", mapPublicIpOnLaunch=subnet)
    return [home, declared("aws:ec2/instance:Instance", "it", **props)]


addresses_not_public.examples(
    good=[
        _instance(True, subnetId=Ref("subnet"), associatePublicIpAddress=False),
        _instance(False, subnetId=Ref("subnet")),
        _instance(subnetId="subnet-brought"),
    ],
    bad=[
        _instance(associatePublicIpAddress=True),
        _instance(True, subnetId=Ref("subnet")),
        _instance(),
    ],
    unknown=[_instance(associatePublicIpAddress=UNKNOWN), _instance(UNKNOWN, subnetId=Ref("subnet"))],
)

needs(addresses_not_public, SUBNET, "mapPublicIpOnLaunch", False, refused=True, absent=False)
needs(addresses_not_public, "aws:rds/instance:Instance", "publiclyAccessible", False, refused=True, absent=False)
needs(
    addresses_not_public,
    "aws:sagemaker/notebookInstance:NotebookInstance",
    "directInternetAccess",
    "Disabled",
    refused="Enabled",
)
needs(
    addresses_not_public, "aws:sagemaker/domain:Domain", "appNetworkAccessType", "VpcOnly", refused="PublicInternetOnly"
)
needs(
    addresses_not_public,
    "aws:ecs/service:Service",
    "networkConfiguration.assignPublicIp",
    False,
    refused=True,
    absent=False,
)
needs(
    addresses_not_public,
    "aws:ec2/launchConfiguration:LaunchConfiguration",
    "associatePublicIpAddress",
    False,
    refused=True,
)


@addresses_not_public.also("aws:ec2/launchTemplate:LaunchTemplate")
def templates(template: Props) -> Iterator[Finding]:
    """Without interfaces the subnet decides, which is judged by itself."""
    for interface in records(template, "networkInterfaces"):
        if flag(interface, "associatePublicIpAddress"):
            yield Finding(at=interface.at("associatePublicIpAddress"), found=True)


templates.examples(
    good=[{}, {"networkInterfaces": [{"associatePublicIpAddress": "false"}]}],
    bad=[{"networkInterfaces": [{"associatePublicIpAddress": "true"}]}],
    unknown=[{"networkInterfaces": [{"associatePublicIpAddress": UNKNOWN}]}],
)

GATEWAYS = ("aws:ec2/natGateway:NatGateway",)
BALANCERS = ("aws:lb/loadBalancer:LoadBalancer", "aws:alb/loadBalancer:LoadBalancer")


@addresses_not_public.also("aws:ec2/eip:Eip", joins=True)
def elastic_addresses(address: Node) -> Finding | None:
    if address.referrers(*GATEWAYS, by="allocationId") or address.referrers(*GATEWAYS, by="secondaryAllocationIds"):
        return None
    if address.referrers(*BALANCERS, by="subnetMappings") and is_public(address.graph):
        return None
    for key in ("instance", "networkInterface"):
        if is_given(address, key):
            return Finding(at=key, found="a machine")
    return Finding(at="domain", found="an address that no NAT gateway bears")


def _eip(**props: Any) -> Resource:
    return declared("aws:ec2/eip:Eip", "address", **props)


def _balancer(*, declares: object) -> list[Resource]:
    mappings = [{"allocationId": Ref("address")}]
    return [network(is_api_public=declares), _eip(), declared(BALANCERS[0], "balancer", subnetMappings=mappings)]


elastic_addresses.examples(
    good=[[_eip(), declared(GATEWAYS[0], "nat", allocationId=Ref("address"))], _balancer(declares=True)],
    bad=[[_eip()], [_eip(instance="i-1")], [_eip(networkInterface=UNKNOWN)], _balancer(declares=False)],
    unknown=[_balancer(declares=UNKNOWN)],
)


@addresses_not_public.also("kubernetes:karpenter.k8s.aws/v1:EC2NodeClass")
def karpenter_nodes(node_class: Props) -> Finding | None:
    spec = node_class.mapping("spec")
    return (
        Finding(at=spec.at("associatePublicIPAddress"), found=True) if flag(spec, "associatePublicIPAddress") else None
    )


karpenter_nodes.examples(
    good=[{"spec": {}}, {"spec": {"associatePublicIPAddress": False}}],
    bad=[{"spec": {"associatePublicIPAddress": True}}],
    unknown=[{"spec": UNKNOWN}, {"spec": {"associatePublicIPAddress": UNKNOWN}}],
)


@addresses_not_public.also(
    "gcp:compute/instance:Instance", "gcp:compute/instanceTemplate:InstanceTemplate",
    "gcp:compute/regionInstanceTemplate:RegionInstanceTemplate",
)  # fmt: skip
def instances(instance: Props) -> Iterator[Finding]:
    for interface in records(instance, "networkInterfaces"):
        for key in ("accessConfigs", "ipv6AccessConfigs"):
            if records(interface, key):
                yield Finding(at=interface.at(key), found="a public address")


instances.examples(
    good=[{"networkInterfaces": [{"subnetwork": UNKNOWN}]}, {"networkInterfaces": [{"accessConfigs": []}]}],
    bad=[{"networkInterfaces": [{"accessConfigs": [{}]}]}, {"networkInterfaces": [{}, {"ipv6AccessConfigs": [{}]}]}],
    unknown=[{"networkInterfaces": UNKNOWN}, {"networkInterfaces": [{"accessConfigs": UNKNOWN}]}],
)
NATS = ("gcp:compute/routerNat:RouterNat", "gcp:compute/routerNatAddress:RouterNatAddress")


@addresses_not_public.also("gcp:compute/address:Address", "gcp:compute/globalAddress:GlobalAddress", joins=True)
def reserved_addresses(address: Node) -> Finding | None:
    kind = text(address, "addressType") or "EXTERNAL"  # Google Cloud's own default
    if kind != "EXTERNAL" or address.referrers(*NATS) or is_public(address.graph):
        return None
    return Finding(at="addressType", found=kind)


def _address(declares: object = None, **props: Any) -> list[Resource]:
    return [network(is_api_public=declares), declared("gcp:compute/address:Address", "address", **props)]


reserved_addresses.examples(
    good=[
        _address(addressType="INTERNAL"),
        [*_address(), declared(NATS[0], "nat", natIps=[Ref("address")])],
        _address(True, addressType="EXTERNAL"),
    ],
    bad=[_address(), _address(addressType="EXTERNAL")],
    unknown=[_address(addressType=UNKNOWN), _address(UNKNOWN)],
)

for _type, _path in {
    "gcp:notebooks/instance:Instance": "noPublicIp",
    "gcp:workbench/instance:Instance": "gceSetup.disablePublicIp",
}.items():
    needs(addresses_not_public, _type, _path, True, refused=False)
needs(
    addresses_not_public,
    "gcp:sql/databaseInstance:DatabaseInstance",
    "settings.ipConfiguration.ipv4Enabled",
    False,
    refused=True,
)


@addresses_not_public.also("gcp:container/cluster:Cluster")
def gke_nodes(cluster: Props) -> Finding | None:
    private = mapping(cluster, "privateClusterConfig")
    if flag(private, "enablePrivateNodes"):
        return None
    return Finding(at=private.at("enablePrivateNodes"), found=private.get("enablePrivateNodes"))


gke_nodes.examples(
    good=[{"privateClusterConfig": {"enablePrivateNodes": True}}],
    bad=[{}, {"privateClusterConfig": {"enablePrivateNodes": False}}],
    unknown=[{"privateClusterConfig": UNKNOWN}, {"privateClusterConfig": {"enablePrivateNodes": UNKNOWN}}],
)
# A pool that says nothing follows its cluster, which is judged by itself.
needs(
    addresses_not_public,
    "gcp:container/nodePool:NodePool",
    "networkConfig.enablePrivateNodes",
    True,
    refused=False,
    absent=True,
)
