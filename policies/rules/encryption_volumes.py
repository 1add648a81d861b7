"""Disks of machines, of notebooks and of clusters' nodes.

On AWS a switch decides whether a disk is encrypted at all. On Google Cloud and Azure all are, with the cloud's own
keys, so that the rule asks there for a key of one's own, or on Azure for the host to encrypt with what it caches.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from policies.examples import Ref, declared
from policies.graph import Node
from policies.resources import UNKNOWN, Props, Resource
from policies.rule import Finding, Severity, rule
from policies.rules.demands import all_of, lacks_key, needs, needs_key
from policies.rules.optional import flag, is_given, mapping, records, text

BY_DEFAULT = "aws:ebs/encryptionByDefault:EncryptionByDefault"


@rule(
    "volumes-encrypted",
    Severity.HIGH,
    types=("aws:ebs/volume:Volume",),
    title="Disks are encrypted, where the cloud does so anyway with a key of one's own",
    why="A snapshot or a disk that is thrown away keeps checkpoints and training data readable.",
    remedy="Set encrypted, or the disk's key; on Azure encryption at host or a disk encryption set.",
    joins=True,
)
def volumes_encrypted(volume: Node) -> Finding | None:
    return _not_encrypted(volume, volume)


def _not_encrypted(node: Node, disk: Props) -> Finding | None:
    encrypted = flag(disk, "encrypted")
    if encrypted or (encrypted is None and _is_account_encrypting(node)):
        return None
    return Finding(at=disk.at("encrypted"), found=encrypted)


def _is_account_encrypting(node: Node) -> bool:
    """Whether the stack has turned on EBS's encryption by default. The resource without `enabled` does."""
    return any(flag(each, "enabled") is not False for each in all_of(node.graph, BY_DEFAULT))


_ON, _OFF = declared(BY_DEFAULT, "default", enabled=True), declared(BY_DEFAULT, "default", enabled=False)


def _volume(**props: Any) -> Resource:
    return declared("aws:ebs/volume:Volume", "disk", **props)


volumes_encrypted.examples(
    good=[[_volume(encrypted=True)], [_volume(), _ON], [_volume(encrypted="true")]],
    bad=[[_volume()], [_volume(encrypted=False)], [_volume(encrypted=False), _ON], [_volume(), _OFF]],
    unknown=[[_volume(encrypted=UNKNOWN)], [_volume(), declared(BY_DEFAULT, "default", enabled=UNKNOWN)]],
)


@volumes_encrypted.also("aws:ec2/instance:Instance", "aws:ec2/launchConfiguration:LaunchConfiguration", joins=True)
def machine_disks(machine: Node) -> Iterator[Finding]:
    # A machine that names no root disk gets one as its image or its launch template says.
    root = [] if machine.get("rootBlockDevice") is None and is_given(machine, "launchTemplate") else ["rootBlockDevice"]
    for disk in [*(mapping(machine, key) for key in root), *records(machine, "ebsBlockDevices")]:
        if finding := _not_encrypted(machine, disk):
            yield finding


def _machine(**props: Any) -> Resource:
    return declared("aws:ec2/instance:Instance", "machine", **props)


_ENCRYPTED, _CLEAR = {"encrypted": True}, {"encrypted": False}
machine_disks.examples(
    good=[
        [_machine(rootBlockDevice=_ENCRYPTED, ebsBlockDevices=[_ENCRYPTED])],
        [_machine(), _ON],
        [_machine(launchTemplate={"id": "lt-1"})],
    ],
    bad=[
        [_machine()],
        [_machine(rootBlockDevice=_CLEAR)],
        [_machine(rootBlockDevice={}, launchTemplate={"id": "lt-1"})],
        [_machine(rootBlockDevice=_ENCRYPTED, ebsBlockDevices=[{"deviceName": "/dev/sdb"}])],
    ],
    unknown=[[_machine(rootBlockDevice=UNKNOWN)], [_machine(rootBlockDevice={"encrypted": UNKNOWN})]],
)


@volumes_encrypted.also("aws:ec2/launchTemplate:LaunchTemplate", joins=True)
def template_disks(template: Node) -> Iterator[Finding]:
    mappings = records(template, "blockDeviceMappings")
    if not mappings and not _is_account_encrypting(template):
        yield Finding(at="blockDeviceMappings")
    for each in mappings:
        has_no_disk = is_given(each, "noDevice") or is_given(each, "virtualName")
        if not has_no_disk and (finding := _not_encrypted(template, mapping(each, "ebs"))):
            yield finding


def _template(*mappings: object) -> list[Resource]:
    return [declared("aws:ec2/launchTemplate:LaunchTemplate", "template", blockDeviceMappings=list(mappings))]


template_disks.examples(
    good=[
        _template({"deviceName": "/dev/xvda", "ebs": {"encrypted": "true"}}),
        _template({"ebs": {"encrypted": True}}, {"deviceName": "/dev/sdc", "virtualName": "ephemeral0"}),
        [*_template(), _ON],
    ],
    bad=[_template(), _template({"ebs": {}}), _template({"ebs": {"encrypted": "false"}}), [*_template({}), _OFF]],
    unknown=[_template({"ebs": UNKNOWN}), _template({"ebs": {"encrypted": UNKNOWN}})],
)


@volumes_encrypted.also("kubernetes:karpenter.k8s.aws/v1:EC2NodeClass")
def karpenter_disks(node_class: Props) -> Iterator[Finding]:
    # Karpenter's own default is an encrypted disk: https://karpenter.sh/docs/concepts/nodeclasses/
    for each in records(node_class.mapping("spec"), "blockDeviceMappings"):
        if not flag(ebs := mapping(each, "ebs"), "encrypted"):
            yield Finding(at=ebs.at("encrypted"), found=ebs.get("encrypted"))


