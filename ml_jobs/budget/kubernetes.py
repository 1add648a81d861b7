"""The actor on a cluster: a CronJob that asks Prometheus what is spent, and holds queues and scalers by the API server.

`python -m ml_jobs.budget.kubernetes`, with these variables: SKYWRIGHT_LIMIT_USD; SKYWRIGHT_STEPS, as `actor.look` takes
them; SKYWRIGHT_PROMETHEUS_URL and SKYWRIGHT_SPEND_QUERY; SKYWRIGHT_QUEUES, {ClusterQueue: "spot" | "on-demand"};
SKYWRIGHT_SERVING_NAMESPACE; SKYWRIGHT_STATE, "namespace/config map".

Whatever is held carries the mark: what somebody else has stopped is left as it is.
"""

from __future__ import annotations

import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ml_jobs.budget import actor

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TIMEOUT_S = 20
MARK = "skywright.dev/held-by"
BUDGET = "budget"
PAUSED = "autoscaling.keda.sh/paused-replicas"
STATE_KEY = "state.json"

Call = Callable[[str, str, Mapping[str, Any] | None], Any]
"""(method, path, merge patch or None) -> the object. Raises urllib's HTTPError."""


class Blind(Exception):
    """Nobody says what is spent: nothing is held and nothing is let go."""


class ClusterHands:
    """Kueue's stopPolicy, KEDA's pause, and the state in a ConfigMap."""

    def __init__(self, call: Call, *, queues: Mapping[str, str], namespace: str, state: str) -> None:
        self._call, self._queues, self._namespace = call, queues, namespace
        home, name = state.split("/", 1)
        self._state = f"/api/v1/namespaces/{home}/configmaps/{name}"
        self._is_blocked = False

    def block_new(self, is_held: bool) -> None:
        """Carried out by `stop_spot`, which comes next: one policy of a queue serves both."""
        self._is_blocked = is_held

    def stop_spot(self, is_held: bool) -> None:
        for name, capacity in self._queues.items():
            policy = "Hold" if self._is_blocked else "None"
            if is_held and capacity == "spot":
                policy = "HoldAndDrain"  # evicted jobs stop at a checkpoint and wait
            self._set_policy(f"/apis/kueue.x-k8s.io/v1beta1/clusterqueues/{name}", policy)

    def scale_to_zero(self, is_held: bool) -> None:
        listed = self._call("GET", f"/apis/keda.sh/v1alpha1/namespaces/{self._namespace}/scaledobjects", None)
        for item in listed["items"]:
            path = f"/apis/keda.sh/v1alpha1/namespaces/{self._namespace}/scaledobjects/{item['metadata']['name']}"
            annotations = item["metadata"].get("annotations") or {}
            is_ours = annotations.get(MARK) == BUDGET
            if is_held and annotations.get(PAUSED) != "0":
                self._call("PATCH", path, {"metadata": {"annotations": {PAUSED: "0", MARK: BUDGET}}})
            elif not is_held and is_ours:
                self._call("PATCH", path, {"metadata": {"annotations": {PAUSED: None, MARK: None}}})

    def load(self) -> Mapping[str, Any] | None:
        text = (self._call("GET", self._state, None).get("data") or {}).get(STATE_KEY)
        state: Mapping[str, Any] | None = json.loads(text) if text else None
        return state

    def save(self, state: Mapping[str, Any]) -> None:
        self._call("PATCH", self._state, {"data": {STATE_KEY: json.dumps(state, sort_keys=True)}})

    def _set_policy(self, path: str, policy: str) -> None:
        queue = self._call("GET", path, None)
        standing = queue["spec"].get("stopPolicy") or "None"
        is_ours = (queue["metadata"].get("annotations") or {}).get(MARK) == BUDGET
        if standing == policy or (standing != "None" and not is_ours):
            return
        mark = None if policy == "None" else BUDGET
        self._call("PATCH", path, {"metadata": {"annotations": {MARK: mark}}, "spec": {"stopPolicy": policy}})


def spent_usd(url: str, query: str, *, fetch: Callable[[str], Any]) -> float:
    """The month's spend as Prometheus has it. Raises Blind where it has none."""
    answer = fetch(f"{url}/api/v1/query?{urllib.parse.urlencode({'query': query})}")
    found = answer.get("data", {}).get("result") or []
    if not found:
        raise Blind(f"{url} has no value of {query}; do OpenCost and the stack's rules run?")
    return float(found[0]["value"][1])


def run(environ: Mapping[str, str], *, call: Call, fetch: Callable[[str], Any], now: float) -> dict[str, Any]:
    """One look; gives back the state that was saved."""
    hands = ClusterHands(
        call,
        queues=json.loads(environ["SKYWRIGHT_QUEUES"]),
        namespace=environ["SKYWRIGHT_SERVING_NAMESPACE"],
        state=environ["SKYWRIGHT_STATE"],
    )
    spent = spent_usd(environ["SKYWRIGHT_PROMETHEUS_URL"], environ["SKYWRIGHT_SPEND_QUERY"], fetch=fetch)
    return actor.look(
        hands,
        spent_usd=spent,
        limit_usd=float(environ["SKYWRIGHT_LIMIT_USD"]),
        steps=json.loads(environ["SKYWRIGHT_STEPS"]),
        now=now,
    )


def fetch_json(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
        return json.load(answer)


def api_server(environ: Mapping[str, str]) -> Call:
    """Calls to the API server as the pod's own account."""
    host, port = environ["KUBERNETES_SERVICE_HOST"], environ["KUBERNETES_SERVICE_PORT"]
    base = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    trust = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))

    def call(method: str, path: str, patch: Mapping[str, Any] | None) -> Any:
        request = urllib.request.Request(
            base + path,
            method=method,
            data=None if patch is None else json.dumps(patch).encode(),
            headers={
                "Authorization": f"Bearer {(ACCOUNT / 'token').read_text()}",
                "Accept": "application/json",
                "Content-Type": "application/merge-patch+json",
            },
        )
        with urllib.request.urlopen(request, timeout=TIMEOUT_S, context=trust) as answer:
            return json.load(answer)

    return call


def main() -> int:
    try:
        state = run(os.environ, call=api_server(os.environ), fetch=fetch_json, now=time.time())
    except (Blind, urllib.error.URLError, TimeoutError) as error:
        sys.stderr.write(f"nothing is changed: {error}\n")
        return 1
    sys.stdout.write(json.dumps(state, sort_keys=True) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
