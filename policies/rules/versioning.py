"""What was overwritten or deleted is still there, and goes after a time."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

from policies.examples import Ref, declared, platform
from policies.graph import Node
from policies.resources import UNKNOWN, Props, Resource
from policies.rule import Finding, Severity, rule
from policies.rules.optional import flag, mapping, records, text
from policies.rules.split import Part, split
from policies.rules.stores import (
    ACCOUNT,
    BLOBS,
    FLOW_LOG,
    GCS,
    LIFECYCLE,
    MANAGEMENT,
    S3,
    VERSIONING,
    beside_account,
    beside_bucket,
    holds_flow_logs_alone,
)


def _s3_lacks_versions(bucket: Node) -> Finding | None:
    if flag(mapping(bucket, "versioning"), "enabled"):  # of programs for older providers
        return None
    configurations = [mapping(node, "versioningConfiguration") for node in beside_bucket(bucket, VERSIONING)]
    found = [text(configuration, "status") for configuration in configurations]
    return None if "Enabled" in found else Finding(at="versioning of the bucket", found=found[0] if found else None)


def _gcs_lacks_versions(bucket: Node) -> Finding | None:
    versioning = mapping(bucket, "versioning")
    enabled = flag(versioning, "enabled")
    return None if enabled else Finding(at=versioning.at("enabled"), found=enabled)


def _account_lacks_versions(account: Node) -> Finding | None:
    if text(account, "kind") == "FileStorage" or holds_flow_logs_alone(account):
        return None
    found = [flag(node, "isVersioningEnabled") for node in beside_account(account, BLOBS)]
    return None if True in found else Finding(at="versioning of the blobs", found=found[0] if found else None)


_DATA = Ref("data")


def _s3(status: Any = None, *, of: Any = _DATA) -> list[Resource]:
    made = [declared(S3[0], "data", bucket="skywright-data")]
    return [*made, declared(VERSIONING[0], "v", bucket=of, versioningConfiguration={"status": status})]


def _blobs(is_on: Any) -> list[Resource]:
    return [declared(ACCOUNT, "account"), declared(BLOBS, "b", accountName=Ref("account"), isVersioningEnabled=is_on)]


_FLOWS = [declared(ACCOUNT, "account"), declared(FLOW_LOG, "flows", storageId=Ref("account"))]
_WITH_DATA = [*_FLOWS, declared("azure-native:storage:BlobContainer", "data", accountName=Ref("account"))]


_PARTS = (
    Part(
        S3,
        _s3_lacks_versions,
        good=[
            _s3("Enabled"),
            _s3("Enabled", of="skywright-data"),
            [declared(S3[0], "data", versioning={"enabled": True})],
        ],
        bad=[[declared(S3[0], "data")], _s3("Suspended"), _s3("Enabled", of="other")],
        unknown=[_s3(UNKNOWN)],
    ),
    Part(
        (GCS,),
        _gcs_lacks_versions,
        good=[[declared(GCS, "data", versioning={"enabled": True})]],
        bad=[[declared(GCS, "data")], [declared(GCS, "data", versioning={"enabled": False})]],
        unknown=[[declared(GCS, "data", versioning=UNKNOWN)]],
    ),
    Part(
        (ACCOUNT,),
        _account_lacks_versions,
        good=[_blobs(True), _FLOWS],
        bad=[[declared(ACCOUNT, "account")], _blobs(False), _WITH_DATA],
        unknown=[_blobs(UNKNOWN)],
    ),
)
_split = functools.partial(
    split,
    parts=_PARTS,
    why="A job that overwrites its data set, or a script that deletes too much, is undone only from versions.",
    remedy="Turn versioning on: a BucketVersioning with status Enabled, versioning.enabled, isVersioningEnabled.",
)
_PRODUCTION, _OTHERS = platform(is_production=True), platform(is_production=False)

storage_versioned = _split(
    "storage-versioned",
    Severity.MEDIUM,
    title="Storage keeps what was overwritten or deleted",
    concerns=lambda node: not node.graph.is_production,
    here=_OTHERS,
    elsewhere=_PRODUCTION,
)
production_storage_versioned = _split(
    "production-storage-versioned",
    Severity.HIGH,
    title="Production's storage keeps what was overwritten or deleted",
    concerns=lambda node: node.graph.is_production,
    here=_PRODUCTION,
    elsewhere=_OTHERS,
)


@rule(
    "storage-retained",
    Severity.LOW,
    types=S3,
    joins=True,
    title="Old versions and broken uploads go after a time",
    why="Versions that nobody asks for are paid for ever, and hold personal data that should be gone.",
    remedy="Declare a lifecycle that expires old versions and aborts incomplete uploads.",
)
def storage_retained(bucket: Node) -> Iterator[Finding]:
    rules = [item for node in beside_bucket(bucket, LIFECYCLE) for item in records(node, "rules")]
    rules = [item for item in rules if text(item, "status") != "Disabled"] + records(bucket, "lifecycleRules")
    for key in ("noncurrentVersionExpiration", "abortIncompleteMultipartUpload"):
        if not any(item.get(key) or item.get(f"{key}Days") for item in rules):
            yield Finding(at=f"{key} in the bucket's lifecycle")


_CLEARED = {"noncurrentVersionExpiration": {"noncurrentDays": 90}, "abortIncompleteMultipartUpload": {"days": 7}}


def _lifecycle(*rules: Any, of: Any = _DATA) -> list[Resource]:
    return [declared(S3[0], "data"), declared(LIFECYCLE[0], "l", bucket=of, rules=list(rules))]


storage_retained.examples(
    good=[_lifecycle({"status": "Enabled", **_CLEARED}), _lifecycle(*({key: _CLEARED[key]} for key in _CLEARED))],
    bad=[
        [declared(S3[0], "data")],
        _lifecycle({"status": "Disabled", **_CLEARED}),
        _lifecycle({"status": "Enabled", "expiration": {"days": 30}}),
    ],
    unknown=[_lifecycle({"status": UNKNOWN, **_CLEARED}), _lifecycle(UNKNOWN)],
)


@storage_retained.also(GCS)
def _gcs(bucket: Props) -> Iterator[Finding]:
    """Every bucket keeps versions, or may: they go by age since they were replaced, or by their number."""
    rules = records(bucket, "lifecycleRules")
    if not any(text(mapping(item, "action"), "type") == "AbortIncompleteMultipartUpload" for item in rules):
        yield Finding(at="AbortIncompleteMultipartUpload in lifecycleRules")
    if not any(_expires_versions(item) for item in rules):
        yield Finding(at="Delete of old versions in lifecycleRules")


def _expires_versions(item: Props) -> bool:
    condition = mapping(item, "condition")
    keys = ("daysSinceNoncurrentTime", "numNewerVersions", "noncurrentTimeBefore")
    is_of_versions = text(condition, "withState") == "ARCHIVED" or any(condition.get(key) for key in keys)
    return text(mapping(item, "action"), "type") == "Delete" and is_of_versions


_ABORT = {"action": {"type": "AbortIncompleteMultipartUpload"}, "condition": {"age": 7}}
_OLD = {"action": {"type": "Delete"}, "condition": {"daysSinceNoncurrentTime": 90}}

_gcs.examples(
    good=[{"lifecycleRules": [_ABORT, _OLD]}],
    bad=[{}, {"lifecycleRules": [_ABORT]}, {"lifecycleRules": [_ABORT, {**_OLD, "condition": {"age": 3}}]}],
    unknown=[{"lifecycleRules": UNKNOWN}, {"lifecycleRules": [{"action": UNKNOWN}]}],
)


@storage_retained.also(ACCOUNT, joins=True)
def _account(account: Node) -> Finding | None:
    """Azure drops uncommitted blocks by itself after a week."""
    if text(account, "kind") == "FileStorage" or holds_flow_logs_alone(account):
        return None
    rules = [item for node in beside_account(account, MANAGEMENT) for item in records(mapping(node, "policy"), "rules")]
    for item in rules:
        if flag(item, "enabled") is not False and mapping(item, "definition", "actions", "version").get("delete"):
            return None
    return Finding(at="actions.version.delete in the account's ManagementPolicy")


def _managed(actions: Any, is_enabled: Any = True) -> list[Resource]:
    given = {"rules": [{"enabled": is_enabled, "definition": {"actions": actions}}]}
    return [declared(ACCOUNT, "account"), declared(MANAGEMENT, "m", accountName=Ref("account"), policy=given)]


_VERSIONS = {"version": {"delete": {"daysAfterCreationGreaterThan": 90}}}

_account.examples(
    good=[_managed(_VERSIONS), _FLOWS],
    bad=[[declared(ACCOUNT, "account")], _managed({"baseBlob": {}}), _managed(_VERSIONS, False)],
    unknown=[_managed(UNKNOWN), _managed(_VERSIONS, UNKNOWN)],
)
