"""What became of the last pods on a pool's spot nodes, of all runs that whoever asks may see.

Nothing is started: a pod that got its node lately says that there is spot, one that waits for a node that there isn't.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from ml_jobs.contract import Pool, StackContract
from ml_jobs.launch.kubernetes_api import PODS, connect
from ml_jobs.launch.kubernetes_request import where
from ml_jobs.spot.odds import LIKELY, UNLIKELY, Odds

LATELY_S = 900.0
"""How long ago a pod may have got its node."""
PATIENCE_S = 600.0
"""How long a pod may wait until it says that there is no node: making one takes minutes."""
LABELS = "skywright.dev/stack={stack},skywright.dev/role=training,skywright.dev/capacity=spot"


def tell(stack: StackContract, pool: Pool, nodes: int, *, cluster: Any = None) -> Odds:
    """`cluster`: default, the one that the kubeconfig names."""
    cluster = cluster or connect()
    pods: list[Mapping[str, Any]] = []
    for namespace in sorted({where(queue)[0] for queue in stack.queues}):
        pods += cluster.list(PODS, namespace, LABELS.format(stack=stack.stack))
    return odds(pods, pool, time.time())


def odds(pods: Iterable[Mapping[str, Any]], pool: Pool, now: float) -> Odds:
    """By the pod of the pool that came last. Pure."""
    mine = [pod for pod in pods if _pool_of(pod) == pool.name and not pod["metadata"].get("deletionTimestamp")]
    placed = [at for pod in mine if (at := _placed_at(pod)) is not None and now - at <= LATELY_S]
    waiting = [_at(pod["metadata"]["creationTimestamp"]) for pod in mine if _placed_at(pod) is None]
    longest_s = max((now - at for at in waiting), default=0.0)
    if longest_s >= PATIENCE_S and not placed:
        return Odds(UNLIKELY, f"a pod has waited {longest_s:.0f} s for a spot node of pool {pool.name}")
    if placed:
        return Odds(LIKELY, f"a pod got a spot node of pool {pool.name} {now - max(placed):.0f} s ago")
    return Odds(None, f"no pod asked for a spot node of pool {pool.name} lately")


def _pool_of(pod: Mapping[str, Any]) -> str | None:
    variables = pod["spec"]["containers"][0].get("env") or ()
    return next((each.get("value") for each in variables if each["name"] == "SKYWRIGHT_POOL"), None)


def _placed_at(pod: Mapping[str, Any]) -> float | None:
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] == "True":
            return _at(condition["lastTransitionTime"])
    return None


def _at(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