karpenter_disks.examples(
    good=[{"spec": {}}, {"spec": {"blockDeviceMappings": [{"ebs": {"encrypted": True}}]}}],
    bad=[
        {"spec": {"blockDeviceMappings": [{"ebs": {"volumeSize": "100Gi"}}]}},
        {"spec": {"blockDeviceMappings": [{"ebs": {"encrypted": False}}]}},
    ],
    unknown=[{"spec": UNKNOWN}, {"spec": {"blockDeviceMappings": [{"ebs": {"encrypted": UNKNOWN}}]}}],
)

CSI_KEYS = {
    "ebs.csi.aws.com": "encrypted",
    "pd.csi.storage.gke.io": "disk-encryption-kms-key",
    "disk.csi.azure.com": "diskEncryptionSetID",
}
"""Provisioner -> the parameter that encrypts: a switch on AWS, a key elsewhere."""


@volumes_encrypted.also("kubernetes:storage.k8s.io/v1:StorageClass")
def classes_encrypt(storage_class: Props) -> Finding | None:
    key = CSI_KEYS.get(text(storage_class, "provisioner") or "")
    if key is None:
        return None
    parameters = mapping(storage_class, "parameters")
    value = text(parameters, key)
    is_encrypted = value == "true" if key == "encrypted" else bool(value)
    return None if is_encrypted else Finding(at=parameters.at(key), found=value)


def _class(provisioner: object, **parameters: Any) -> dict[str, Any]:
    return {"provisioner": provisioner, "parameters": parameters}


classes_encrypt.examples(
    good=[
        _class("ebs.csi.aws.com", type="gp3", encrypted="true"),
        _class("pd.csi.storage.gke.io", **{"disk-encryption-kms-key": "projects/p/k"}),
        _class("disk.csi.azure.com", diskEncryptionSetID="/subscriptions/s/d"),
        _class("nfs.csi.k8s.io"),
    ],
    bad=[
        _class("ebs.csi.aws.com", type="gp3"),
        _class("ebs.csi.aws.com", encrypted="false"),
        _class("pd.csi.storage.gke.io", type="pd-ssd"),
        {"provisioner": "disk.csi.azure.com"},
    ],
    unknown=[_class(UNKNOWN), _class("ebs.csi.aws.com", encrypted=UNKNOWN)],
)


@volumes_encrypted.also("gcp:compute/instance:Instance", joins=True)
def instance_disks(instance: Node) -> Iterator[Finding]:
    for disk in [mapping(instance, "bootDisk"), *records(instance, "attachedDisks")]:
        # A disk that is declared by itself has its key itself.
        if not is_given(disk, "source") and (finding := lacks_key(instance, disk, "kmsKeySelfLink")):
            yield finding


def _instance(**props: Any) -> list[Resource]:
    return [declared("gcp:kms/cryptoKey:CryptoKey", "key"), declared("gcp:compute/instance:Instance", "it", **props)]


instance_disks.examples(
    good=[
        _instance(bootDisk={"kmsKeySelfLink": Ref("key")}, attachedDisks=[{"source": UNKNOWN}]),
        _instance(bootDisk={"source": "disks/boot"}),
    ],
    bad=[_instance(), _instance(bootDisk={"kmsKeySelfLink": Ref("key")}, attachedDisks=[{"mode": "READ_WRITE"}])],
    unknown=[_instance(bootDisk={"kmsKeySelfLink": UNKNOWN}), _instance(bootDisk=UNKNOWN)],
)


@volumes_encrypted.also(
    "gcp:compute/instanceTemplate:InstanceTemplate", "gcp:compute/regionInstanceTemplate:RegionInstanceTemplate",
    joins=True,
)  # fmt: skip
def instance_template_disks(template: Node) -> Iterator[Finding]:
    for disk in template.records("disks"):
        if not is_given(disk, "source") and (
            finding := lacks_key(template, mapping(disk, "diskEncryptionKey"), "kmsKeySelfLink")
        ):
            yield finding


def _of_template(*disks: object) -> list[Resource]:
    return [declared("gcp:compute/instanceTemplate:InstanceTemplate", "it", disks=list(disks))]


instance_template_disks.examples(
    good=[_of_template({"diskEncryptionKey": {"kmsKeySelfLink": "projects/p/k"}}, {"source": "data"})],
    bad=[_of_template({"sourceImage": "cos"}), _of_template({"diskEncryptionKey": {}})],
    unknown=[_of_template({"diskEncryptionKey": {"kmsKeySelfLink": UNKNOWN}}), _of_template(UNKNOWN)],
)

for _type, _path in {
    "aws:sagemaker/notebookInstance:NotebookInstance": "kmsKeyId",
    "aws:sagemaker/domain:Domain": "kmsKeyId",
    "aws:sagemaker/trainingJob:TrainingJob": "resourceConfig.volumeKmsKeyId",
    "gcp:compute/disk:Disk": "diskEncryptionKey.kmsKeySelfLink",
    "gcp:compute/regionDisk:RegionDisk": "diskEncryptionKey.kmsKeyName",
    "gcp:container/nodePool:NodePool": "nodeConfig.bootDiskKmsKey",
    "gcp:notebooks/instance:Instance": "kmsKey",
    "gcp:workbench/instance:Instance": "gceSetup.bootDisk.kmsKey",
    "azure-native:compute:Disk": "encryption.diskEncryptionSetId",
}.items():
    needs_key(volumes_encrypted, _type, _path)
needs(volumes_encrypted, "gcp:workbench/instance:Instance", "gceSetup.bootDisk.diskEncryption", "CMEK", refused="GMEK")
