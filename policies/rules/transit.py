"""What travels is encrypted: to stores, and between the machines of a job."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from policies.examples import Ref, declared
from policies.graph import Node
from policies.resources import UNKNOWN, Props, Resource
from policies.rule import Finding, Severity, rule
from policies.rules.aws_documents import Statement, statements
from policies.rules.demands import beside, needs
from policies.rules.optional import flag, mapping

BUCKETS = ("aws:s3/bucket:Bucket", "aws:s3/bucketV2:BucketV2")
POLICIES = ("aws:s3/bucketPolicy:BucketPolicy",)


@rule(
    "storage-tls-only",
    Severity.HIGH,
    types=BUCKETS,
    title="Stores answer over TLS alone",
    why="S3 also answers over plain HTTP, where anybody on the way reads the object and its signature.",
    remedy="On S3 deny every action where aws:SecureTransport is false; elsewhere set the store's own switch.",
    joins=True,
)
def storage_tls_only(bucket: Node) -> Finding | None:
    # Cloud Storage has no such switch: an organisation's policy decides, outside of any stack.
    found = [*statements(bucket, "policy"), *_of_policies(bucket)]
    if any(_denies_plain_http(each) for each in found):
        return None
    return Finding(at="bucketPolicy", found=None if not found else "no statement that denies plain HTTP")


def _of_policies(bucket: Node) -> Iterator[Statement]:
    for policy in beside(bucket, POLICIES, "bucket"):
        yield from statements(policy, "policy")


def _denies_plain_http(statement: Statement) -> bool:
    """Every action, for everybody, on no other condition."""
    return (
        not statement.is_allowed
        and not statement.negated
        and bool({"*", "s3:*"} & set(statement.actions))
        and any(name == "*" for _, name in statement.principals)
        and any(resource.endswith("*") for resource in statement.resources)
        and len(statement.conditions) == 1
        and _is_plain_http(*statement.conditions[0])
    )


def _is_plain_http(operator: str, key: str, values: tuple[str, ...]) -> bool:
    is_false = [value.casefold() for value in values] == ["false"]
    return operator in ("Bool", "BoolIfExists") and key.casefold() == "aws:securetransport" and is_false


def _document(**changes: Any) -> str:
    statement = {
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": "s3:*",
        "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [{**statement, **changes}]})


def _bucket(policy: object, **props: Any) -> list[Resource]:
    bucket = declared(BUCKETS[0], "data", bucket=UNKNOWN, **props)
    return [bucket, declared(POLICIES[0], "policy", bucket=Ref("data"), policy=policy)]


storage_tls_only.examples(
    good=[
        _bucket(_document()),
        _bucket(_document(Principal="*", Action=["s3:*"])),
        _bucket({"Version": "2012-10-17", "Statement": json.loads(_document())["Statement"]}),
        [declared(BUCKETS[0], "data", policy=_document())],
        [
            declared(BUCKETS[0], "data", bucket="plain"),
            declared(POLICIES[0], "policy", bucket="plain", policy=_document()),
        ],
    ],
    bad=[
        [declared(BUCKETS[0], "data")],
        [declared(BUCKETS[0], "other"), *_bucket(_document())],
        _bucket(_document(Effect="Allow")),
        _bucket(_document(Action="s3:PutObject")),
        _bucket(_document(Condition={"Bool": {"aws:SecureTransport": "true"}})),
        _bucket(
            _document(Condition={"Bool": {"aws:SecureTransport": "false"}, "StringEquals": {"aws:SourceVpc": "v"}})
        ),
        _bucket(_document(Principal={"AWS": "arn:aws:iam::1:role/r"})),
        _bucket(_document(Resource="arn:aws:s3:::b")),
        _bucket(json.dumps({"Statement": []})),
    ],
    unknown=[_bucket(UNKNOWN), [declared(BUCKETS[0], "data", policy=UNKNOWN)]],
)

needs(storage_tls_only, "azure-native:storage:StorageAccount", "enableHttpsTrafficOnly", True, refused=False)
needs(
    storage_tls_only,
    "gcp:sql/databaseInstance:DatabaseInstance",
    "settings.ipConfiguration.sslMode",
    "ENCRYPTED_ONLY",
    "TRUSTED_CLIENT_CERTIFICATE_REQUIRED",
    refused="ALLOW_UNENCRYPTED_AND_ENCRYPTED",
)
needs(
    storage_tls_only,
    "aws:elasticache/replicationGroup:ReplicationGroup",
    "transitEncryptionEnabled",
    True,
    refused=False,
)
needs(storage_tls_only, "azure-native:redis:Redis", "enableNonSslPort", False, refused=True, absent=False)

POLICIES_OF_ROLES = (
    "aws:iam/policy:Policy", "aws:iam/rolePolicy:RolePolicy", "aws:iam/userPolicy:UserPolicy",
    "aws:iam/groupPolicy:GroupPolicy",
)  # fmt: skip
JOB_ACTIONS = frozenset({"*", "sagemaker:*", "sagemaker:create*", "sagemaker:createtrainingjob"})


@rule(
    "training-traffic-encrypted",
    Severity.MEDIUM,
    types=POLICIES_OF_ROLES,
    title="The machines of a job speak encrypted to each other",
    why="Gradients and batches cross machines and racks; from them training data can be restored.",
    remedy="Demand it of who starts jobs (sagemaker:InterContainerTrafficEncryption), or turn it on in the network: "
    "inTransitEncryptionConfig on GKE, encryption of the virtual network on Azure.",
)
def training_traffic_encrypted(policy: Props) -> Iterator[Finding]:
    """Jobs are no resources: what a stack declares is who may start which."""
    for statement in statements(policy, "policy"):
        starts_jobs = any(action.casefold() in JOB_ACTIONS for action in statement.actions)
        if (
            statement.is_allowed
            and starts_jobs
            and not any(_demands_encryption(*each) for each in statement.conditions)
        ):
            yield Finding(at=statement.path, found="a grant to start jobs whose traffic is in clear")


def _demands_encryption(operator: str, key: str, values: tuple[str, ...]) -> bool:
    is_true = [value.casefold() for value in values] == ["true"]
    return operator == "Bool" and key.casefold() == "sagemaker:intercontainertrafficencryption" and is_true


def _starts(action: str, **condition: str) -> dict[str, Any]:
    conditions = {
        operator: {"sagemaker:InterContainerTrafficEncryption": value} for operator, value in condition.items()
    }
    statement = {"Effect": "Allow", "Action": [action], "Resource": "*", "Condition": conditions}
    return {"policy": json.dumps({"Statement": [statement]})}


training_traffic_encrypted.examples(
    good=[_starts("sagemaker:CreateTrainingJob", Bool="true"), _starts("s3:GetObject"), {}],
    bad=[
        _starts("sagemaker:CreateTrainingJob"),
        _starts("sagemaker:*"),
        _starts("sagemaker:CreateTrainingJob", Bool="false"),
        _starts("sagemaker:CreateTrainingJob", BoolIfExists="true"),
    ],
    unknown=[{"policy": UNKNOWN}],
)

for _type, _path in {
    "aws:sagemaker/trainingJob:TrainingJob": "enableInterContainerTrafficEncryption",
    "aws:sagemaker/dataQualityJobDefinition:DataQualityJobDefinition": (
        "networkConfig.enableInterContainerTrafficEncryption"
    ),
    "azure-native:network:VirtualNetwork": "encryption.enabled",
}.items():
    needs(training_traffic_encrypted, _type, _path, True, refused=False)
needs(
    training_traffic_encrypted,
    "gcp:container/cluster:Cluster",
    "inTransitEncryptionConfig",
    "IN_TRANSIT_ENCRYPTION_INTER_NODE_TRANSPARENT",
    refused="IN_TRANSIT_ENCRYPTION_DISABLED",
)


@training_traffic_encrypted.also("kubernetes:helm.sh/v3:Release")
def cilium_encrypts(release: Props) -> Finding | None:
    """Of a cluster that the user brings, its network's chart where the stack installs it."""
    if release.get("chart") != "cilium":
        return None
    encryption = mapping(release, "values", "encryption")
    return (
        None if flag(encryption, "enabled") else Finding(at=encryption.at("enabled"), found=encryption.get("enabled"))
    )


cilium_encrypts.examples(
    good=[{"chart": "cilium", "values": {"encryption": {"enabled": True, "type": "wireguard"}}}, {"chart": "kueue"}],
    bad=[{"chart": "cilium"}, {"chart": "cilium", "values": {"encryption": {"enabled": False}}}],
    unknown=[{"chart": UNKNOWN}, {"chart": "cilium", "values": UNKNOWN}],
)
