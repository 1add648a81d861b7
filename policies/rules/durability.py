"""What production must not lose to one wrong command, and how long it can be brought back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from policies.examples import Ref, declared, platform
from policies.graph import Node
from policies.resources import UNKNOWN, Malformed, Props, Resource, UnknownValue
from policies.rule import Finding, Severity, rule
from policies.rules.optional import flag, is_given, mapping, number, text
from policies.rules.stores import ACCOUNT, BLOBS, beside_account, holds_flow_logs_alone

SWITCHES = {
    "aws:dynamodb/table:Table": "deletionProtectionEnabled",
    "aws:ecr/repository:Repository": "",
    "aws:efs/fileSystem:FileSystem": "",
    "aws:eks/cluster:Cluster": "deletionProtection",
    "aws:kms/key:Key": "",
    "aws:rds/cluster:Cluster": "deletionProtection",
    "aws:rds/instance:Instance": "deletionProtection",
    "aws:s3/bucket:Bucket": "",
    "aws:s3/bucketV2:BucketV2": "",
    "aws:sagemaker/modelPackageGroup:ModelPackageGroup": "",
    "azure-native:containerregistry:Registry": "",
    "azure-native:containerservice:ManagedCluster": "",
    "azure-native:cosmosdb:DatabaseAccount": "",
    "azure-native:dbforpostgresql:Server": "",
    "azure-native:keyvault:Key": "",
    "azure-native:keyvault:Vault": "",
    "azure-native:machinelearningservices:Workspace": "",
    "azure-native:operationalinsights:Workspace": "",
    "azure-native:resources:ResourceGroup": "",
    "azure-native:storage:BlobContainer": "",
    "azure-native:storage:StorageAccount": "",
    "gcp:artifactregistry/repository:Repository": "",
    "gcp:bigquery/dataset:Dataset": "",
    "gcp:container/cluster:Cluster": "deletionProtection",
    "gcp:filestore/instance:Instance": "deletionProtectionEnabled",
    "gcp:kms/cryptoKey:CryptoKey": "",
    "gcp:sql/databaseInstance:DatabaseInstance": "deletionProtection",
    "gcp:storage/bucket:Bucket": "",
    "kubernetes:core/v1:PersistentVolumeClaim": "",
}
"""What holds data, keys, versions or everything else; the switch of its own that its cloud has, or none."""

EMPTIES = ("deleteContentsOnDestroy", "forceDelete", "forceDestroy")
"""They delete what lies in a thing together with it."""


@rule(
    "deletion-protected",
    Severity.HIGH,
    types=tuple(SWITCHES),
    joins=True,
    title="What production can't do without is protected from deletion",
    why="A rename or a destroy in the wrong terminal takes data, keys and approvals with it, and they don't come back.",
    remedy="Declare it with protect=True, or turn the cloud's own deletion protection on; never force its deletion.",
)
def deletion_protected(resource: Node) -> Iterator[Finding]:
    if not resource.graph.is_production:
        return
    for key in EMPTIES:
        if flag(resource, key):
            yield Finding(at=key, found=True)
    options = resource.resource.options
    if options.get("protect") is True:
        return
    if (switch := SWITCHES.get(resource.resource.type)) and flag(resource, switch):
        return
    if "protect" not in options:
        raise UnknownValue("options.protect", "is not told")
    yield Finding(at="options.protect", found=options["protect"])


def _thing(kind: str, protect: Any = None, *, is_production: Any = True, **props: Any) -> list[Resource]:
    options = {} if protect is None else {"protect": protect}
    return [platform(is_production=is_production), declared(kind, "it", options=options, **props)]


_BUCKET, _CLUSTER = "aws:s3/bucket:Bucket", "aws:eks/cluster:Cluster"

deletion_protected.examples(
    good=[
        _thing(_BUCKET, True),
        _thing(_BUCKET, True, forceDestroy=False),
        _thing(_BUCKET, False, is_production=False),
        _thing(_CLUSTER, False, deletionProtection=True),
        _thing(_CLUSTER, deletionProtection=True),
    ],
    bad=[
        _thing(_BUCKET, False),
        _thing(_BUCKET, True, forceDestroy=True),
        _thing(_CLUSTER, False, deletionProtection=False),
        _thing("gcp:bigquery/dataset:Dataset", True, deleteContentsOnDestroy=True),
    ],
    unknown=[
        _thing(_BUCKET),
        _thing(_BUCKET, True, forceDestroy=UNKNOWN),
        _thing(_CLUSTER, False, deletionProtection=UNKNOWN),
        _thing(_BUCKET, False, is_production=UNKNOWN),
    ],
)

KEY_DAYS, DATA_DAYS = 14, 7
"""So long somebody has to notice: a key takes all that it encrypts with it."""


@rule(
    "soft-delete",
    Severity.MEDIUM,
    types=("aws:kms/key:Key", "aws:kms/replicaKey:ReplicaKey"),
    title="What was deleted can be brought back for a while",
    why="Whoever deletes by mistake, or takes revenge, is seen after days; what is gone at once is gone.",
    remedy=f"Keep deleted keys for {KEY_DAYS} days or more and deleted data for {DATA_DAYS}; turn purge protection on.",
)
def soft_delete(key: Props) -> Finding | None:
    """A window that isn't set has 30 days."""
    return _short(key, "deletionWindowInDays", KEY_DAYS)


