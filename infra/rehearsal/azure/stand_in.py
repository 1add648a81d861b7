"""What makes the shared core a stand-in for pulumi-azure-native."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from infra.rehearsal.azure.invokes import INVOKES
from infra.rehearsal.core.account import Account
from infra.rehearsal.core.cloud import Cloud, Config, Messages
from infra.rehearsal.core.provider import StandIn

SUBSCRIPTION = "00000000-0000-4000-8000-123456789012"
TENANT = "00000000-0000-4000-8000-210987654321"


def place(config: Config, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """`scope`: the resource group, in which names are unique."""
    location = inputs.get("location") or config.get("location") or "westeurope"
    return {
        "region": location,
        "location": location,
        "subscription": config.get("subscriptionId") or SUBSCRIPTION,
        "tenant": config.get("tenantId") or TENANT,
        "account": config.get("subscriptionId") or SUBSCRIPTION,
        "scope": str(inputs.get("resourceGroupName") or ""),
    }


def added(inputs: Mapping[str, Any], config: Config) -> Mapping[str, Any]:
    return {"azureApiVersion": "2025-01-01"}


def check_config(config: Config) -> Iterable[tuple[str, str]]:
    return ()


CLOUD = Cloud(
    package="azure-native",
    sdk="pulumi_azure_native",
    kinds="infra.rehearsal.azure.kinds",
    place=place,
    messages=Messages(
        missing="ResourceNotFound: The {what} '{value}' was not found",
        in_use="InUseCannotBeDeleted: {what} {id} is in use and can't be deleted",
        quota="QuotaExceeded: Operation results in exceeding the approved quota of {what} in {region}",
        throttled="TooManyRequests: The number of requests for subscription '{account}' exceeded the limit",
        gone="ResourceNotFound: The resource '{id}' was not found",
    ),
    invokes=INVOKES,
    added=added,
    check_config=check_config,
)


def make(account: Account, *, is_strict: bool) -> StandIn:
    return StandIn(CLOUD, account, is_strict=is_strict)


def version() -> str:
    return CLOUD.own_sdk().version
