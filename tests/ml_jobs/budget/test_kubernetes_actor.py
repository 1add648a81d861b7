"""The cluster's budget actor against an API server in memory that takes merge patches as the real one does."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ml_jobs.budget import kubernetes as actor

QUEUES = "/apis/kueue.x-k8s.io/v1beta1/clusterqueues"
SCALERS = "/apis/keda.sh/v1alpha1/namespaces/serving/scaledobjects"
STATE = "/api/v1/namespaces/home/configmaps/state"
STEPS = [
    {"percent": 50, "effect": "notify"},
    {"percent": 80, "effect": "block_new"},
    {"percent": 100, "effect": "stop_spot"},
    {"percent": 120, "effect": "scale_to_zero"},
]
NOVEMBER = 1_762_000_000.0


def merged(target: Any, patch: Any) -> Any:
    """https://www.rfc-editor.org/rfc/rfc7386"""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(target or {})
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


class Cluster:
    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {
            f"{QUEUES}/a-spot": {"metadata": {"name": "a-spot"}, "spec": {"stopPolicy": "None"}},
            f"{QUEUES}/a-on-demand": {"metadata": {"name": "a-on-demand"}, "spec": {}},
            f"{SCALERS}/v1": {"metadata": {"name": "v1"}},
            STATE: {"metadata": {"name": "state"}},
        }
        self.patched: list[str] = []
        self.spent: float | None = 0.0

    def call(self, method: str, path: str, patch: Mapping[str, Any] | None) -> Any:
        if path == SCALERS:
            return {"items": [value for key, value in self.objects.items() if key.startswith(SCALERS)]}
        if method == "PATCH":
            self.objects[path] = merged(self.objects[path], patch)
            if path != STATE:
                self.patched.append(path)
        return self.objects[path]

    def fetch(self, url: str) -> Any:
        assert url.startswith("http://prometheus/api/v1/query?query=skywright%3Aspend")
        found = [] if self.spent is None else [{"metric": {}, "value": [NOVEMBER, str(self.spent)]}]
        return {"status": "success", "data": {"resultType": "vector", "result": found}}

    def look(self, spent: float | None, *, now: float = NOVEMBER, limit: float = 100) -> dict[str, Any]:
        self.spent = spent
        environ = {
            "SKYWRIGHT_LIMIT_USD": str(limit),
            "SKYWRIGHT_STEPS": json.dumps(STEPS),
            "SKYWRIGHT_PROMETHEUS_URL": "http://prometheus",
            "SKYWRIGHT_SPEND_QUERY": "skywright:spend",
            "SKYWRIGHT_QUEUES": json.dumps({"a-spot": "spot", "a-on-demand": "on-demand"}),
            "SKYWRIGHT_SERVING_NAMESPACE": "serving",
            "SKYWRIGHT_STATE": "home/state",
        }
        return actor.run(environ, call=self.call, fetch=self.fetch, now=now)

    def policies(self) -> tuple[str, str]:
        spot, on_demand = (self.objects[f"{QUEUES}/a-{kind}"]["spec"] for kind in ("spot", "on-demand"))
        return spot.get("stopPolicy", "None"), on_demand.get("stopPolicy", "None")

    @property
    def is_paused(self) -> bool:
        annotations = self.objects[f"{SCALERS}/v1"]["metadata"].get("annotations", {})
        return annotations.get("autoscaling.keda.sh/paused-replicas") == "0"


@pytest.mark.parametrize(
    ("spent", "policies", "is_paused"),
    [
        (60, ("None", "None"), False),
        (80, ("Hold", "Hold"), False),
        (100, ("HoldAndDrain", "Hold"), False),
        (125, ("HoldAndDrain", "Hold"), True),
    ],
)
def test_each_step_is_carried_out(spent: float, policies: tuple[str, str], is_paused: bool) -> None:
    cluster = Cluster()
    cluster.look(spent)
    assert (cluster.policies(), cluster.is_paused) == (policies, is_paused)


def test_the_same_look_again_changes_nothing() -> None:
    cluster = Cluster()
    cluster.look(125)
    cluster.patched.clear()
    cluster.look(125)
    assert cluster.patched == []


def test_a_raised_limit_and_a_new_month_take_everything_back() -> None:
    for later in ({"limit": 1000}, {"now": NOVEMBER + 40 * 86_400}):
        cluster = Cluster()
        cluster.look(125)
        cluster.look(0 if "now" in later else 125, **later)
        assert (cluster.policies(), cluster.is_paused) == (("None", "None"), False)
        assert cluster.objects[f"{QUEUES}/a-spot"]["metadata"]["annotations"] == {}


def test_what_somebody_else_has_stopped_stays_so() -> None:
    cluster = Cluster()
    cluster.objects[f"{QUEUES}/a-on-demand"]["spec"]["stopPolicy"] = "HoldAndDrain"
    cluster.objects[f"{SCALERS}/v1"]["metadata"]["annotations"] = {actor.PAUSED: "0"}
    cluster.look(85)
    assert cluster.policies() == ("Hold", "HoldAndDrain")
    cluster.look(10)
    assert cluster.policies() == ("None", "HoldAndDrain")
    assert cluster.is_paused


def test_a_released_step_stays_released() -> None:
    cluster = Cluster()
    state = cluster.look(85)
    state["standings"]["80"]["released_at"] = NOVEMBER
    cluster.objects[STATE]["data"] = {"state.json": json.dumps(state)}
    cluster.look(90)
    assert cluster.policies() == ("None", "None")
    cluster.look(101)
    assert cluster.policies() == ("HoldAndDrain", "Hold")


def test_the_state_says_what_stands() -> None:
    cluster = Cluster()
    cluster.look(101.5)
    state = json.loads(cluster.objects[STATE]["data"]["state.json"])
    assert state["period"] == "2025-11"
    assert state["effects"] == ["block_new", "stop_spot"]
    assert state["spent_usd"] == 101.5


def test_an_unknown_spend_changes_nothing() -> None:
    cluster = Cluster()
    cluster.look(85)
    cluster.patched.clear()
    with pytest.raises(actor.Blind, match="do OpenCost and the stack's rules run"):
        cluster.look(None)
    assert cluster.patched == [] and cluster.policies() == ("Hold", "Hold")


def test_the_archive_runs_with_nothing_but_the_standard_library(tmp_path: Path) -> None:
    from components.kubernetes.costs import FILES, archive

    for (key, text), name in zip(archive().items(), FILES, strict=True):
        assert key.replace("/", "") == key
        path = tmp_path / "ml_jobs" / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); "
         "import ml_jobs.budget.kubernetes as k; print(k.__file__)"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().startswith(str(tmp_path))
