"""Azure's placement score of Spot VMs like a pool's. Needs the role Compute Recommendations Role on the subscription.

Low-priority machines of Azure ML are spare capacity of the same sizes. The stack grants that role to nobody: it acts
within its resource group, and the question is about a subscription.
https://learn.microsoft.com/powershell/module/az.compute/invoke-azspotplacementscore
"""

from __future__ import annotations

import os
from typing import Any

from ml_jobs.contract import Pool, StackContract
from ml_jobs.launch.azureml import ENDPOINT_VARIABLE, TIMEOUT_S
from ml_jobs.launch.azureml_request import workspace_of
from ml_jobs.spot.odds import EVEN, LIKELY, UNLIKELY, Odds

ARM = "https://management.azure.com"
VERSION = "2025-06-05"
WORDS = {"High": LIKELY, "Medium": EVEN, "Low": UNLIKELY}


def tell(stack: StackContract, pool: Pool, nodes: int, *, client: Any = None, base: str = ARM) -> Odds:
    """`client`: httpx's; default, one as Azure's chain of credentials finds."""
    import httpx

    headers = {}
    if client is None:
        if os.environ.get(ENDPOINT_VARIABLE):
            return Odds(None, "a rehearsal's stand-in knows no capacity")
        from azure.identity import DefaultAzureCredential

        headers["Authorization"] = f"Bearer {DefaultAzureCredential().get_token(f'{ARM}/.default').token}"
        client = httpx.Client(timeout=TIMEOUT_S)
    subscription = workspace_of(stack).subscription
    where = f"/subscriptions/{subscription}/providers/Microsoft.Compute/locations/{stack.region}"
    answer = client.post(
        f"{base}{where}/placementScores/spot/generate",
        params={"api-version": VERSION},
        json=request(pool, nodes, str(stack.region)),
        headers=headers,
    )
    if answer.status_code == httpx.codes.FORBIDDEN:
        return Odds(None, "Azure tells its placement scores only to who has Compute Recommendations Role")
    answer.raise_for_status()
    return odds(answer.json(), pool)


def request(pool: Pool, nodes: int, region: str) -> dict[str, Any]:
    """The body. Pure."""
    return {
        "desiredLocations": [region],
        "desiredSizes": [{"sku": pool.instance_type}],
        "desiredCount": nodes,
        "availabilityZones": False,
    }


def odds(told: dict[str, Any], pool: Pool) -> Odds:
    """What the answer says. Pure."""
    found: dict[str, Any] = next(iter(told.get("placementScores") or ()), {})
    score = str(found.get("score", "not told"))
    if score in WORDS and found.get("isQuotaAvailable") is False:
        return Odds(0.0, f"the quota leaves no spot of {pool.instance_type}")
    return Odds(WORDS.get(score), f"Azure's placement score of {pool.instance_type} is {score}")
