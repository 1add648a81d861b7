"""Which ConfigMaps of runs go to the cluster's garbage collector; that it takes them is held in tests/cluster."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from ml_jobs.launch import kubernetes_kept as kept
from ml_jobs.launch.kubernetes_api import Cluster
from ml_jobs.launch.kubernetes_state import STOPPED_AT

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def configmap(name: str, *, made_days: float, stopped_days: float | None = None, **metadata: Any) -> dict[str, Any]:
    def ago(days: float) -> str:
        return (NOW - timedelta(days=days)).isoformat(timespec="seconds").replace("+00:00", "Z")

    annotations = {} if stopped_days is None else {STOPPED_AT: ago(stopped_days)}
    told = {"name": name, "uid": f"uid-{name}", "creationTimestamp": ago(made_days), "annotations": annotations}
    return {"metadata": told | metadata}


OWNED = {"ownerReferences": [{"kind": "JobSet", "name": "a", "uid": "b"}]}


@pytest.mark.parametrize(
    ("found", "is_over"),
    [
        (configmap("stopped", made_days=60, stopped_days=7.1), True),
        (configmap("lately", made_days=60, stopped_days=6.9), False),
        (configmap("never-sent", made_days=7.1), True),
        (configmap("being-sent", made_days=0), False),
        (configmap("runs", made_days=60, **OWNED), False),
        (configmap("goes", made_days=60, deletionTimestamp="2026-02-28T00:00:00Z"), False),
    ],
    ids=lambda value: value["metadata"]["name"] if isinstance(value, dict) else "",
)
def test_a_week_after_its_run_was_stopped_a_configmap_is_over(found: dict[str, Any], is_over: bool) -> None:
    assert kept.is_over(found, NOW) is is_over


class Few:
    """A cluster of these ConfigMaps, which keeps what is patched."""

    def __init__(self, *found: dict[str, Any]) -> None:
        self.found = {each["metadata"]["name"]: each for each in found}

    def list(self, _kind: Any, _namespace: str, _labels: str) -> list[dict[str, Any]]:
        return list(self.found.values())

    def patch(self, _kind: Any, _namespace: str, name: str, change: Mapping[str, Any]) -> None:
        self.found[name]["metadata"] |= change["metadata"]


def test_what_is_over_gets_an_owner_that_is_not_there_and_is_swept_once() -> None:
    few = Few(configmap("old", made_days=60, stopped_days=8), configmap("new", made_days=1))
    cluster = cast(Cluster, few)
    assert kept.sweep(cluster, "team", "", NOW) == ["old"]
    (owner,) = few.found["old"]["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("JobSet", "old", "uid-old")
    assert "ownerReferences" not in few.found["new"]["metadata"]
    assert kept.sweep(cluster, "team", "", NOW) == []
