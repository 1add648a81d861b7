"""What makes the shared core a stand-in for pulumi-aws."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from infra.rehearsal.aws.invokes import INVOKES
from infra.rehearsal.core.account import Account
from infra.rehearsal.core.cloud import Cloud, Config, Messages
from infra.rehearsal.core.provider import StandIn

ACCOUNT_ID = "123456789012"

GLOBAL = frozenset({"iam", "route53", "cloudfront", "budgets", "costexplorer", "organizations"})
"""Modules whose names an account has once, whatever the region."""


def place(config: Config, inputs: Mapping[str, Any]) -> dict[str, Any]:
    region = inputs.get("region") or config.get("region") or "us-east-1"
    allowed = _parsed(config.get("allowedAccountIds")) or [ACCOUNT_ID]
    return {"region": region, "account": allowed[0], "partition": "aws", "suffix": "amazonaws.com"}


def added(inputs: Mapping[str, Any], config: Config) -> Mapping[str, Any]:
    default = _parsed(config.get("defaultTags")) or {}
    tags = {**(default.get("tags") or {}), **(inputs.get("tags") or {})}
    region = inputs.get("region") or config.get("region") or "us-east-1"
    return {"tagsAll": tags, "region": region}


def _parsed(value: Any) -> Any:
    """Whatever is no text in a provider's configuration comes as JSON."""
    return json.loads(value) if isinstance(value, str) else value


def check_config(config: Config) -> Iterable[tuple[str, str]]:
    region = config.get("region")
    if isinstance(region, str) and not re.fullmatch(r"[a-z]{2,3}(-[a-z]+)+-\d", region):
        yield "region", f"Invalid AWS Region: {region}"


CLOUD = Cloud(
    package="aws",
    sdk="pulumi_aws",
    kinds="infra.rehearsal.aws.kinds",
    place=place,
    messages=Messages(
        missing="ResourceNotFoundException: {what} {value} does not exist",
        in_use="DependencyViolation: {what} {id} has dependencies and cannot be deleted",
        quota="LimitExceededException: The maximum number of {what} in {region} for account {account} is reached",
        throttled="ThrottlingException: Rate exceeded",
        gone="ResourceNotFoundException: {what} {id} does not exist",
    ),
    invokes=INVOKES,
    reasons={
        "region": "chooses the region's endpoint that the request is sent to",
        "forceDestroy": "the provider's own: whether it empties the thing before it deletes it",
        "skipDestroy": "the provider's own: whether it leaves the thing when the resource goes",
    },
    added=added,
    check_config=check_config,
)


def make(account: Account, *, is_strict: bool) -> StandIn:
    return StandIn(CLOUD, account, is_strict=is_strict)


def version() -> str:
    return CLOUD.own_sdk().version
