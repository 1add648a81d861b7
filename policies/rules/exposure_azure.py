"""`addresses-not-public` on Azure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from policies.examples import Ref, declared
from policies.graph import Node
from policies.resources import UNKNOWN, Props, Resource
from policies.rule import Finding
from policies.rules import exposure_addresses
from policies.rules.demands import is_public, network
from policies.rules.optional import flag, is_given, mapping, records, text

GATEWAYS = ("azure-native:network:NatGateway",)
FRONTS = ("azure-native:network:LoadBalancer", "azure-native:network:ApplicationGateway")


@exposure_addresses.addresses_not_public.also("azure-native:network:PublicIPAddress", joins=True)
def addresses(address: Node) -> Finding | None:
    if address.referrers(*GATEWAYS) or (address.referrers(*FRONTS) and is_public(address.graph)):
        return None
    return Finding(at="publicIPAllocationMethod", found="an address that no NAT gateway bears")


def _address(*others: Resource, declares: object = None) -> list[Resource]:
    return [network(is_api_public=declares), declared("azure-native:network:PublicIPAddress", "address"), *others]


_NAT = declared(GATEWAYS[0], "nat", publicIpAddresses=[{"id": Ref("address")}])
_FRONT = declared(FRONTS[0], "front", frontendIPConfigurations=[{"publicIPAddress": {"id": Ref("address")}}])
addresses.examples(
    good=[_address(_NAT), _address(_FRONT, declares=True)],
    bad=[_address(), _address(_FRONT), _address(_FRONT, declares=False)],
    unknown=[_address(_FRONT, declares=UNKNOWN)],
)


@exposure_addresses.addresses_not_public.also("azure-native:network:NetworkInterface")
def interfaces(interface: Props) -> Iterator[Finding]:
    yield from _with_address(interface, "publicIPAddress")


def _with_address(holder: Props, key: str) -> Iterator[Finding]:
    for configuration in records(holder, "ipConfigurations"):
        if is_given(configuration, key):
            yield Finding(at=configuration.at(key), found="a public address")


interfaces.examples(
    good=[{"ipConfigurations": [{"subnet": {"id": UNKNOWN}}]}],
    bad=[
        {"ipConfigurations": [{}, {"publicIPAddress": {"id": UNKNOWN}}]},
        {"ipConfigurations": [{"publicIPAddress": UNKNOWN}]},
    ],
    unknown=[{"ipConfigurations": UNKNOWN}],
)


@exposure_addresses.addresses_not_public.also("azure-native:compute:VirtualMachine")
def machines(machine: Props) -> Iterator[Finding]:
    """Interfaces that the machine makes; one that is declared is judged by itself."""
    yield from _made_interfaces(machine)


@exposure_addresses.addresses_not_public.also("azure-native:compute:VirtualMachineScaleSet")
def scale_sets(scale_set: Props) -> Iterator[Finding]:
    yield from _made_interfaces(mapping(scale_set, "virtualMachineProfile"))


def _made_interfaces(holder: Props) -> Iterator[Finding]:
    for interface in records(mapping(holder, "networkProfile"), "networkInterfaceConfigurations"):
        yield from _with_address(interface, "publicIPAddressConfiguration")


def _profile(*configurations: object) -> dict[str, Any]:
    return {"networkProfile": {"networkInterfaceConfigurations": [{"ipConfigurations": list(configurations)}]}}


_PUBLIC = {"publicIPAddressConfiguration": {"name": "public"}}
machines.examples(
    good=[{}, _profile({"subnet": {"id": UNKNOWN}})],
    bad=[_profile(_PUBLIC), _profile({}, _PUBLIC)],
    unknown=[{"networkProfile": UNKNOWN}],
)
scale_sets.examples(
    good=[{"virtualMachineProfile": _profile({})}],
    bad=[{"virtualMachineProfile": _profile(_PUBLIC)}],
    unknown=[{"virtualMachineProfile": UNKNOWN}],
)


@exposure_addresses.addresses_not_public.also("azure-native:containerservice:ManagedCluster")
def aks_nodes(cluster: Props) -> Iterator[Finding]:
    for pool in records(cluster, "agentPoolProfiles"):
        if flag(pool, "enableNodePublicIP"):  # false is Azure's own default
            yield Finding(at=pool.at("enableNodePublicIP"), found=True)


aks_nodes.examples(
    good=[{"agentPoolProfiles": [{"enableNodePublicIP": False}, {}]}],
    bad=[{"agentPoolProfiles": [{}, {"enableNodePublicIP": True}]}],
    unknown=[{"agentPoolProfiles": [{"enableNodePublicIP": UNKNOWN}]}],
)


@exposure_addresses.addresses_not_public.also("azure-native:containerservice:AgentPool")
def aks_pools(pool: Props) -> Finding | None:
    return Finding(at="enableNodePublicIP", found=True) if flag(pool, "enableNodePublicIP") else None


aks_pools.examples(
    good=[{}, {"enableNodePublicIP": False}],
    bad=[{"enableNodePublicIP": True}],
    unknown=[{"enableNodePublicIP": UNKNOWN}],
)


@exposure_addresses.addresses_not_public.also("azure-native:machinelearningservices:Compute")
def ml_computes(compute: Props) -> Finding | None:
    """Azure ML gives an address unless told not to."""
    properties = compute.mapping("properties")
    if text(properties, "computeType") not in ("AmlCompute", "ComputeInstance"):
        return None
    own = mapping(properties, "properties")
    if flag(own, "enableNodePublicIp") is False:
        return None
    return Finding(at=own.at("enableNodePublicIp"), found=own.get("enableNodePublicIp"))


def _compute(kind: object, is_public: object = None) -> dict[str, Any]:
    return {"properties": {"computeType": kind, "properties": {"enableNodePublicIp": is_public}}}


ml_computes.examples(
    good=[_compute("AmlCompute", False), _compute("ComputeInstance", False), _compute("Kubernetes")],
    bad=[_compute("AmlCompute"), _compute("ComputeInstance", True)],
    unknown=[_compute(UNKNOWN), _compute("AmlCompute", UNKNOWN), {"properties": UNKNOWN}],
)
