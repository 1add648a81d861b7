"""AKS."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any

from infra.rehearsal.azure.arm import arm, named
from infra.rehearsal.core.kinds import Kind, Ref, Rule

CLUSTER = "azure-native:containerservice:ManagedCluster"
SUBNET = Ref("azure-native:network:Subnet", by=(), holds=True)
NETWORKS = "https://learn.microsoft.com/azure/aks/azure-cni-overlay"
POOLS = "https://learn.microsoft.com/azure/aks/spot-node-pool"
KMS = "https://learn.microsoft.com/azure/aks/use-kms-etcd-encryption"
POOL_NAME = r"[a-z][a-z0-9]{0,11}"


def _networks(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    profile = inputs.get("networkProfile") or {}
    pods, services, dns = profile.get("podCidr"), profile.get("serviceCidr"), profile.get("dnsServiceIP")
    if profile.get("networkDataplane") == "cilium" and profile.get("networkPolicy") not in (None, "cilium"):
        yield (
            "networkProfile.networkPolicy",
            "InvalidParameter: Cilium's data plane takes Cilium's policies",
        )
    if isinstance(pods, str) and isinstance(services, str):
        if ipaddress.ip_network(pods).overlaps(ipaddress.ip_network(services)):
            yield "networkProfile.podCidr", f"InvalidParameter: {pods} overlaps with {services}"
        if isinstance(dns, str) and ipaddress.ip_address(dns) not in ipaddress.ip_network(services):
            yield "networkProfile.dnsServiceIP", f"InvalidParameter: {dns} is not in {services}"


def _private(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    access = inputs.get("apiServerAccessProfile") or {}
    if access.get("enablePrivateCluster") and access.get("authorizedIPRanges"):
        yield "apiServerAccessProfile.authorizedIPRanges", "InvalidParameter: of public clusters alone"
    kms = (inputs.get("securityProfile") or {}).get("azureKeyVaultKms") or {}
    if kms.get("keyVaultNetworkAccess") == "Private" and not kms.get("keyVaultResourceId"):
        yield "securityProfile.azureKeyVaultKms.keyVaultResourceId", "InvalidParameter: must be given"


def _pool(pool: Mapping[str, Any], at: str) -> Iterator[tuple[str, str]]:
    spot = pool.get("scaleSetPriority") == "Spot"
    if spot and pool.get("mode") == "System":
        yield f"{at}scaleSetPriority", "InvalidParameter: A system pool can't be Spot"
    if not spot and pool.get("scaleSetEvictionPolicy"):
        yield f"{at}scaleSetEvictionPolicy", "InvalidParameter: of Spot pools alone"
    if not spot and pool.get("spotMaxPrice") is not None:
        yield f"{at}spotMaxPrice", "InvalidParameter: of Spot pools alone"
    if pool.get("mode") == "System" and pool.get("minCount") == 0:
        yield f"{at}minCount", "InvalidParameter: a system pool has one node at least"
    if spot and pool.get("upgradeSettings"):
        yield f"{at}upgradeSettings", "InvalidParameter: Spot pools take no max surge"
    least, most = pool.get("minCount"), pool.get("maxCount")
    if pool.get("enableAutoScaling") and (least is None or most is None):
        yield f"{at}minCount", "InvalidParameter: autoscaling takes minCount and maxCount"
    elif isinstance(least, int | float) and isinstance(most, int | float) and not least <= most <= 1000:
        yield f"{at}maxCount", f"InvalidParameter: {least} <= {most} <= 1000 is wrong"


def _pools(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    pools = inputs.get("agentPoolProfiles") or ()
    if not any(pool.get("mode") == "System" for pool in pools):
        yield "agentPoolProfiles", "SystemPoolRequired: There must be a system pool"
    for index, pool in enumerate(pools):
        yield from _pool(pool, f"agentPoolProfiles[{index}].")


def _one(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield from _pool(inputs, "")


KINDS: tuple[Kind, ...] = (
    arm(
        CLUSTER,
        "Microsoft.ContainerService/managedClusters",
        "azure.mgmt.containerservice.models:ManagedCluster",
        name="resourceName",
        pattern=r"[a-zA-Z0-9]([\w-]{0,61}[a-zA-Z0-9])?",
        has_identity=True,
        outputs={
            "fqdn": "{dnsPrefix}-{hex:8}.hcp.{region}.azmk8s.io",
            "currentKubernetesVersion": "{kubernetesVersion}.4",
            "oidcIssuerProfile": {"enabled": True, "issuerURL": "https://{region}.oic.prod-aks.azure.com/{tenant}/{uuid}/"},
        },
        references={
            "agentPoolProfiles.vnetSubnetID": SUBNET,
            "apiServerAccessProfile.subnetId": SUBNET,
            "securityProfile.azureKeyVaultKms.keyVaultResourceId": Ref("azure-native:keyvault:Vault", by=()),
        },
        checks=(
            Rule(NETWORKS, _networks, needs=("networkProfile",)),
            Rule(KMS, _private, needs=("apiServerAccessProfile", "securityProfile")),
            Rule(POOLS, _pools, needs=("agentPoolProfiles",)),
            named("agentPoolProfiles.name", POOL_NAME),
            named("dnsPrefix", r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,52}[a-zA-Z0-9])?"),
        ),
        immutable=("dnsPrefix", "networkProfile.podCidr", "networkProfile.serviceCidr", "nodeResourceGroup"),
    ),
    arm(
        "azure-native:containerservice:AgentPool",
        "Microsoft.ContainerService/managedClusters/agentPools",
        "azure.mgmt.containerservice.models:AgentPool",
        name="agentPoolName",
        pattern=POOL_NAME,
        under={"resourceName": CLUSTER},
        rules={
            "type": "properties.type",  # of the pool: the resource's own is read only
            "vnetSubnetID": "properties.vnetSubnetID",
        },
        references={"vnetSubnetID": SUBNET},
        outputs={"type": "Microsoft.ContainerService/managedClusters/agentPools"},
        checks=(Rule(POOLS, _one, needs=("mode",)),),
        immutable=("vmSize", "scaleSetPriority", "vnetSubnetID", "osDiskSizeGB", "availabilityZones", "gpuProfile"),
    ),
    arm(
        "azure-native:containerservice:MaintenanceConfiguration",
        "Microsoft.ContainerService/managedClusters/maintenanceConfigurations",
        "azure.mgmt.containerservice.models:MaintenanceConfiguration",
        name="configName",
        pattern=r"default|aksManagedAutoUpgradeSchedule|aksManagedNodeOSUpgradeSchedule",
        under={"resourceName": CLUSTER},
    ),
)  # fmt: skip
