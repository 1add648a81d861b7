"""How long the ConfigMap of a run is kept that no JobSet owns: of a run that was stopped, or never came to its JobSet.

As long as a JobSet that has finished, whose ConfigMap goes with it: a week. Where the stack has an object store, the
run's record lies there and stays; elsewhere the ConfigMap was the record, as it is of finished runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ml_jobs.launch.kubernetes_api import CONFIG_MAPS, JOBSETS, Cluster
from ml_jobs.launch.kubernetes_request import KEPT_S
from ml_jobs.launch.kubernetes_state import STOPPED_AT


def owned_by(name: str, uid: str) -> dict[str, Any]:
    """A change by which an object goes when the JobSet of that name and uid has gone."""
    owner = {"apiVersion": JOBSETS.api_version, "kind": "JobSet", "name": name, "uid": uid}
    return {"metadata": {"ownerReferences": [owner]}}


def is_over(configmap: Mapping[str, Any], now: datetime) -> bool:
    """Whether nobody owns it and a week has passed since the run was stopped, else since it was made."""
    metadata = configmap["metadata"]
    if metadata.get("ownerReferences") or metadata.get("deletionTimestamp"):
        return False
    began = (metadata.get("annotations") or {}).get(STOPPED_AT) or metadata["creationTimestamp"]
    return (now - datetime.fromisoformat(began)).total_seconds() > KEPT_S


def sweep(cluster: Cluster, namespace: str, labels: str, now: datetime | None = None) -> list[str]:
    """Give what is over to the cluster's garbage collector; the names. Raises LaunchError.

    Whoever submits may not delete ConfigMaps, and need not: one whose owner is absent is collected.
    https://kubernetes.io/docs/concepts/architecture/garbage-collection/
    """
    at = now or datetime.now(UTC)
    over = [each["metadata"] for each in cluster.list(CONFIG_MAPS, namespace, labels) if is_over(each, at)]
    for metadata in over:  # its own uid is no JobSet's
        cluster.patch(CONFIG_MAPS, namespace, metadata["name"], owned_by(metadata["name"], metadata["uid"]))
    return [metadata["name"] for metadata in over]
