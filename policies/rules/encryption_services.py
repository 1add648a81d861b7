"""Endpoints, logs, topics and clusters' secrets under a key of one's own; and keys that are renewed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from policies.examples import Ref, declared
from policies.graph import Node
from policies.resources import UNKNOWN, Malformed, Props, Resource
from policies.rule import Finding, Severity, rule
from policies.rules.demands import lacks_key, needs, needs_key
from policies.rules.optional import flag, is_given, mapping, records, text, texts

CONFIGURATION = "aws:sagemaker/endpointConfiguration:EndpointConfiguration"
LOCAL_DISK_FAMILIES = frozenset({"g4dn", "g5", "g6", "g6e", "p4d", "p4de", "p5", "p5e", "p5en", "i3en", "trn1", "trn2"})
"""SageMaker takes no key for machines whose volume is local NVMe, which its own hardware encrypts.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateEndpointConfig.html
"""


@rule(
    "endpoints-encrypted",
    Severity.HIGH,
    types=(CONFIGURATION,),
    title="What an endpoint or a workspace keeps is encrypted with a key of one's own",
    why="Models on the disks of servers and captured requests are as telling as the data they come from.",
    remedy="Give the endpoint, its capture and the workspace the stack's key.",
    joins=True,
)
def endpoints_encrypted(configuration: Node) -> Iterator[Finding]:
    variants = [*records(configuration, "productionVariants"), *records(configuration, "shadowProductionVariants")]
    if any(_takes_a_key(variant) for variant in variants) and (
        finding := lacks_key(configuration, configuration, "kmsKeyArn")
    ):
        yield finding
    capture = mapping(configuration, "dataCaptureConfig")
    if flag(capture, "enableCapture") and (finding := lacks_key(configuration, capture, "kmsKeyId")):
        yield finding
    answers = mapping(configuration, "asyncInferenceConfig", "outputConfig")
    if is_given(answers, "s3OutputPath") and (finding := lacks_key(configuration, answers, "kmsKeyId")):
        yield finding


def _takes_a_key(variant: Props) -> bool:
    if is_given(variant, "serverlessConfig"):
        return False
    parts = (text(variant, "instanceType") or "").split(".")
    return len(parts) < 3 or parts[1] not in LOCAL_DISK_FAMILIES


def _configuration(machine: object = "ml.m5.large", **props: Any) -> list[Resource]:
    variants = [{"instanceType": machine}]
    return [
        declared("aws:kms/key:Key", "key"),
        declared(CONFIGURATION, "config", **{"productionVariants": variants, **props}),
    ]


_CAPTURE = {"enableCapture": True, "destinationS3Uri": "s3://b/c"}
endpoints_encrypted.examples(
    good=[
        _configuration(kmsKeyArn=Ref("key"), dataCaptureConfig={**_CAPTURE, "kmsKeyId": Ref("key")}),
        _configuration("ml.g5.xlarge"),
        _configuration(productionVariants=[{"serverlessConfig": {"memorySizeInMb": 2048}}]),
        _configuration(kmsKeyArn="arn:ours", dataCaptureConfig={"enableCapture": False}),
    ],
    bad=[
        _configuration(),
        _configuration(None),
        _configuration("ml.g5.xlarge", dataCaptureConfig=_CAPTURE),
        _configuration("ml.g5.xlarge", asyncInferenceConfig={"outputConfig": {"s3OutputPath": UNKNOWN}}),
        _configuration("ml.g5.xlarge", shadowProductionVariants=[{"instanceType": "ml.c5.large"}]),
    ],
    unknown=[_configuration(kmsKeyArn=UNKNOWN), _configuration(UNKNOWN), _configuration(productionVariants=UNKNOWN)],
)

for _type in (
    "gcp:vertex/aiEndpoint:AiEndpoint", "gcp:vertex/aiIndex:AiIndex", "gcp:vertex/aiIndexEndpoint:AiIndexEndpoint",
    "gcp:vertex/aiFeatureOnlineStore:AiFeatureOnlineStore", "gcp:vertex/aiTensorboard:AiTensorboard",
    "gcp:vertex/aiMetadataStore:AiMetadataStore",
):  # fmt: skip
    needs_key(endpoints_encrypted, _type, "encryptionSpec.kmsKeyName")
_WORKSPACE = "azure-native:machinelearningservices:Workspace"
needs(endpoints_encrypted, _WORKSPACE, "encryption.status", "Enabled", refused="Disabled")
needs_key(endpoints_encrypted, _WORKSPACE, "encryption.keyVaultProperties.keyIdentifier")


@rule(
    "logs-encrypted",
    Severity.MEDIUM,
    types=("aws:cloudwatch/logGroup:LogGroup",),
    title="Logs are encrypted with a key of one's own",
    why="Logs repeat what requests said, and outlive them.",
    # Log Analytics takes a key only in a dedicated cluster, which starts at 100 GB a day: not asked for.
    remedy="Give the log group, log bucket or trail the stack's key, whose policy must let the log service use it.",
    joins=True,
)
def logs_encrypted(group: Node) -> Finding | None:
    return lacks_key(group, group, "kmsKeyId")


def _group(**props: Any) -> list[Resource]:
    return [declared("aws:kms/key:Key", "key"), declared("aws:cloudwatch/logGroup:LogGroup", "logs", **props)]


logs_encrypted.examples(
    good=[_group(kmsKeyId=Ref("key")), _group(kmsKeyId="arn:aws:kms:eu-west-1:1:key/ours")],
    bad=[_group(), _group(kmsKeyId="")],
    unknown=[_group(kmsKeyId=UNKNOWN)],
)
needs_key(logs_encrypted, "aws:cloudtrail/trail:Trail", "kmsKeyId")
needs_key(logs_encrypted, "gcp:logging/projectBucketConfig:ProjectBucketConfig", "cmekSettings.kmsKeyName")


@rule(
    "topics-encrypted",
    Severity.MEDIUM,
    types=("aws:sqs/queue:Queue",),
    title="Topics and queues are encrypted",
    why="A notice waits on disk until somebody takes it.",
    remedy="Give the topic the stack's key; a queue may also use SQS's own encryption.",
)
def topics_encrypted(queue: Props) -> Finding | None:
    if is_given(queue, "kmsMasterKeyId") or flag(queue, "sqsManagedSseEnabled"):
        return None
    return Finding(at="sqsManagedSseEnabled", found=queue.get("sqsManagedSseEnabled"))


topics_encrypted.examples(
    good=[{"sqsManagedSseEnabled": True}, {"kmsMasterKeyId": UNKNOWN}],
    bad=[{}, {"sqsManagedSseEnabled": False}],
    unknown=[{"sqsManagedSseEnabled": UNKNOWN}],
)
needs_key(topics_encrypted, "aws:sns/topic:Topic", "kmsMasterKeyId")
needs_key(topics_encrypted, "aws:kinesis/stream:Stream", "kmsKeyId")
needs_key(topics_encrypted, "gcp:pubsub/topic:Topic", "kmsKeyName")


@topics_encrypted.also("azure-native:servicebus:Namespace", "azure-native:eventhub:Namespace", joins=True)
def namespaces_encrypted(namespace: Node) -> Iterator[Finding]:
    keys = records(encryption := mapping(namespace, "encryption"), "keyVaultProperties")
    if not keys:
        yield Finding(at=encryption.at("keyVaultProperties"))
    for key in keys:
        if finding := lacks_key(namespace, key, "keyName"):
            yield finding


def _namespace(*keys: object) -> list[Resource]:
    return [declared("azure-native:servicebus:Namespace", "bus", encryption={"keyVaultProperties": list(keys)})]


namespaces_encrypted.examples(
    good=[_namespace({"keyName": "data", "keyVaultUri": "https://v.vault.azure.net"})],
    bad=[_namespace(), _namespace({}), [declared("azure-native:eventhub:Namespace", "hub")]],
    unknown=[_namespace({"keyName": UNKNOWN})],
)


@rule(
    "cluster-secrets-encrypted",
    Severity.HIGH,
    types=("aws:eks/cluster:Cluster",),
    title="A cluster's secrets are encrypted with a key of one's own",
    why="Whoever reads etcd or its backup reads every secret of every namespace.",
    remedy="Turn on envelope encryption of secrets with the stack's key.",
    joins=True,
)
def cluster_secrets_encrypted(cluster: Node) -> Finding | None:
    encryption = mapping(cluster, "encryptionConfig")
    if "secrets" not in (kinds := texts(encryption, "resources")):
        return Finding(at=encryption.at("resources"), found=kinds or None)
    return lacks_key(cluster, mapping(encryption, "provider"), "keyArn")


def _eks(**props: Any) -> list[Resource]:
    return [declared("aws:kms/key:Key", "key"), declared("aws:eks/cluster:Cluster", "eks", **props)]


def _secrets_under(key: object, *kinds: str) -> dict[str, Any]:
    return {"resources": list(kinds), "provider": {"keyArn": key}}


cluster_secrets_encrypted.examples(
    good=[_eks(encryptionConfig=_secrets_under(Ref("key"), "secrets"))],
    bad=[
        _eks(),
        _eks(encryptionConfig=_secrets_under(Ref("key"))),
        _eks(encryptionConfig={"resources": ["secrets"]}),
    ],
    unknown=[_eks(encryptionConfig=UNKNOWN), _eks(encryptionConfig=_secrets_under(UNKNOWN, "secrets"))],
)
_GKE, _AKS = "gcp:container/cluster:Cluster", "azure-native:containerservice:ManagedCluster"
needs(cluster_secrets_encrypted, _GKE, "databaseEncryption.state", "ENCRYPTED", refused="DECRYPTED")
needs_key(cluster_secrets_encrypted, _GKE, "databaseEncryption.keyName")
needs(cluster_secrets_encrypted, _AKS, "securityProfile.azureKeyVaultKms.enabled", True, refused=False)
needs_key(cluster_secrets_encrypted, _AKS, "securityProfile.azureKeyVaultKms.keyId")


@rule(
    "keys-rotate",
    Severity.MEDIUM,
    types=("aws:kms/key:Key",),
    title="Keys that encrypt are renewed by themselves",
    why="The longer a key is in use, the more a single leak opens.",
    remedy="Turn rotation on: once a year or more often.",
)
def keys_rotate(key: Props) -> Finding | None:
    if text(key, "customerMasterKeySpec") not in (None, "SYMMETRIC_DEFAULT"):
        return None  # AWS rotates no other kind
    if flag(key, "enableKeyRotation"):
        return None
    return Finding(at="enableKeyRotation", found=key.get("enableKeyRotation"))


keys_rotate.examples(
    good=[
        {"enableKeyRotation": True},
        {"customerMasterKeySpec": "ECC_NIST_P256", "keyUsage": "SIGN_VERIFY"},
        {"enableKeyRotation": True, "customerMasterKeySpec": "SYMMETRIC_DEFAULT"},
    ],
    bad=[{}, {"enableKeyRotation": False}],
    unknown=[{"enableKeyRotation": UNKNOWN}, {"customerMasterKeySpec": UNKNOWN}],
)
YEAR_S = 365 * 86400


@keys_rotate.also("gcp:kms/cryptoKey:CryptoKey")
def crypto_keys_rotate(key: Props) -> Finding | None:
    if text(key, "purpose") not in (None, "ENCRYPT_DECRYPT"):
        return None  # Cloud KMS rotates no other kind
    period = text(key, "rotationPeriod")
    if period is None:
        return Finding(at="rotationPeriod")
    if not (parts := re.fullmatch(r"(\d+)(\.\d+)?s", period)):
        raise Malformed("rotationPeriod", period, "seconds such as 7776000s")
    return Finding(at="rotationPeriod", found=period) if int(parts[1]) > YEAR_S else None


crypto_keys_rotate.examples(
    good=[{"rotationPeriod": "7776000s"}, {"purpose": "ASYMMETRIC_SIGN"}],
    bad=[{}, {"purpose": "ENCRYPT_DECRYPT"}, {"rotationPeriod": "315360000s"}],
    unknown=[{"rotationPeriod": UNKNOWN}, {"purpose": UNKNOWN}],
)


@keys_rotate.also("azure-native:keyvault:Key")
def vault_keys_rotate(key: Props) -> Finding | None:
    properties = mapping(key, "properties")
    operations = texts(properties, "keyOps")
    if operations and not {"encrypt", "decrypt", "wrapKey", "unwrapKey"} & set(operations):
        return None
    actions = records(policy := mapping(properties, "rotationPolicy"), "lifetimeActions")
    kinds = [text(mapping(each, "action"), "type") or "" for each in actions]
    if any(kind.casefold() == "rotate" for kind in kinds):
        return None
    return Finding(at=policy.at("lifetimeActions"), found=kinds or None)


def _vault_key(*kinds: object, **properties: Any) -> dict[str, Any]:
    actions = [{"action": {"type": kind}, "trigger": {"timeAfterCreate": "P1Y"}} for kind in kinds]
    return {"properties": {"kty": "RSA", "rotationPolicy": {"lifetimeActions": actions}, **properties}}


vault_keys_rotate.examples(
    good=[_vault_key("notify", "rotate"), _vault_key("Rotate"), _vault_key(keyOps=["sign", "verify"])],
    bad=[_vault_key(), _vault_key("notify"), _vault_key(keyOps=["wrapKey"]), {"properties": {}}],
    unknown=[_vault_key(UNKNOWN), {"properties": UNKNOWN}],
)
