"""Compute Engine's quotas from regions.get and projects.get, all others from the Cloud Quotas API.

https://cloud.google.com/compute/docs/reference/rest/v1/regions/get,
https://cloud.google.com/docs/quotas/reference/rest/v1/projects.locations.services.quotaInfos. Needs
compute.regions.get, compute.projects.get and cloudquotas.quotas.get.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from infra.quotas import unread, why
from infra.quotas.deadline import Late, within
from infra.quotas.rest import Rest, Unreadable
from policies.quota import Demand, Limit

COMPUTE, QUOTAS = "https://compute.googleapis.com", "https://cloudquotas.googleapis.com"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
SERVICES = {"compute": "compute.googleapis.com", "vertex-ai": "aiplatform.googleapis.com",
            "gke": "container.googleapis.com"}  # fmt: skip
CREDENTIALS_S = 10
UNLISTED = "Google lists no quota of that name here"
NO_VALUE = "listed without a value, which some of Google's own tools read as 0"
FAMILY_KEYS = ("vm_family", "gpu_family")


@dataclass(frozen=True)
class Session:
    """Who asks, about which project. `compute` and `quotas`: where the two services answer."""

    token: str
    project: str
    compute: str = COMPUTE
    quotas: str = QUOTAS


def limits(
    region: str, demands: Iterable[Demand], *, session: Session | None = None, account: str | None = None
) -> dict[str, Limit]:
    """`session`: default the environment's own credentials. `account`: a project id, default the credentials'.

    A demand whose quota has no known name can't be looked up, and isn't in the answer.
    """
    wanted = [demand for demand in demands if demand.cloud == "gcp" and demand.code]
    try:
        session = session or within(CREDENTIALS_S, lambda: _session(account))
    except ImportError:
        return unread(wanted, "not read: google-auth isn't installed (extra gcp)")
    except Late:
        return unread(wanted, f"not read: no credentials within {CREDENTIALS_S} s")
    except Exception as error:  # google.auth's own errors have no common base that covers transport
        return unread(wanted, why(error))
    found: dict[str, Limit] = {}
    with Rest(session.token) as rest:
        for service in dict.fromkeys(demand.service for demand in wanted):
            of_service = [demand for demand in wanted if demand.service == service]
            try:
                if service == "compute":
                    found |= _of_compute(rest, session, region, of_service)
                missing = [demand for demand in of_service if demand.key not in found]
                if missing:
                    found |= _of_quotas(rest, session, region, service, missing)
            except Unreadable as error:
                found |= unread([each for each in of_service if each.key not in found], why(error))
    return found


def _session(account: str | None) -> Session:
    import google.auth
    import google.auth.transport.requests

    if token := os.environ.get("GOOGLE_OAUTH_ACCESS_TOKEN"):
        project = account or os.environ.get("GOOGLE_PROJECT") or os.environ.get("GOOGLE_CLOUD_PROJECT")
    else:
        credentials, own = google.auth.default(scopes=[SCOPE])
        credentials.refresh(google.auth.transport.requests.Request())
        token, project = credentials.token, account or own
    if not project:
        raise LookupError("the credentials name no project")
    return Session(str(token), str(project))


def _of_compute(rest: Rest, session: Session, region: str, demands: list[Demand]) -> dict[str, Limit]:
    """The answer may come without quotas or with some of them: what isn't there is unknown, not 0."""
    home = f"{session.compute}/compute/v1/projects/{session.project}"
    found: dict[str, Limit] = {}
    for url, is_global in ((f"{home}/regions/{region}", False), (home, True)):
        asked = [
            demand for demand in demands if not demand.dimension and (demand.scope == "project-global") == is_global
        ]
        if not asked:
            continue
        held = {item.get("metric"): item for item in rest.get(url).get("quotas") or () if isinstance(item, dict)}
        for demand in asked:
            if (item := held.get(demand.code)) and isinstance(item.get("limit"), int | float):
                found[demand.key] = _limit(float(item["limit"]), used=_number(item.get("usage")))
    return found


def _of_quotas(rest: Rest, session: Session, region: str, service: str, demands: list[Demand]) -> dict[str, Limit]:
    infos: dict[str, list[dict[str, Any]]] = {}
    url = f"{session.quotas}/v1/projects/{session.project}/locations/global/services/{SERVICES[service]}/quotaInfos"
    for page in rest.pages(url, {"pageSize": "500"}, token="pageToken"):
        for info in page.get("quotaInfos") or ():
            for name in _names(info):
                infos.setdefault(name, []).append(info)
    return {
        demand.key: next(
            (limit for info in infos.get(_plain(demand.code), ()) if (limit := _value(info, region, demand.dimension))),
            Limit(None, UNLISTED),
        )
        for demand in demands
    }


def _names(info: Mapping[str, Any]) -> set[str]:
    """By its id, and by its metric without the service."""
    return {_plain(str(info.get("quotaId", ""))), _plain(str(info.get("metric", "")).rpartition("/")[2])} - {""}


def _value(info: Mapping[str, Any], region: str, family: str) -> Limit | None:
    """The most particular of the values that hold in the region, for that family. None where there is none."""
    best: tuple[int, Mapping[str, Any]] | None = None
    for item in info.get("dimensionsInfos") or ():
        dimensions: Mapping[str, str] = item.get("dimensions") or {}
        places = item.get("applicableLocations") or ()
        if places and region not in places and "global" not in places:
            continue
        if dimensions.get("region", region) != region:
            continue
        families = [dimensions[key] for key in FAMILY_KEYS if key in dimensions]
        if families and family not in families:
            continue
        if set(dimensions) - {"region", *FAMILY_KEYS}:
            continue  # of a zone, a user, ...: not what is asked for
        if best is None or len(dimensions) > best[0]:
            best = (len(dimensions), item)
    if best is None:
        return None
    try:
        return _limit(float((best[1].get("details") or {})["value"]))
    except (KeyError, TypeError, ValueError):
        return Limit(None, NO_VALUE)


def _limit(value: float, *, used: float | None = None) -> Limit:
    return Limit(None, used=used, is_unlimited=True) if value < 0 else Limit(value, used=used)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")
