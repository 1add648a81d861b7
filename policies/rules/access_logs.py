"""Who read and wrote what lies in a bucket or an account is on record."""

from __future__ import annotations

import functools
from typing import Any

from policies.examples import Ref, declared
from policies.graph import Node
from policies.resources import UNKNOWN, Resource, UnknownValue
from policies.rule import Finding, Severity
from policies.rules.classification import classified, is_sensitive
from policies.rules.optional import flag, is_given, mapping, records, text
from policies.rules.split import Part, split
from policies.rules.stores import (
    ACCOUNT,
    FLOW_LOG,
    GCS,
    LOGGING,
    S3,
    beside_bucket,
    holds_flow_logs_alone,
    receives_logs,
)

DIAGNOSTICS = "azure-native:monitor:DiagnosticSetting"
ALL = ("alllogs", "audit")


def sends_logs(resource: Node, *categories: str) -> bool:
    """Whether a diagnostic setting of Azure sends the resource's logs: these categories, or all of them.

    Raises UnknownValue where only a setting that can't be judged yet might.
    """
    doubt = None
    for setting in resource.referrers(DIAGNOSTICS, by="resourceUri"):
        try:
            logs = [item for item in records(setting, "logs") if flag(item, "enabled")]
            names = {(text(item, "category") or text(item, "categoryGroup") or "").lower() for item in logs}
        except UnknownValue as error:
            doubt = error
            continue
        if names & set(ALL) or (categories and {name.lower() for name in categories} <= names):
            return True
    if doubt:
        raise doubt
    return False


def _s3_is_unlogged(bucket: Node) -> Finding | None:
    if receives_logs(bucket) or any(is_given(node, "targetBucket") for node in beside_bucket(bucket, LOGGING)):
        return None
    return None if records(bucket, "loggings") else Finding(at="logging of the bucket")


def _gcs_is_unlogged(bucket: Node) -> Finding | None:
    logging = mapping(bucket, "logging")
    return None if receives_logs(bucket) or is_given(logging, "logBucket") else Finding(at=logging.at("logBucket"))


def _account_is_unlogged(account: Node) -> Finding | None:
    if holds_flow_logs_alone(account) or sends_logs(account, "StorageRead", "StorageWrite", "StorageDelete"):
        return None
    return Finding(at="diagnostic setting of the account's blobs")


_DATA = Ref("data")


def _s3(target: Any = "logs", of: Any = _DATA) -> list[Resource]:
    made = [declared(S3[0], "data", bucket="skywright-data")]
    return [*made, declared(LOGGING[0], "l", bucket=of, targetBucket=target)]


_TARGET = [
    declared(S3[0], "data"),
    declared("aws:s3/bucketPolicy:BucketPolicy", "policy", bucket=Ref("data")),
    declared(LOGGING[0], "l", bucket="other", targetBucket=Ref("policy")),
]


def _diagnosed(*logs: Any) -> list[Resource]:
    return [declared(ACCOUNT, "account"), declared(DIAGNOSTICS, "d", resourceUri=Ref("account"), logs=list(logs))]


_EACH = [{"category": f"Storage{what}", "enabled": True} for what in ("Read", "Write", "Delete")]
_NAMED = [declared(S3[0], "logs", bucket="logs"), declared(LOGGING[0], "l", bucket="other", targetBucket="logs")]
_FLOWS = [declared(ACCOUNT, "account"), declared(FLOW_LOG, "flows", storageId=Ref("account"))]


_PARTS = (
    Part(
        S3,
        _s3_is_unlogged,
        good=[_s3(), _s3(UNKNOWN, "skywright-data"), _TARGET, _NAMED],
        bad=[[declared(S3[0], "data")], _s3(of="other"), _s3(None)],
    ),
    Part(
        (GCS,),
        _gcs_is_unlogged,
        good=[
            [declared(GCS, "data", logging={"logBucket": UNKNOWN})],
            [declared(GCS, "logs"), declared(GCS, "data", logging={"logBucket": Ref("logs")})],
        ],
        bad=[[declared(GCS, "data")], [declared(GCS, "data", logging={"logObjectPrefix": "a"})]],
        unknown=[[declared(GCS, "data", logging=UNKNOWN)]],
    ),
    Part(
        (ACCOUNT,),
        _account_is_unlogged,
        good=[_diagnosed({"categoryGroup": "allLogs", "enabled": True}), _diagnosed(*_EACH), _FLOWS],
        bad=[
            [declared(ACCOUNT, "account")],
            _diagnosed(*_EACH[:2]),
            _diagnosed({"categoryGroup": "allLogs", "enabled": False}),
        ],
        unknown=[_diagnosed(UNKNOWN), _diagnosed({"categoryGroup": UNKNOWN, "enabled": True})],
    ),
)
_split = functools.partial(
    split,
    parts=_PARTS,
    why="After a leak the question is who read what; without a record the answer is everything, by anybody.",
    remedy="Send access logs: a BucketLogging, the bucket's logging, a diagnostic setting of the blob service.",
    unsure=declared("skywright:aws:Storage", "storage", tags={"data_classification": UNKNOWN}),
)

storage_access_logged = _split(
    "storage-access-logged",
    Severity.MEDIUM,
    title="Who reads and writes what is stored is on record",
    concerns=lambda node: not is_sensitive(node.graph),
    here=classified("internal"),
    elsewhere=classified("health"),
)
sensitive_data_logged = _split(
    "sensitive-data-logged",
    Severity.HIGH,
    title="Who reads and writes data of people is on record",
    concerns=lambda node: is_sensitive(node.graph),
    here=classified("health"),
    elsewhere=classified("internal"),
)
