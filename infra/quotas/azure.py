"""The usages of Azure's resource providers, which hold both limits and what is used.

https://learn.microsoft.com/rest/api/compute/usage/list and its siblings. Needs Reader on the subscription.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from infra.quotas import unread, why
from infra.quotas.deadline import Late, within
from infra.quotas.rest import Rest, Unreadable
from policies.quota import Demand, Limit

ARM = "https://management.azure.com"
PROVIDERS = {
    "compute": ("Microsoft.Compute", "2024-07-01"),
    "machine-learning": ("Microsoft.MachineLearningServices", "2024-04-01"),
    "network": ("Microsoft.Network", "2024-05-01"),
    "storage": ("Microsoft.Storage", "2023-05-01"),
}
CREDENTIALS_S = 15
UNLISTED = "Azure's usages list no quota of that name here"
NO_USAGES = "Azure has no usages to read for {service}"


@dataclass(frozen=True)
class Session:
    """Who asks, about which subscription, where."""

    token: str
    subscription: str
    url: str = ARM


def limits(
    region: str, demands: Iterable[Demand], *, session: Session | None = None, account: str | None = None
) -> dict[str, Limit]:
    """`session`: default the environment's own credentials. `account`: a subscription id, default the credentials'."""
    wanted = [demand for demand in demands if demand.cloud == "azure"]
    try:
        session = session or within(CREDENTIALS_S, lambda: _session(account))
    except ImportError:
        return unread(wanted, "not read: azure-identity isn't installed (extra azure)")
    except Late:
        return unread(wanted, f"not read: no credentials within {CREDENTIALS_S} s")
    except Exception as error:  # azure.core's errors, or a subscription that isn't named
        return unread(wanted, why(error))
    found: dict[str, Limit] = {}
    with Rest(session.token) as rest:
        for service in dict.fromkeys(demand.service for demand in wanted):
            of_service = [demand for demand in wanted if demand.service == service]
            if service not in PROVIDERS:
                found |= unread(of_service, NO_USAGES.format(service=service))
                continue
            try:
                found |= _of_service(rest, session, region, service, of_service)
            except Unreadable as error:
                found |= unread(of_service, why(error))
    return found


def _session(account: str | None) -> Session:
    from azure.identity import ClientSecretCredential, DefaultAzureCredential

    tenant, client, secret = (os.environ.get(f"ARM_{name}") for name in ("TENANT_ID", "CLIENT_ID", "CLIENT_SECRET"))
    own = (
        ClientSecretCredential(tenant, client, secret)
        if tenant and client and secret
        else DefaultAzureCredential(exclude_interactive_browser_credential=True, process_timeout=CREDENTIALS_S)
    )
    subscription = account or os.environ.get("ARM_SUBSCRIPTION_ID") or os.environ.get("AZURE_SUBSCRIPTION_ID")
    with own:
        token = own.get_token(f"{ARM}/.default").token
    if not subscription:
        with Rest(token) as rest:
            subscription = _only(rest.get(f"{ARM}/subscriptions", {"api-version": "2022-12-01"}).get("value") or [])
    return Session(token, subscription)


def _only(subscriptions: list[dict[str, Any]]) -> str:
    if len(subscriptions) != 1:
        raise LookupError(f"the credentials see {len(subscriptions)} subscriptions: set ARM_SUBSCRIPTION_ID")
    return str(subscriptions[0]["subscriptionId"])


def _of_service(rest: Rest, session: Session, region: str, service: str, demands: list[Demand]) -> dict[str, Limit]:
    provider, version = PROVIDERS[service]
    url = f"{session.url}/subscriptions/{session.subscription}/providers/{provider}/locations/{region}/usages"
    usages: dict[str, dict[str, Any]] = {}
    for page in rest.pages(url, {"api-version": version}):
        for usage in page.get("value") or ():
            names = usage.get("name") if isinstance(usage, dict) else None
            for name in (names.get("value"), names.get("localizedValue")) if isinstance(names, dict) else ():
                if name:
                    usages.setdefault(spelled(str(name)), usage)
    return {demand.key: _limit(usages, demand) for demand in demands}


def _limit(usages: dict[str, dict[str, Any]], demand: Demand) -> Limit:
    usage = next((found for name in (demand.code, demand.name) if name and (found := usages.get(spelled(name)))), None)
    limit = usage.get("limit") if usage else None
    if usage is None or isinstance(limit, bool) or not isinstance(limit, int | float):
        return Limit(None, UNLISTED)
    used = usage.get("currentValue")
    counted = float(used) if isinstance(used, int | float) and not isinstance(used, bool) else None
    return Limit(None, used=counted, is_unlimited=True) if limit < 0 else Limit(float(limit), used=counted)


def spelled(name: str) -> str:
    """The same family is written in three ways: without case, spaces, underscores and hyphens they are one."""
    return "".join(letter for letter in name.lower() if letter not in " _-")
