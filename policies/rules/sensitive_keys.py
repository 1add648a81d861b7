"""Data of people lies under a key of one's own, wherever it passes: also in logs, queues and on disks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from policies.examples import Ref, declared
from policies.graph import Node
from policies.resources import UNKNOWN, Resource
from policies.rule import Finding, Severity, rule
from policies.rules.classification import classified, is_sensitive
from policies.rules.demands import lacks_key
from policies.rules.optional import mapping, records
from policies.rules.stores import S3, beside_bucket, receives_logs

KEYS = {
    "aws:cloudwatch/logGroup:LogGroup": "kmsKeyId",
    "aws:dynamodb/table:Table": "serverSideEncryption.kmsKeyArn",
    "aws:ebs/volume:Volume": "kmsKeyId",
    "aws:efs/fileSystem:FileSystem": "kmsKeyId",
    "aws:rds/cluster:Cluster": "kmsKeyId",
    "aws:rds/instance:Instance": "kmsKeyId",
    "aws:sagemaker/domain:Domain": "kmsKeyId",
    "aws:sagemaker/endpointConfiguration:EndpointConfiguration": "kmsKeyArn",
    "aws:sagemaker/notebookInstance:NotebookInstance": "kmsKeyId",
    "aws:secretsmanager/secret:Secret": "kmsKeyId",
    "aws:sns/topic:Topic": "kmsMasterKeyId",
    "aws:sqs/queue:Queue": "kmsMasterKeyId",
    "azure-native:containerregistry:Registry": "encryption.keyVaultProperties.keyIdentifier",
    "azure-native:machinelearningservices:Workspace": "encryption.keyVaultProperties.keyIdentifier",
    "azure-native:storage:StorageAccount": "encryption.keyVaultProperties.keyName",
    "gcp:artifactregistry/repository:Repository": "kmsKeyName",
    "gcp:bigquery/dataset:Dataset": "defaultEncryptionConfiguration.kmsKeyName",
    "gcp:compute/disk:Disk": "diskEncryptionKey.kmsKeySelfLink",
    "gcp:container/nodePool:NodePool": "nodeConfig.bootDiskKmsKey",
    "gcp:filestore/instance:Instance": "kmsKeyName",
    "gcp:logging/projectBucketConfig:ProjectBucketConfig": "cmekSettings.kmsKeyName",
    "gcp:pubsub/topic:Topic": "kmsKeyName",
    "gcp:sql/databaseInstance:DatabaseInstance": "encryptionKeyName",
    "gcp:storage/bucket:Bucket": "encryption.defaultKmsKeyName",
    "gcp:vertex/aiEndpoint:AiEndpoint": "encryptionSpec.kmsKeyName",
}
"""Type -> the property that names the key."""


@rule(
    "sensitive-data-key",
    Severity.HIGH,
    types=tuple(KEYS),
    joins=True,
    title="Data of people lies under a key of one's own, wherever it passes",
    why="Only a key of one's own can be withdrawn: then what it encrypts is gone, also from backups and copies.",
    remedy="Encrypt it with the stack's key.",
)
def sensitive_data_key(resource: Node) -> Finding | None:
    if not is_sensitive(resource.graph):
        return None
    *above, key = KEYS.get(resource.resource.type, "kmsKeyId").split(".")
    return lacks_key(resource, mapping(resource, *above), key)


_GROUP, _DATASET = "aws:cloudwatch/logGroup:LogGroup", "gcp:bigquery/dataset:Dataset"
_KEY = declared("aws:kms/key:Key", "key")

sensitive_data_key.examples(
    good=[
        [declared(_GROUP, "it")],
        [classified("internal"), declared(_GROUP, "it")],
        [classified(), _KEY, declared(_GROUP, "it", kmsKeyId=Ref("key"))],
        [classified(), declared(_DATASET, "it", defaultEncryptionConfiguration={"kmsKeyName": "projects/p/key"})],
    ],
    bad=[
        [classified(), declared(_GROUP, "it")],
        [classified("health"), declared("aws:sqs/queue:Queue", "it", sqsManagedSseEnabled=True)],
        [classified(), declared("aws:ebs/volume:Volume", "it", kmsKeyId="alias/aws/ebs")],
        [classified(), declared(_DATASET, "it")],
    ],
    unknown=[
        [classified(), declared(_GROUP, "it", kmsKeyId=UNKNOWN)],
        [classified(), declared(_DATASET, "it", defaultEncryptionConfiguration=UNKNOWN)],
    ],
)

ENCRYPTION = (
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
    "aws:s3/bucketServerSideEncryptionConfigurationV2:BucketServerSideEncryptionConfigurationV2",
)


@sensitive_data_key.also(*S3, joins=True)
def _s3(bucket: Node) -> Iterator[Finding]:
    """S3 delivers access logs to no bucket under a KMS key."""
    if not is_sensitive(bucket.graph) or receives_logs(bucket):
        return
    found = [(node, item) for node in beside_bucket(bucket, ENCRYPTION) for item in records(node, "rules")]
    if not found:
        yield Finding(at="encryption of the bucket")
    for node, item in found:
        if finding := lacks_key(node, mapping(item, "applyServerSideEncryptionByDefault"), "kmsMasterKeyId"):
            yield finding


def _bucket(key: Any, *more: Resource) -> Sequence[Resource]:
    rules = [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": key}}]
    return [
        classified(),
        _KEY,
        declared(S3[0], "data"),
        declared(ENCRYPTION[0], "e", bucket=Ref("data"), rules=rules),
        *more,
    ]


_LOGGING = declared("aws:s3/bucketLogging:BucketLogging", "l", bucket="other", targetBucket=Ref("data"))

_s3.examples(
    good=[_bucket(Ref("key")), _bucket(None, _LOGGING), [declared(S3[0], "data")]],
    bad=[_bucket(None), [classified(), declared(S3[0], "data")]],
    unknown=[_bucket(UNKNOWN)],
)


@sensitive_data_key.also("aws:ecr/repository:Repository", joins=True)
def _ecr(repository: Node) -> Iterator[Finding]:
    if is_sensitive(repository.graph):
        found = records(repository, "encryptionConfigurations")
        if not found:
            yield Finding(at="encryptionConfigurations")
        for item in found:
            if finding := lacks_key(repository, item, "kmsKey"):
                yield finding


def _images(**given: Any) -> Sequence[Resource]:
    return [classified(), _KEY, declared("aws:ecr/repository:Repository", "it", **given)]


_ecr.examples(
    good=[_images(encryptionConfigurations=[{"encryptionType": "KMS", "kmsKey": Ref("key")}]), _images()[2:]],
    bad=[_images(), _images(encryptionConfigurations=[{"encryptionType": "AES256"}])],
    unknown=[_images(encryptionConfigurations=UNKNOWN)],
)


@sensitive_data_key.also("aws:ec2/launchTemplate:LaunchTemplate", joins=True)
def _disks(template: Node) -> Iterator[Finding]:
    if is_sensitive(template.graph):
        for disk in records(template, "blockDeviceMappings"):
            if finding := lacks_key(template, mapping(disk, "ebs"), "kmsKeyId"):
                yield finding


def _template(**ebs: Any) -> Sequence[Resource]:
    mappings = [{"deviceName": "/dev/xvda", "ebs": {"encrypted": "true", **ebs}}]
    return [classified(), _KEY, declared("aws:ec2/launchTemplate:LaunchTemplate", "it", blockDeviceMappings=mappings)]


_disks.examples(
    good=[_template(kmsKeyId=Ref("key")), _template()[2:]],
    bad=[_template()],
    unknown=[_template(kmsKeyId=UNKNOWN)],
)
