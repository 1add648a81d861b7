"""What makes the shared core a stand-in for pulumi-gcp."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.rehearsal.core.account import Account
from infra.rehearsal.core.cloud import Cloud, Config, Messages
from infra.rehearsal.core.provider import StandIn
from infra.rehearsal.gcp.invokes import INVOKES

PROJECT, NUMBER = "rehearsal-project", "123456789012"


def place(config: Config, inputs: Mapping[str, Any]) -> dict[str, Any]:
    region = inputs.get("region") or inputs.get("location") or config.get("region") or "us-central1"
    project = inputs.get("project") or config.get("project") or PROJECT
    return {"region": region, "location": region, "project": project, "account": project, "number": NUMBER}


def added(inputs: Mapping[str, Any], config: Config) -> Mapping[str, Any]:
    labels = inputs.get("labels") or {}
    return {
        "project": inputs.get("project") or config.get("project") or PROJECT,
        "effectiveLabels": labels,
        "pulumiLabels": labels,
    }


CLOUD = Cloud(
    package="gcp",
    sdk="pulumi_gcp",
    kinds="infra.rehearsal.gcp.kinds",
    place=place,
    messages=Messages(
        missing="googleapi: Error 404: {what} '{value}' was not found, notFound",
        in_use="googleapi: Error 400: The resource '{id}' is already being used, resourceInUseByAnotherResource",
        quota="googleapi: Error 403: Quota for {what} exceeded in region {region} of {account}, quotaExceeded",
        throttled="googleapi: Error 429: Quota exceeded for quota metric 'Requests', rateLimitExceeded",
        gone="googleapi: Error 404: {what} '{id}' was not found, notFound",
    ),
    invokes=INVOKES,
    reasons={
        "project": "stands in the call's path",
        "region": "stands in the call's path, and chooses where it is sent",
        "location": "stands in the call's path, and chooses where it is sent",
        "forceDestroy": "the provider's own: whether it empties the thing before it deletes it",
        "deletionPolicy": "the provider's own: whether it deletes the thing when the resource goes",
    },
    added=added,
)


def make(account: Account, *, is_strict: bool) -> StandIn:
    return StandIn(CLOUD, account, is_strict=is_strict)


def version() -> str:
    return CLOUD.own_sdk().version
