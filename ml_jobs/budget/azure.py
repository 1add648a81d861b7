"""The actor on Azure: a Container Apps job that looks every half hour, as its own managed identity.

Variables: SKYWRIGHT_LIMIT_USD; SKYWRIGHT_STEPS, as `actor.look` takes them; SKYWRIGHT_BUDGET, SKYWRIGHT_WORKSPACE: ids
of the budget and of the Azure ML workspace; SKYWRIGHT_COMPUTES, {name: {"max", "is_spot"}} as declared;
SKYWRIGHT_DEPLOYMENTS, ids; SKYWRIGHT_AUTOSCALES, ids; SKYWRIGHT_REPLICAS, {"min", "max"} as declared;
SKYWRIGHT_STATE_URL, https URL of the blob; AZURE_CLIENT_ID, IDENTITY_ENDPOINT and IDENTITY_HEADER, as Container Apps
sets the last two.
"""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

from ml_jobs.budget import actor

ARM = "https://management.azure.com"
STORAGE = "https://storage.azure.com"
ML_API, MONITOR_API, BUDGET_API = "2024-10-01", "2022-10-01", "2023-11-01"
TIMEOUT_S = 60
RUNNING = ("runningNodeCount", "preparingNodeCount")
SPEND_LOG = "skywright_spend_ratio"

Call = Callable[[str, str, Any], Any]
"""(method, URL, JSON or None) -> JSON. Raises urllib's HTTPError."""


class AzureHands:
    """Compute clusters, deployments, and the state in the artifact store."""

    def __init__(self, call: Call, environ: Mapping[str, str]) -> None:
        self._call = call
        self._workspace = environ["SKYWRIGHT_WORKSPACE"]
        self._computes: dict[str, dict[str, Any]] = json.loads(environ["SKYWRIGHT_COMPUTES"])
        self._deployments: list[str] = json.loads(environ["SKYWRIGHT_DEPLOYMENTS"])
        self._autoscales: list[str] = json.loads(environ["SKYWRIGHT_AUTOSCALES"])
        self._replicas = json.loads(environ["SKYWRIGHT_REPLICAS"])
        self._state = environ["SKYWRIGHT_STATE_URL"]
        self._is_blocked = False

    def block_new(self, is_held: bool) -> None:
        """Clusters get no node beyond those that run: carried out with the next effect, which bounds the same ones."""
        self._is_blocked = is_held

    def stop_spot(self, is_held: bool) -> None:
        """Low-priority clusters fall to zero: their jobs get the notice of a preemption, and wait."""
        for name, declared in self._computes.items():
            url = f"{ARM}{self._workspace}/computes/{name}?api-version={ML_API}"
            found = self._call("GET", url, None)["properties"]["properties"]
            most = self._most(declared, found.get("nodeStateCounts") or {}, is_held)
            scale = found["scaleSettings"]
            if scale["maxNodeCount"] != most:
                wanted = {**scale, "maxNodeCount": most, "minNodeCount": 0}
                self._call("PATCH", url, {"properties": {"properties": {"scaleSettings": wanted}}})

    def _most(self, declared: Mapping[str, Any], nodes: Mapping[str, int], is_spot_stopped: bool) -> int:
        if is_spot_stopped and declared["is_spot"]:
            return 0
        most = int(declared["max"])
        return min(most, sum(int(nodes.get(state, 0)) for state in RUNNING)) if self._is_blocked else most

    def scale_to_zero(self, is_held: bool) -> None:
        """One instance of each deployment is the least that Azure ML keeps; autoscaling rests meanwhile."""
        for setting in self._autoscales:
            url = f"{ARM}{setting}?api-version={MONITOR_API}"
            if bool(self._call("GET", url, None)["properties"]["enabled"]) == is_held:
                self._call("PATCH", url, {"properties": {"enabled": not is_held}})
        for deployment in self._deployments:
            url = f"{ARM}{deployment}?api-version={ML_API}"
            count = int(self._call("GET", url, None)["sku"]["capacity"])
            least = int(self._replicas["min"])
            if (is_held and count > 1) or (not is_held and count < least):
                self._call("PATCH", url, {"sku": {"name": "Default", "capacity": 1 if is_held else least}})

    def load(self) -> Mapping[str, Any] | None:
        try:
            state: Mapping[str, Any] = self._call("GET", self._state, None)
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            return None
        return state

    def save(self, state: Mapping[str, Any]) -> None:
        self._call("PUT", self._state, state)


def spent(call: Call, budget: str) -> float:
    """What the month has cost so far, as Azure tells: some hours late."""
    found = call("GET", f"{ARM}{budget}?api-version={BUDGET_API}", None)
    return float((found["properties"].get("currentSpend") or {}).get("amount", 0))


def run(call: Call, environ: Mapping[str, str], now: float) -> dict[str, Any]:
    limit = float(environ["SKYWRIGHT_LIMIT_USD"])
    return actor.look(
        AzureHands(call, environ),
        spent_usd=spent(call, environ["SKYWRIGHT_BUDGET"]),
        limit_usd=limit,
        steps=json.loads(environ["SKYWRIGHT_STEPS"]),
        now=now,
    )


def caller(environ: Mapping[str, str]) -> Call:
    """Calls as the job's managed identity.

    https://learn.microsoft.com/azure/container-apps/managed-identity#rest-endpoint-reference
    """
    tokens: dict[str, str] = {}

    def token(resource: str) -> str:
        if resource not in tokens:
            query = urllib.parse.urlencode(
                {"resource": resource, "api-version": "2019-08-01", "client_id": environ["AZURE_CLIENT_ID"]}
            )
            asked = urllib.request.Request(
                f"{environ['IDENTITY_ENDPOINT']}?{query}", headers={"X-IDENTITY-HEADER": environ["IDENTITY_HEADER"]}
            )
            with urllib.request.urlopen(asked, timeout=TIMEOUT_S) as answer:
                tokens[resource] = json.load(answer)["access_token"]
        return tokens[resource]

    def call(method: str, url: str, body: Any) -> Any:
        is_blob = not url.startswith(ARM)
        headers = {
            "Authorization": f"Bearer {token(STORAGE if is_blob else ARM)}",
            "Content-Type": "application/json",
            **({"x-ms-version": "2023-11-03", "x-ms-blob-type": "BlockBlob"} if is_blob else {}),
        }
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(url, data=data, headers=headers, method=method)
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            text = answer.read()
        return json.loads(text) if text else {}

    return call


def main() -> None:
    state = run(caller(os.environ), os.environ, time.time())
    # The alert on spend reads this line out of the job's log.
    print(f"{SPEND_LOG} {state['spent_usd'] / state['limit_usd']:.6f}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
