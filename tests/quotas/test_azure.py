"""Azure's usages from a service on this machine, in the form of the REST reference."""

from __future__ import annotations

from typing import Any

import pytest

from infra.quotas import azure
from infra.quotas.azure import UNLISTED, Session, spelled
from policies.quota import Demand, Limit
from policies.quota.model import of_quota
from tests.quotas.loopback import Service

REGION = "westeurope"
T4 = of_quota("azure", "machine-learning", "standard NCASv3_T4 Family", 8, "pool")
TOTAL = of_quota("azure", "machine-learning", "Total Cluster Dedicated Regional vCPUs", 8, "pool")
SPOT = of_quota("azure", "compute", "Total Regional Low-priority vCPUs", 8, "pool")
DDS = of_quota("azure", "compute", "standardDDSv5Family", 8, "pool")
CLUSTERS = of_quota("azure", "aks", "AKS managed clusters", 1, "aks")


def path(provider: str) -> str:
    return f"/subscriptions/s/providers/Microsoft.{provider}/locations/{REGION}/usages"


def usage(name: str, limit: Any, used: Any = 0, localized: str = "") -> dict[str, Any]:
    return {"name": {"value": name, "localizedValue": localized or name}, "limit": limit, "currentValue": used}


def read(service: Service, *demands: Demand) -> dict[str, Limit]:
    return azure.limits(REGION, demands, session=Session("t0ken", "s", service.url))


def test_limits_come_by_whatever_spelling_over_all_pages(service: Service) -> None:
    service.answers = {
        path("Compute"): (200, {"value": [usage("lowPriorityCores", 100, 4)], "nextLink": f"{service.url}/more"}),
        "/more": (200, {"value": [usage("standardDDSv5Family", 350)]}),
        path("MachineLearningServices"): (200, {"value": [
            usage("StandardNCASv3T4Family", 24), usage("x", 48, 8, "Total Cluster Dedicated Regional vCPUs")]}),
    }  # fmt: skip
    assert read(service, SPOT, DDS, T4, TOTAL, CLUSTERS) == {
        SPOT.key: Limit(100, used=4),
        DDS.key: Limit(350, used=0),
        T4.key: Limit(24, used=0),
        TOTAL.key: Limit(48, used=8),
        CLUSTERS.key: Limit(None, "Azure has no usages to read for aks"),
    }
    assert all(query["api-version"] for asked, query, _ in service.asked if asked != "/more")


@pytest.mark.parametrize("limit", [None, "8", True])
def test_a_value_that_is_no_number_is_unknown(service: Service, limit: Any) -> None:
    service.answers[path("Compute")] = (200, {"value": [usage("lowPriorityCores", limit), "odd", {"name": 3}]})
    assert read(service, SPOT)[SPOT.key] == Limit(None, UNLISTED)


def test_a_denied_provider_is_one_line_and_leaves_the_other(service: Service) -> None:
    service.answers = {
        path("Compute"): (403, {"error": {"message": "AuthorizationFailed: no access"}}),
        path("MachineLearningServices"): (200, {"value": [usage(T4.code, 24)]}),
    }
    found = read(service, SPOT, T4)
    assert found[T4.key].value == 24
    assert "answered 403: AuthorizationFailed" in found[SPOT.key].note and "t0ken" not in found[SPOT.key].note


def test_our_token_goes_to_no_other_host(service: Service) -> None:
    service.answers[path("Compute")] = (200, {"value": [], "nextLink": "https://elsewhere.example/usages"})
    assert "points to another host" in read(service, SPOT)[SPOT.key].note
    assert len(service.asked) == 1


def test_families_are_the_same_in_every_spelling() -> None:
    assert spelled("Standard NCASv3_T4 Family") == spelled("standardNCASv3-T4family")
