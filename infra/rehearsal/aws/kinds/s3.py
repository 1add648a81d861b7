"""Buckets, and what stands at them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address
from typing import Any

from infra.rehearsal.aws.documents import resource
from infra.rehearsal.aws.kinds.kms import KEY
from infra.rehearsal.aws.model import operation
from infra.rehearsal.core.fit import Rule as FitRule
from infra.rehearsal.core.kinds import Autoname, Kind, Ref, Rule, Unique
from infra.rehearsal.core.operations import Calls

BUCKET = "aws:s3/bucket:Bucket"
NAMES = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html"
LIFECYCLE = "https://docs.aws.amazon.com/AmazonS3/latest/API/API_LifecycleRule.html"
ENCRYPTION = "https://docs.aws.amazon.com/AmazonS3/latest/API/API_ServerSideEncryptionByDefault.html"

_RESERVED = (("xn--", "sthree-", "amzn-s3-demo-"), ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"))


def _name(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    name = inputs.get("bucket")
    if name is None:
        return
    is_address = re.fullmatch(r"[\d.]+", name) and _is_address(name)
    if (
        not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", name)
        or ".." in name
        or is_address
        or name.startswith(_RESERVED[0])
        or name.endswith(_RESERVED[1])
    ):
        yield "bucket", f"InvalidBucketName: The specified bucket is not valid: {name}"


def _is_address(text: str) -> bool:
    try:
        return bool(IPv4Address(text))
    except ValueError:
        return False


def _encryption(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    rules = inputs.get("rules", [])
    if len(rules) != 1:
        yield "rules", "MalformedXML: one rule must be given"
    for index, rule in enumerate(rules):
        default = rule.get("applyServerSideEncryptionByDefault") or {}
        if default.get("kmsMasterKeyId") and not str(default.get("sseAlgorithm", "")).startswith("aws:kms"):
            yield (
                f"rules[{index}].applyServerSideEncryptionByDefault.kmsMasterKeyId",
                "InvalidArgument: a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms",
            )


_DAYS = (
    ("expiration", "days"),
    ("noncurrentVersionExpiration", "noncurrentDays"),
    ("abortIncompleteMultipartUpload", "daysAfterInitiation"),
)
_ACTIONS = (*(block for block, _ in _DAYS), "transitions", "noncurrentVersionTransitions")


def _lifecycle(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    rules = inputs.get("rules", [])
    ids = [rule.get("id") for rule in rules]
    if len(rules) > 1000:
        yield "rules", "MalformedXML: at most 1,000 rules"
    for index, rule in enumerate(rules):
        here = f"rules[{index}]"
        if ids.count(rule.get("id")) > 1:
            yield f"{here}.id", f"InvalidArgument: Rule ID must be unique; more than one rule is {rule.get('id')}"
        if len(str(rule.get("id", ""))) > 255:
            yield f"{here}.id", "InvalidArgument: ID length should not exceed allowed limit of 255"
        expiration = rule.get("expiration") or {}
        if len([key for key in ("days", "date", "expiredObjectDeleteMarker") if expiration.get(key)]) > 1:
            yield f"{here}.expiration", "MalformedXML: an expiration has one of Days, Date, ExpiredObjectDeleteMarker"
        for block, key in _DAYS:
            value = (rule.get(block) or {}).get(key)
            if isinstance(value, int) and value < 1:
                yield f"{here}.{block}.{key}", f"InvalidArgument: '{key}' must be a positive integer"
        if not any(rule.get(key) for key in _ACTIONS):
            yield here, "InvalidRequest: At least one action needs to be specified in a rule"


def _side(
    word: str,
    name: str,
    rules: Mapping[str, FitRule],
    *,
    fixed: Mapping[str, Any] | None = None,
    more: tuple[Rule, ...] = (),
    references: Mapping[str, Ref] | None = None,
    defaults: Mapping[str, Any] | None = None,
    local: Mapping[str, str] | None = None,
) -> Kind:
    """What stands at a bucket once, under the bucket's name."""
    return Kind(
        f"aws:s3/{word}:{word[0].upper()}{word[1:]}",
        judge=Calls("botocore s3", operation("s3", name, rules, fixed=fixed), local=local),
        id="{bucket}",
        references={"bucket": Ref(BUCKET, by=("bucket",), holds=True), **(references or {})},
        unique=(Unique(("bucket",), "{bucket} has this already, declared elsewhere", scope="global"),),
        rules=more,
        immutable=frozenset({"bucket", "expectedBucketOwner"}),
        defaults=defaults or {},
        is_replaced_after_delete=True,
    )