def _short(props: Props, key: str, least: int) -> Finding | None:
    days = number(props, key)
    return None if days is None or days >= least else Finding(at=props.at(key), found=days)


soft_delete.examples(
    good=[{}, {"deletionWindowInDays": 30}, {"deletionWindowInDays": 14}],
    bad=[{"deletionWindowInDays": 7}],
    unknown=[{"deletionWindowInDays": UNKNOWN}],
)


@soft_delete.also("aws:secretsmanager/secret:Secret")
def _secret(secret: Props) -> Finding | None:
    return _short(secret, "recoveryWindowInDays", DATA_DAYS)


_secret.examples(good=[{}], bad=[{"recoveryWindowInDays": 0}], unknown=[{"recoveryWindowInDays": UNKNOWN}])


@soft_delete.also("gcp:kms/cryptoKey:CryptoKey")
def _google_key(key: Props) -> Finding | None:
    """A duration that isn't set is 30 days."""
    duration = text(key, "destroyScheduledDuration")
    if duration is None:
        return None
    if not re.fullmatch(r"\d+(\.\d+)?s", duration):
        raise Malformed("destroyScheduledDuration", duration, "seconds, such as 2592000s")
    return None if float(duration[:-1]) >= KEY_DAYS * 86_400 else Finding(at="destroyScheduledDuration", found=duration)


_google_key.examples(
    good=[{}, {"destroyScheduledDuration": "2592000s"}],
    bad=[{"destroyScheduledDuration": "86400s"}],
    unknown=[{"destroyScheduledDuration": UNKNOWN}],
)


@soft_delete.also("gcp:storage/bucket:Bucket")
def _google_bucket(bucket: Props) -> Finding | None:
    """A bucket that says nothing keeps for seven days. https://cloud.google.com/storage/docs/soft-delete"""
    policy = mapping(bucket, "softDeletePolicy")
    seconds = number(policy, "retentionDurationSeconds")
    is_long = seconds is None or seconds >= DATA_DAYS * 86_400
    return None if is_long else Finding(at=policy.at("retentionDurationSeconds"), found=seconds)


_google_bucket.examples(
    good=[{}, {"softDeletePolicy": {"retentionDurationSeconds": 604800}}],
    bad=[{"softDeletePolicy": {"retentionDurationSeconds": 0}}],
    unknown=[{"softDeletePolicy": UNKNOWN}],
)


@soft_delete.also("azure-native:keyvault:Vault", joins=True)
def _vault(vault: Node) -> Iterator[Finding]:
    """Its name is taken for as long: outside production the least that Azure allows will do."""
    properties = mapping(vault, "properties")
    if not flag(properties, "enablePurgeProtection"):
        yield Finding(at=properties.at("enablePurgeProtection"), found=flag(properties, "enablePurgeProtection"))
    if flag(properties, "enableSoftDelete") is False:
        yield Finding(at=properties.at("enableSoftDelete"), found=False)
    if vault.graph.is_production and (short := _short(properties, "softDeleteRetentionInDays", KEY_DAYS)):
        yield short


def _kept(*, is_production: bool = True, **properties: Any) -> list[Resource]:
    return [
        platform(is_production=is_production),
        declared("azure-native:keyvault:Vault", "vault", properties={"enablePurgeProtection": True, **properties}),
    ]


_vault.examples(
    good=[_kept(softDeleteRetentionInDays=90), _kept(is_production=False, softDeleteRetentionInDays=7), _kept()],
    bad=[
        _kept(enablePurgeProtection=None),
        _kept(is_production=False, enablePurgeProtection=False),
        _kept(enableSoftDelete=False),
        _kept(softDeleteRetentionInDays=7),
    ],
    unknown=[
        _kept(enablePurgeProtection=UNKNOWN),
        _kept(softDeleteRetentionInDays=UNKNOWN),
        [declared("azure-native:keyvault:Vault", "vault", properties=UNKNOWN)],
    ],
)


@soft_delete.also(ACCOUNT, joins=True)
def _account(account: Node) -> Iterator[Finding]:
    if text(account, "kind") == "FileStorage" or holds_flow_logs_alone(account):
        return
    found = beside_account(account, BLOBS)
    for key in ("deleteRetentionPolicy", "containerDeleteRetentionPolicy"):
        kept = [policy for node in found if flag(policy := mapping(node, key), "enabled")]
        if not any(is_given(policy, "days") and not _short(policy, "days", DATA_DAYS) for policy in kept):
            yield Finding(at=f"{key} of the account's blobs", found=kept[0].get("days") if kept else None)


def _blobs(blobs: Any, containers: Any) -> list[Resource]:
    given = {"deleteRetentionPolicy": blobs, "containerDeleteRetentionPolicy": containers}
    return [declared(ACCOUNT, "account"), declared(BLOBS, "b", accountName=Ref("account"), **dict[str, Any](given))]


_MONTH = {"enabled": True, "days": 30}

_account.examples(
    good=[_blobs(_MONTH, _MONTH)],
    bad=[
        [declared(ACCOUNT, "account")],
        _blobs(None, _MONTH),
        _blobs(_MONTH, {"enabled": False}),
        _blobs({"enabled": True, "days": 1}, _MONTH),
        _blobs({"enabled": True}, _MONTH),
    ],
    unknown=[_blobs(UNKNOWN, _MONTH), _blobs({"enabled": True, "days": UNKNOWN}, _MONTH)],
)
