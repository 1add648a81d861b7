"""What lies in stores and registries is encrypted with a key of one's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from policies.examples import Ref, declared
from policies.graph import Node
from policies.resources import UNKNOWN, Props, Resource
from policies.rule import Finding, Severity, rule
from policies.rules.demands import all_of, beside, lacks_key, needs, needs_key
from policies.rules.optional import mapping, records, text

BUCKETS = ("aws:s3/bucket:Bucket", "aws:s3/bucketV2:BucketV2")
ENCRYPTIONS = (
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
    "aws:s3/bucketServerSideEncryptionConfigurationV2:BucketServerSideEncryptionConfigurationV2",
)
LOGGINGS = ("aws:s3/bucketLogging:BucketLogging", "aws:s3/bucketLoggingV2:BucketLoggingV2")
WITH_KMS = ("aws:kms", "aws:kms:dsse")


@rule(
    "storage-encrypted",
    Severity.HIGH,
    types=BUCKETS,
    title="What is stored is encrypted with a key of one's own",
    why="A key that the cloud shares out can't be revoked, audited or kept from its own staff.",
    remedy="Encrypt it with the stack's key: KMS on AWS, a customer-managed key on Google Cloud and Azure.",
    joins=True,
)
def storage_encrypted(bucket: Node) -> Iterator[Finding]:
    if inline := _inline(bucket):
        yield from _weak(bucket, [inline], is_log_target=_receives_access_logs(bucket))
        return
    configurations = beside(bucket, ENCRYPTIONS, "bucket")
    if not configurations:
        yield Finding(at="serverSideEncryptionConfiguration")
    for configuration in configurations:
        yield from _weak(configuration, records(configuration, "rules"), is_log_target=_receives_access_logs(bucket))


def _inline(bucket: Node) -> Props | None:
    """What pulumi-aws calls deprecated, and still takes."""
    own = mapping(bucket, "serverSideEncryptionConfiguration")
    return own.mapping("rule") if own.get("rule") is not None else None


def _weak(holder: Node, rules: list[Props], *, is_log_target: bool) -> Iterator[Finding]:
    if not rules:
        yield Finding(at="rules")
    for each in rules:
        default = mapping(each, "applyServerSideEncryptionByDefault")
        algorithm = text(default, "sseAlgorithm")
        if algorithm in WITH_KMS:
            if finding := lacks_key(holder, default, "kmsMasterKeyId"):
                yield finding
        elif not (algorithm == "AES256" and is_log_target):
            yield Finding(at=default.at("sseAlgorithm"), found=algorithm)


def _receives_access_logs(bucket: Node) -> bool:
    """S3 delivers access logs to no bucket under a KMS key.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html
    """
    # A delivery waits for the target's policy, and may be made of its outputs.
    policies = bucket.referrers("aws:s3/bucketPolicy:BucketPolicy", by="bucket")
    if any(target.referrers(*LOGGINGS, by="targetBucket") for target in (bucket, *policies)):
        return True
    name = bucket.resource.props.get("bucket")
    targets = (logging.resource.props.get("targetBucket") for logging in all_of(bucket.graph, *LOGGINGS))
    return isinstance(name, str) and name in targets


def _bucket(**default: Any) -> list[Resource]:
    return [
        declared("aws:kms/key:Key", "key"),
        declared(BUCKETS[0], "data", bucket=UNKNOWN),
        declared(
            ENCRYPTIONS[0],
            "encryption",
            bucket=Ref("data"),
            rules=[{"applyServerSideEncryptionByDefault": default, "bucketKeyEnabled": True}],
        ),
    ]


def _logs_to(name: str) -> list[Resource]:
    return [
        declared("aws:s3/bucketPolicy:BucketPolicy", "policy", bucket=Ref(name)),
        declared(LOGGINGS[0], "logging", bucket=UNKNOWN, targetBucket=Ref("policy")),
    ]


_INLINE = {"rule": {"applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": "arn:ours"}}}
storage_encrypted.examples(
    good=[
        _bucket(sseAlgorithm="aws:kms", kmsMasterKeyId=Ref("key")),
        _bucket(sseAlgorithm="aws:kms:dsse", kmsMasterKeyId="arn:aws:kms:eu-west-1:1:key/ours"),
        [*_bucket(sseAlgorithm="AES256"), *_logs_to("data")],
        [declared(BUCKETS[0], "data", serverSideEncryptionConfiguration=_INLINE)],
        [
            declared(BUCKETS[0], "data", bucket="plain"),
            declared(
                ENCRYPTIONS[0],
                "encryption",
                bucket="plain",
                rules=[{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": "k"}}],
            ),
        ],
    ],
    bad=[
        [declared(BUCKETS[0], "data", bucket=UNKNOWN)],
        _bucket(),
        _bucket(sseAlgorithm="AES256"),
        _bucket(sseAlgorithm="aws:kms"),
        _bucket(sseAlgorithm="aws:kms", kmsMasterKeyId="alias/aws/s3"),
        [declared(BUCKETS[0], "other", bucket=UNKNOWN), *_bucket(sseAlgorithm="aws:kms", kmsMasterKeyId=Ref("key"))],
        [declared(BUCKETS[0], "data"), declared(ENCRYPTIONS[0], "encryption", bucket=Ref("data"), rules=[])],
    ],
    unknown=[
        _bucket(sseAlgorithm=UNKNOWN),
        _bucket(sseAlgorithm="aws:kms", kmsMasterKeyId=UNKNOWN),
        [declared(BUCKETS[0], "data"), declared(ENCRYPTIONS[0], "encryption", bucket=Ref("data"), rules=UNKNOWN)],
    ],
)

for _type, _path in {
    "aws:efs/fileSystem:FileSystem": "kmsKeyId",
    "aws:fsx/lustreFileSystem:LustreFileSystem": "kmsKeyId",
    "aws:rds/instance:Instance": "kmsKeyId",
    "aws:rds/cluster:Cluster": "kmsKeyId",
    "aws:dynamodb/table:Table": "serverSideEncryption.kmsKeyArn",
    "aws:sagemaker/trainingJob:TrainingJob": "outputDataConfig.kmsKeyId",
    "gcp:storage/bucket:Bucket": "encryption.defaultKmsKeyName",
    "gcp:bigquery/dataset:Dataset": "defaultEncryptionConfiguration.kmsKeyName",
    "gcp:sql/databaseInstance:DatabaseInstance": "encryptionKeyName",
    "gcp:filestore/instance:Instance": "kmsKeyName",
    "gcp:vertex/aiDataset:AiDataset": "encryptionSpec.kmsKeyName",
    "gcp:vertex/aiFeatureStore:AiFeatureStore": "encryptionSpec.kmsKeyName",
    "azure-native:storage:StorageAccount": "encryption.keyVaultProperties.keyName",
}.items():
    needs_key(storage_encrypted, _type, _path)

# A key alone encrypts nothing where a switch stands beside it.
needs(storage_encrypted, "aws:efs/fileSystem:FileSystem", "encrypted", True, refused=False)
needs(storage_encrypted, "aws:rds/instance:Instance", "storageEncrypted", True, refused=False)
needs(storage_encrypted, "aws:rds/cluster:Cluster", "storageEncrypted", True, refused=False)
needs(storage_encrypted, "aws:dynamodb/table:Table", "serverSideEncryption.enabled", True, refused=False)
needs(
    storage_encrypted,
    "azure-native:storage:StorageAccount",
    "encryption.keySource",
    "Microsoft.Keyvault",
    refused="Microsoft.Storage",
)


@rule(
    "registry-encrypted",
    Severity.HIGH,
    types=("aws:ecr/repository:Repository",),
    title="Images are encrypted with a key of one's own",
    why="An image holds the code and often the model; the cloud's shared key can't be taken from anybody.",
    remedy="Encrypt the repository with the stack's key; it can't be changed later, the repository is made anew.",
    joins=True,
)
def registry_encrypted(repository: Node) -> Iterator[Finding]:
    configurations = records(repository, "encryptionConfigurations")
    if not configurations:
        yield Finding(at="encryptionConfigurations")
    for each in configurations:
        if (kind := text(each, "encryptionType")) not in ("KMS", "KMS_DSSE"):
            yield Finding(at=each.at("encryptionType"), found=kind)
        elif finding := lacks_key(repository, each, "kmsKey"):
            yield finding


def _repository(*configurations: object) -> list[Resource]:
    key = declared("aws:kms/key:Key", "key")
    return [key, declared("aws:ecr/repository:Repository", "images", encryptionConfigurations=list(configurations))]


registry_encrypted.examples(
    good=[
        _repository({"encryptionType": "KMS", "kmsKey": Ref("key")}),
        _repository({"encryptionType": "KMS_DSSE", "kmsKey": "arn:aws:kms:eu-west-1:1:key/ours"}),
    ],
    bad=[
        _repository(),
        [declared("aws:ecr/repository:Repository", "images")],
        _repository({"encryptionType": "AES256"}),
        _repository({"encryptionType": "KMS"}),
        _repository({"kmsKey": Ref("key")}),
    ],
    unknown=[_repository({"encryptionType": UNKNOWN}), _repository({"encryptionType": "KMS", "kmsKey": UNKNOWN})],
)

needs_key(registry_encrypted, "gcp:artifactregistry/repository:Repository", "kmsKeyName")
needs_key(registry_encrypted, "azure-native:containerregistry:Registry", "encryption.keyVaultProperties.keyIdentifier")
needs(registry_encrypted, "azure-native:containerregistry:Registry", "encryption.status", "enabled", refused="disabled")