def _location(facts: Mapping[str, Any]) -> dict[str, str] | None:
    """Where the bucket lies; only us-east-1 must be left out.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucketConfiguration.html
    """
    return None if facts["region"] == "us-east-1" else {"LocationConstraint": str(facts["region"])}


_BLOCK = "PublicAccessBlockConfiguration"

KINDS: tuple[Kind, ...] = (
    Kind(
        BUCKET,
        judge=Calls(
            "botocore s3",
            operation("s3", "CreateBucket", fixed={"CreateBucketConfiguration": _location}, omits=("tags",)),
            operation(
                "s3", "PutBucketTagging", {"tags": "Tagging.TagSet"}, when="tags", takes=("tags", "bucket")
            ),
        ),
        id="{bucket}",
        outputs={
            "arn": "arn:aws:s3:::{bucket}",
            "bucketDomainName": "{bucket}.s3.amazonaws.com",
            "bucketRegionalDomainName": "{bucket}.s3.{region}.amazonaws.com",
            "bucketRegion": "{region}",
            "hostedZoneId": "Z{upper:13}",
        },
        defaults={"forceDestroy": False, "requestPayer": "BucketOwner", "objectLockEnabled": False},
        unique=(
            Unique(
                ("bucket",),
                "BucketAlreadyExists: The requested bucket name is not available: {bucket}",
                scope="global",
            ),
        ),
        rules=(Rule(NAMES, _name, needs=("bucket",)),),
        immutable=frozenset({"bucket", "bucketPrefix", "objectLockEnabled"}),
        autoname=Autoname("bucket", max_length=63, is_lower=True, prefix_input="bucketPrefix"),
    ),
    _side("bucketVersioning", "PutBucketVersioning", {}),
    _side(
        "bucketServerSideEncryptionConfiguration",
        "PutBucketEncryption",
        {"rules": "ServerSideEncryptionConfiguration.Rules"},
        more=(Rule(ENCRYPTION, _encryption, needs=("rules",)),),
        references={
            "rules.applyServerSideEncryptionByDefault.kmsMasterKeyId": KEY
        },
    ),
    _side(
        "bucketPublicAccessBlock",
        "PutPublicAccessBlock",
        {
            "blockPublicAcls": f"{_BLOCK}.BlockPublicAcls",
            "blockPublicPolicy": f"{_BLOCK}.BlockPublicPolicy",
            "ignorePublicAcls": f"{_BLOCK}.IgnorePublicAcls",
            "restrictPublicBuckets": f"{_BLOCK}.RestrictPublicBuckets",
        },
    ),
    _side("bucketOwnershipControls", "PutBucketOwnershipControls", {"rule": "OwnershipControls.Rules"}),
    _side(
        "bucketPolicy",
        "PutBucketPolicy",
        {},
        more=(resource("policy"),),
    ),
    _side(
        "bucketLifecycleConfiguration",
        "PutBucketLifecycleConfiguration",
        {"rules": "LifecycleConfiguration.Rules"},
        more=(Rule(LIFECYCLE, _lifecycle, needs=("rules",)),),
        defaults={"transitionDefaultMinimumObjectSize": "all_storage_classes_128K"},
    ),
    _side(
        "bucketLogging",
        "PutBucketLogging",
        {
            "targetBucket": "BucketLoggingStatus.LoggingEnabled.TargetBucket",
            "targetPrefix": "BucketLoggingStatus.LoggingEnabled.TargetPrefix",
        },
        references={"targetBucket": Ref(BUCKET, by=("bucket",), holds=True)},
    ),
)  # fmt: skip
