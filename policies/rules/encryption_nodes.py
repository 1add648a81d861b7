"""`volumes-encrypted` for Azure's machines and for the nodes of managed clusters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from policies.examples import Ref, declared
from policies.graph import Node
from policies.resources import UNKNOWN, Props, Resource
from policies.rule import Finding
from policies.rules import encryption_volumes
from policies.rules.demands import lacks_key
from policies.rules.optional import flag, is_given, mapping, records

AKS = "azure-native:containerservice:ManagedCluster"
AKS_POOL = "azure-native:containerservice:AgentPool"


@encryption_volumes.volumes_encrypted.also("azure-native:compute:VirtualMachine")
def machine_disks(machine: Props) -> Finding | None:
    return _not_encrypted(mapping(machine, "securityProfile"), mapping(machine, "storageProfile"))


@encryption_volumes.volumes_encrypted.also("azure-native:compute:VirtualMachineScaleSet")
def scale_set_disks(scale_set: Props) -> Finding | None:
    profile = mapping(scale_set, "virtualMachineProfile")
    return _not_encrypted(mapping(profile, "securityProfile"), mapping(profile, "storageProfile"))


def _not_encrypted(security: Props, storage: Props) -> Finding | None:
    if flag(security, "encryptionAtHost"):
        return None
    for disk in [mapping(storage, "osDisk"), *records(storage, "dataDisks")]:
        managed = mapping(disk, "managedDisk")
        # A disk that is attached by its id was declared by itself.
        if not is_given(managed, "id") and not is_given(mapping(managed, "diskEncryptionSet"), "id"):
            return Finding(at=security.at("encryptionAtHost"), found=security.get("encryptionAtHost"))
    return None


_SET = {"managedDisk": {"diskEncryptionSet": {"id": UNKNOWN}}}
_GOOD: list[dict[str, Any]] = [
    {"securityProfile": {"encryptionAtHost": True}},
    {"storageProfile": {"osDisk": _SET, "dataDisks": [_SET, {"managedDisk": {"id": UNKNOWN}}]}},
]
_BAD: list[dict[str, Any]] = [
    {},
    {"securityProfile": {"encryptionAtHost": False}},
    {"storageProfile": {"osDisk": _SET, "dataDisks": [{"lun": 0}]}},
]
_UNKNOWN: list[dict[str, Any]] = [
    {"securityProfile": {"encryptionAtHost": UNKNOWN}, "storageProfile": {"osDisk": {}}},
    {"storageProfile": UNKNOWN},
]
machine_disks.examples(good=_GOOD, bad=_BAD, unknown=_UNKNOWN)
scale_set_disks.examples(
    good=[{"virtualMachineProfile": item} for item in _GOOD],
    bad=[{"virtualMachineProfile": item} for item in _BAD],
    unknown=[{"virtualMachineProfile": item} for item in _UNKNOWN],
)


@encryption_volumes.volumes_encrypted.also(AKS, joins=True)
def aks_disks(cluster: Node) -> Iterator[Finding]:
    for pool in [] if is_given(cluster, "diskEncryptionSetID") else records(cluster, "agentPoolProfiles"):
        if not flag(pool, "enableEncryptionAtHost"):
            yield Finding(at=pool.at("enableEncryptionAtHost"), found=pool.get("enableEncryptionAtHost"))


aks_disks.examples(
    good=[
        [declared(AKS, "aks", agentPoolProfiles=[{"enableEncryptionAtHost": True}])],
        [declared(AKS, "aks", diskEncryptionSetID=UNKNOWN, agentPoolProfiles=[{}])],
    ],
    bad=[
        [declared(AKS, "aks", agentPoolProfiles=[{"enableEncryptionAtHost": True}, {"name": "gpu"}])],
        [declared(AKS, "aks", agentPoolProfiles=[{"enableEncryptionAtHost": False}])],
    ],
    unknown=[
        [declared(AKS, "aks", agentPoolProfiles=[{"enableEncryptionAtHost": UNKNOWN}])],
        [declared(AKS, "aks", agentPoolProfiles=UNKNOWN)],
    ],
)


@encryption_volumes.volumes_encrypted.also(AKS_POOL, joins=True)
def aks_pool_disks(pool: Node) -> Finding | None:
    clusters = pool.referred("resourceName", AKS)
    if flag(pool, "enableEncryptionAtHost") or any(is_given(each, "diskEncryptionSetID") for each in clusters):
        return None
    return Finding(at="enableEncryptionAtHost", found=pool.get("enableEncryptionAtHost"))


def _pool(cluster: dict[str, Any], **props: Any) -> list[Resource]:
    return [declared(AKS, "aks", **cluster), declared(AKS_POOL, "pool", resourceName=Ref("aks"), **props)]


aks_pool_disks.examples(
    good=[_pool({}, enableEncryptionAtHost=True), _pool({"diskEncryptionSetID": UNKNOWN})],
    bad=[_pool({}), _pool({}, enableEncryptionAtHost=False), [declared(AKS_POOL, "pool", resourceName="brought")]],
    unknown=[_pool({}, enableEncryptionAtHost=UNKNOWN)],
)


@encryption_volumes.volumes_encrypted.also("gcp:container/cluster:Cluster", joins=True)
def gke_disks(cluster: Node) -> Finding | None:
    """Of the pool that a cluster brings with it, and of those that Autopilot makes."""
    if flag(cluster, "enableAutopilot"):
        return lacks_key(cluster, mapping(cluster, "clusterAutoscaling", "autoProvisioningDefaults"), "bootDiskKmsKey")
    if flag(cluster, "removeDefaultNodePool"):
        return None
    return lacks_key(cluster, mapping(cluster, "nodeConfig"), "bootDiskKmsKey")


def _gke(**props: Any) -> list[Resource]:
    return [declared("gcp:kms/cryptoKey:CryptoKey", "key"), declared("gcp:container/cluster:Cluster", "gke", **props)]


_DEFAULTS = {"autoProvisioningDefaults": {"bootDiskKmsKey": Ref("key")}}
gke_disks.examples(
    good=[
        _gke(removeDefaultNodePool=True),
        _gke(nodeConfig={"bootDiskKmsKey": Ref("key")}),
        _gke(enableAutopilot=True, clusterAutoscaling=_DEFAULTS),
    ],
    bad=[_gke(), _gke(removeDefaultNodePool=False, nodeConfig={}), _gke(enableAutopilot=True)],
    unknown=[_gke(removeDefaultNodePool=UNKNOWN), _gke(nodeConfig={"bootDiskKmsKey": UNKNOWN})],
)
