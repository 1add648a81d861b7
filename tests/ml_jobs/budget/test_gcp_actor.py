"""The budget's function on Google Cloud, over calls that are answered in memory."""

from __future__ import annotations

import base64
import json
import urllib.error
from email.message import Message
from typing import Any

from ml_jobs.budget import gcp

NOW = 1_795_000_000.0
ENVIRON = {
    "SKYWRIGHT_STACK": "test", "SKYWRIGHT_PROJECT": "p", "SKYWRIGHT_REGION": "r", "SKYWRIGHT_LIMIT_USD": "100",
    "SKYWRIGHT_STEPS": json.dumps([{"percent": 80, "effect": "block_new"}, {"percent": 100, "effect": "stop_spot"},
                                   {"percent": 120, "effect": "scale_to_zero"}]),
    "SKYWRIGHT_STATE": "bucket/skywright/budget/state.json", "SKYWRIGHT_PIPELINE": "pipe@p.iam.gserviceaccount.com",
    "SKYWRIGHT_ENDPOINT": "projects/p/locations/r/endpoints/1", "SKYWRIGHT_REPLICAS": '{"min": 2, "max": 5}',
    "SKYWRIGHT_SPEND_METRIC": "custom.googleapis.com/s/spend_ratio",
}  # fmt: skip


class Google:
    def __init__(self) -> None:
        self.is_disabled = False
        self.state: Any = None
        self.replicas = {"minReplicaCount": 2, "maxReplicaCount": 5}
        self.cancelled: list[str] = []

    def __call__(self, method: str, url: str, body: Any) -> Any:
        if url.endswith((":disable", ":enable")):
            self.is_disabled = url.endswith(":disable")
        elif "serviceAccounts" in url:
            return {"disabled": self.is_disabled}
        elif url.endswith(":cancel"):
            self.cancelled.append(url.rsplit("/", 1)[-1])
        elif "customJobs?" in url:
            jobs = [("spot", "SPOT"), ("steady", "STANDARD")]
            return {"customJobs": [{"name": n, "jobSpec": {"scheduling": {"strategy": s}}} for n, s in jobs]}
        elif url.endswith(":mutateDeployedModel"):
            self.replicas = body["deployedModel"]["dedicatedResources"]
        elif "/endpoints/" in url:
            return {"deployedModels": [{"id": "7", "dedicatedResources": self.replicas}]}
        elif "alt=media" in url:
            if self.state is None:
                raise urllib.error.HTTPError(url, 404, "", Message(), None)
            return self.state
        elif "upload/storage" in url:
            self.state = body
        return {}


def spend(google: Google, usd: float) -> None:
    data = base64.b64encode(json.dumps({"costAmount": usd}).encode()).decode()
    gcp.run({"message": {"data": data}}, ENVIRON, call=google, now=NOW)


def test_each_step_acts_when_it_is_reached() -> None:
    google = Google()
    spend(google, 79)
    assert not google.is_disabled
    spend(google, 80)
    assert google.is_disabled and not google.cancelled
    spend(google, 100)
    assert google.cancelled == ["spot:cancel"]
    assert google.replicas["maxReplicaCount"] == 5
    spend(google, 120)
    assert google.replicas == {"minReplicaCount": 1, "maxReplicaCount": 1}


def test_what_was_held_is_let_go_again() -> None:
    google = Google()
    spend(google, 130)
    spend(google, 10)
    assert not google.is_disabled
    assert google.replicas == {"minReplicaCount": 2, "maxReplicaCount": 5}
    assert google.state["effects"] == []
