"""Compute Engine's obtainability of Spot VMs like a pool's. Needs compute.advice.capacity.

Vertex AI's Spot jobs run on the same machines.
https://docs.cloud.google.com/compute/docs/instances/view-vm-availability
"""

from __future__ import annotations

import os
from http import HTTPStatus
from typing import Any

from catalog.errors import UserError
from catalog.instances import candidates
from ml_jobs.contract import Pool, StackContract
from ml_jobs.launch.vertex import ENDPOINT_VARIABLE, SCOPES, TIMEOUT_S
from ml_jobs.launch.vertex_request import parent_of
from ml_jobs.spot.odds import Odds

COMPUTE = "https://compute.googleapis.com"


def tell(stack: StackContract, pool: Pool, nodes: int, *, session: Any = None, base: str = COMPUTE) -> Odds:
    """`session`: what sends requests (of requests' kind); default, as Google's chain of credentials finds."""
    if session is None:
        if os.environ.get(ENDPOINT_VARIABLE):
            return Odds(None, "a rehearsal's stand-in knows no capacity")
        import google.auth
        from google.auth.transport.requests import AuthorizedSession

        session = AuthorizedSession(google.auth.default(scopes=SCOPES)[0])
    project = parent_of(stack).split("/")[1]
    url = f"{base}/compute/v1/projects/{project}/regions/{stack.region}/advice/capacity"
    answer = session.post(url, json=request(pool, nodes, stack.region), timeout=TIMEOUT_S)
    if answer.status_code == HTTPStatus.FORBIDDEN:
        return Odds(None, "Compute Engine tells obtainability only to who has compute.advice.capacity")
    answer.raise_for_status()
    return odds(answer.json(), pool)


def request(pool: Pool, nodes: int, region: str | None) -> dict[str, Any]:
    """The body of advice.capacity. Pure."""
    selection: dict[str, Any] = {"machineTypes": [pool.instance_type]}
    if pool.accelerator and pool.instance_type.startswith("n1-"):  # others have their devices by their name
        selection["guestAccelerators"] = [
            {"acceleratorType": _accelerator(pool, region), "acceleratorCount": pool.count}
        ]
    return {
        "instanceProperties": {"scheduling": {"provisioningModel": "SPOT"}},
        "instanceFlexibilityPolicy": {"instanceSelections": {"pool": selection}},
        "distributionPolicy": {"targetShape": "ANY_SINGLE_ZONE" if nodes > 1 else "ANY"},
        "size": nodes,
    }


def _accelerator(pool: Pool, region: str | None) -> str:
    try:
        found = candidates("gcp", region, runtime="kubernetes", accelerator=pool.accelerator, count=pool.count)
    except UserError:
        found = []
    named = next((each.api_accelerator for each in found if each.name == pool.instance_type), None)
    return named or f"nvidia-tesla-{str(pool.accelerator).lower()}"


def odds(told: dict[str, Any], pool: Pool) -> Odds:
    """What the answer says. Pure."""
    scores = [each.get("scores") or {} for each in told.get("recommendations") or ()]
    chance = next((score["obtainability"] for score in scores if "obtainability" in score), None)
    if chance is None:
        return Odds(None, f"Compute Engine tells no obtainability of {pool.instance_type}")
    return Odds(float(chance), f"Compute Engine's obtainability of {pool.instance_type} is {float(chance):g} of 1")
