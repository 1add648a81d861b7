"""The budget's actor on Azure, against an Azure in memory."""

from __future__ import annotations

import json
import urllib.error
from email.message import Message
from typing import Any

import pytest

from ml_jobs.budget import azure

NOW = 1_790_000_000.0
SPACE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
DEPLOYMENT = f"{SPACE}/onlineEndpoints/e/deployments/v1"
SCALE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Insights/autoscaleSettings/a"
STATE = "https://a.blob.core.windows.net/artifacts/skywright/budget/state.json"
STEPS = [
    {"percent": 50, "effect": "notify"},
    {"percent": 80, "effect": "block_new"},
    {"percent": 100, "effect": "stop_spot"},
    {"percent": 120, "effect": "scale_to_zero"},
]


class Azure:
    """Two clusters that may have 4 nodes, one of whose runs on each; a deployment of 3; a budget."""

    def __init__(self) -> None:
        self.spent = 0.0
        self.most = {"spot": 4, "steady": 4}
        self.running = {"spot": 1, "steady": 1}
        self.capacity = 3
        self.is_scaling = True
        self.state: Any = None
        self.written: list[str] = []

    def __call__(self, method: str, url: str, body: Any) -> Any:
        path = url.partition("?")[0].removeprefix(azure.ARM)
        if method != "GET":
            self.written.append(f"{method} {path.rsplit('/', 1)[1]}")
        if path == STATE:
            if method == "PUT":
                self.state = json.loads(json.dumps(body))
            elif self.state is None:
                raise urllib.error.HTTPError(url, 404, "BlobNotFound", Message(), None)
            return self.state
        if "/computes/" in path:
            return self._compute(method, path.rsplit("/", 1)[1], body)
        if path == DEPLOYMENT:
            if method == "PATCH":
                self.capacity = body["sku"]["capacity"]
            return {"sku": {"name": "Default", "capacity": self.capacity}}
        if path == SCALE:
            if method == "PATCH":
                self.is_scaling = body["properties"]["enabled"]
            return {"properties": {"enabled": self.is_scaling}}
        assert path.endswith("/budgets/month"), path
        return {"properties": {"currentSpend": {"amount": self.spent, "unit": "USD"}}}

    def _compute(self, method: str, name: str, body: Any) -> Any:
        if method == "PATCH":
            self.most[name] = body["properties"]["properties"]["scaleSettings"]["maxNodeCount"]
            self.running[name] = min(self.running[name], self.most[name])
        counts = {"runningNodeCount": self.running[name], "preparingNodeCount": 0, "idleNodeCount": 2}
        scale = {"minNodeCount": 0, "maxNodeCount": self.most[name], "nodeIdleTimeBeforeScaleDown": "PT5M"}
        return {"properties": {"properties": {"scaleSettings": scale, "nodeStateCounts": counts}}}


@pytest.fixture
def environ() -> dict[str, str]:
    return {
        "SKYWRIGHT_LIMIT_USD": "100",
        "SKYWRIGHT_STEPS": json.dumps(STEPS),
        "SKYWRIGHT_BUDGET": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Consumption/budgets/month",
        "SKYWRIGHT_WORKSPACE": SPACE,
        "SKYWRIGHT_COMPUTES": json.dumps({"spot": {"max": 4, "is_spot": True}, "steady": {"max": 4, "is_spot": False}}),
        "SKYWRIGHT_DEPLOYMENTS": json.dumps([DEPLOYMENT]),
        "SKYWRIGHT_AUTOSCALES": json.dumps([SCALE]),
        "SKYWRIGHT_REPLICAS": json.dumps({"min": 2, "max": 5}),
        "SKYWRIGHT_STATE_URL": STATE,
    }


def look(cloud: Azure, environ: dict[str, str], spent: float) -> dict[str, Any]:
    cloud.spent = spent
    return azure.run(cloud, environ, NOW)


def test_below_the_first_act_nothing_is_touched(environ: dict[str, str]) -> None:
    cloud = Azure()
    assert look(cloud, environ, 60)["effects"] == []
    assert cloud.written == ["PUT state.json"]


def test_clusters_keep_the_nodes_that_run_and_get_no_more(environ: dict[str, str]) -> None:
    cloud = Azure()
    look(cloud, environ, 85)
    assert cloud.most == {"spot": 1, "steady": 1}
    cloud.running["steady"] = 0
    look(cloud, environ, 85)
    assert cloud.most == {"spot": 1, "steady": 0}


def test_spot_falls_to_zero_and_what_runs_on_demand_goes_on(environ: dict[str, str]) -> None:
    cloud = Azure()
    look(cloud, environ, 101)
    assert cloud.most == {"spot": 0, "steady": 1}


def test_deployments_fall_to_one_instance_and_autoscaling_rests(environ: dict[str, str]) -> None:
    cloud = Azure()
    assert look(cloud, environ, 130)["effects"] == ["block_new", "stop_spot", "scale_to_zero"]
    assert (cloud.capacity, cloud.is_scaling) == (1, False)


def test_a_second_look_changes_nothing_more(environ: dict[str, str]) -> None:
    cloud = Azure()
    look(cloud, environ, 130)
    cloud.written.clear()
    look(cloud, environ, 130)
    assert cloud.written == ["PUT state.json"]


def test_a_higher_limit_takes_everything_back(environ: dict[str, str]) -> None:
    cloud = Azure()
    look(cloud, environ, 130)
    state = look(cloud, {**environ, "SKYWRIGHT_LIMIT_USD": "1000"}, 130)
    assert state["effects"] == [] and state["standings"] == {}
    assert cloud.most == {"spot": 4, "steady": 4}
    assert (cloud.capacity, cloud.is_scaling) == (2, True)


def test_more_instances_than_the_least_are_left_alone_when_nothing_holds(environ: dict[str, str]) -> None:
    cloud = Azure()
    look(cloud, environ, 10)
    assert cloud.capacity == 3


def test_another_error_of_the_store_is_no_empty_state(environ: dict[str, str]) -> None:
    cloud = Azure()

    def denied(method: str, url: str, body: Any) -> Any:
        if url == STATE:
            raise urllib.error.HTTPError(url, 403, "AuthorizationFailure", Message(), None)
        return cloud(method, url, body)

    with pytest.raises(urllib.error.HTTPError):
        azure.run(denied, environ, NOW)
