"""Service Quotas: applied values, and AWS's own defaults where an account has no value applied.

https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_GetServiceQuota.html. Needs
servicequotas:ListServiceQuotas, GetServiceQuota, ListAWSDefaultServiceQuotas and GetAWSDefaultServiceQuota.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from infra.quotas import unread, why
from infra.quotas.deadline import Late, within
from policies.quota import Demand, Limit

NOT_THERE = frozenset({"budgets"})
"""Services whose quotas Service Quotas doesn't hold."""

ASKED_BY_CODE = frozenset({"sagemaker"})
"""Services with thousands of quotas: known codes are asked one by one."""

CONNECT_S, READ_S, CREDENTIALS_S = 4, 8, 8
UNSET = "AWS's default for the region, no value applied"
UNLISTED = "Service Quotas lists no quota of that name here"


def limits(
    region: str, demands: Iterable[Demand], *, session: Any = None, account: str | None = None, url: str | None = None
) -> dict[str, Limit]:
    """`session`: a boto3 session, default the environment's. `url`: another endpoint than the region's."""
    wanted = [demand for demand in demands if demand.cloud == "aws"]
    try:
        client = _client(region, session, url)
    except ImportError:
        return unread(wanted, "not read: boto3 isn't installed (extra aws)")
    except Late:
        return unread(wanted, f"not read: no credentials within {CREDENTIALS_S} s")
    except LookupError as error:
        return unread(wanted, why(error))
    found: dict[str, Limit] = {}
    for service in dict.fromkeys(demand.service for demand in wanted):
        of_service = [demand for demand in wanted if demand.service == service]
        if service in NOT_THERE:
            found |= unread(of_service, f"Service Quotas doesn't hold {service}")
        else:
            found |= _of_service(client, service, of_service)
    return found


def _client(region: str, session: Any, url: str | None) -> Any:
    import boto3
    from botocore.config import Config

    session = session or boto3.Session()
    if within(CREDENTIALS_S, session.get_credentials) is None:
        raise LookupError("no credentials for aws")
    short = Config(
        connect_timeout=CONNECT_S, read_timeout=READ_S, retries={"total_max_attempts": 3, "mode": "standard"}
    )
    return session.client("service-quotas", region_name=region, endpoint_url=url, config=short)


def _of_service(client: Any, service: str, demands: list[Demand]) -> dict[str, Limit]:
    """What went wrong once would go wrong again: the rest of the service is then left with the same note."""
    from botocore.exceptions import BotoCoreError, ClientError

    found: dict[str, Limit] = {}
    try:
        if service in ASKED_BY_CODE:
            for demand in demands:
                if demand.code and (one := _one(client, service, demand.code)):
                    found[demand.key] = one
        missing = [demand for demand in demands if demand.key not in found]
        if missing:
            found |= _listed(client, service, missing)
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        found |= unread([each for each in demands if each.key not in found], f"not read: {service}: {code}")
    except BotoCoreError as error:
        found |= unread([each for each in demands if each.key not in found], why(error))
    return found


def _one(client: Any, service: str, code: str) -> Limit | None:
    """None where Service Quotas knows no such quota in the region."""
    absent = client.exceptions.NoSuchResourceException
    for ask, note in ((client.get_service_quota, ""), (client.get_aws_default_service_quota, UNSET)):
        try:
            return Limit(float(ask(ServiceCode=service, QuotaCode=code)["Quota"]["Value"]), note)
        except absent:
            continue
    return None


def _listed(client: Any, service: str, demands: list[Demand]) -> dict[str, Limit]:
    """By code, else by the exact name: applied values first, then defaults for what those don't hold."""
    found: dict[str, Limit] = {}
    for operation, note in (("list_service_quotas", ""), ("list_aws_default_service_quotas", UNSET)):
        missing = [demand for demand in demands if demand.key not in found]
        if not missing:
            break
        by_code, by_name = {}, {}
        for quota in _quotas(client, operation, service):
            by_code[quota["QuotaCode"]], by_name[quota["QuotaName"]] = quota["Value"], quota["Value"]
        for demand in missing:
            value = by_code.get(demand.code, by_name.get(demand.name))
            if value is not None:
                found[demand.key] = Limit(float(value), note)
    return {demand.key: found.get(demand.key, Limit(None, UNLISTED)) for demand in demands}


def _quotas(client: Any, operation: str, service: str) -> Iterator[Any]:
    for page in client.get_paginator(operation).paginate(ServiceCode=service, PaginationConfig={"PageSize": 100}):
        yield from page["Quotas"]
