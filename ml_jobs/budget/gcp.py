"""The actor on Google Cloud: a function that the budget's notices call, several times a day.

Variables: SKYWRIGHT_LIMIT_USD; SKYWRIGHT_STEPS, as `actor.look` takes them; SKYWRIGHT_STACK; SKYWRIGHT_REGION;
SKYWRIGHT_PROJECT; SKYWRIGHT_STATE, "bucket/object"; SKYWRIGHT_PIPELINE, the e-mail address of the account that submits
jobs; SKYWRIGHT_ENDPOINT, the Vertex endpoint's full name or empty; SKYWRIGHT_REPLICAS, {"min", "max"} as declared;
SKYWRIGHT_SPEND_METRIC, the metric type that the share of the limit is reported as.
"""

from __future__ import annotations

import base64
import datetime
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

from ml_jobs.budget import actor

TIMEOUT_S = 60
TOKEN_URL = "http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/token"
RUNNING = ("JOB_STATE_QUEUED", "JOB_STATE_PENDING", "JOB_STATE_RUNNING")
SMALLEST = {"min": 1, "max": 1}

Call = Callable[[str, str, Any], Any]
"""(method, URL, JSON or None) -> JSON. Raises urllib's HTTPError."""


class GoogleHands:
    """The pipeline's account, Vertex, and the state in the artifact store."""

    def __init__(self, call: Call, environ: Mapping[str, str]) -> None:
        self._call = call
        self._stack, self._project = environ["SKYWRIGHT_STACK"], environ["SKYWRIGHT_PROJECT"]
        region = environ["SKYWRIGHT_REGION"]
        self._vertex = f"https://{region}-aiplatform.googleapis.com/v1"
        self._jobs = f"{self._vertex}/projects/{self._project}/locations/{region}/customJobs"
        account = urllib.parse.quote(environ["SKYWRIGHT_PIPELINE"])
        self._account = f"https://iam.googleapis.com/v1/projects/{self._project}/serviceAccounts/{account}"
        self._endpoint = environ.get("SKYWRIGHT_ENDPOINT", "")
        self._replicas = json.loads(environ["SKYWRIGHT_REPLICAS"])
        bucket, name = environ["SKYWRIGHT_STATE"].split("/", 1)
        self._bucket, self._object = bucket, urllib.parse.quote(name, safe="")

    def block_new(self, is_held: bool) -> None:
        """Who submits is disabled. What runs goes on: it acts as another account."""
        if bool(self._call("GET", self._account, None).get("disabled")) != is_held:
            self._call("POST", f"{self._account}:{'disable' if is_held else 'enable'}", {})

    def stop_spot(self, is_held: bool) -> None:
        """Cancelled jobs stop at a checkpoint; whoever submits them again, once that is allowed, resumes them."""
        if not is_held:
            return
        for job in self._standing():
            if job.get("jobSpec", {}).get("scheduling", {}).get("strategy") == "SPOT":
                self._call("POST", f"{self._vertex}/{job['name']}:cancel", {})

    def scale_to_zero(self, is_held: bool) -> None:
        """One replica for each deployed model is the least that Vertex keeps."""
        if not self._endpoint:
            return
        wanted = SMALLEST if is_held else self._replicas
        for model in self._call("GET", f"{self._vertex}/{self._endpoint}", None).get("deployedModels", ()):
            resources = model.get("dedicatedResources", {})
            standing = {"min": resources.get("minReplicaCount", 1), "max": resources.get("maxReplicaCount", 1)}
            if standing != wanted:
                self._resize(str(model["id"]), wanted)

    def load(self) -> Mapping[str, Any] | None:
        url = f"https://storage.googleapis.com/storage/v1/b/{self._bucket}/o/{self._object}?alt=media"
        try:
            state: Mapping[str, Any] = self._call("GET", url, None)
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            return None
        return state

    def save(self, state: Mapping[str, Any]) -> None:
        url = (
            f"https://storage.googleapis.com/upload/storage/v1/b/{self._bucket}/o?uploadType=media&name={self._object}"
        )
        self._call("POST", url, state)

    def report(self, metric: str, ratio: float, now: float) -> None:
        """The share of the limit, for alerts."""
        at = datetime.datetime.fromtimestamp(now, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        series = {
            "metric": {"type": metric},
            "resource": {"type": "global", "labels": {"project_id": self._project}},
            "points": [{"interval": {"endTime": at}, "value": {"doubleValue": ratio}}],
        }
        url = f"https://monitoring.googleapis.com/v3/projects/{self._project}/timeSeries"
        self._call("POST", url, {"timeSeries": [series]})

    def _standing(self) -> list[dict[str, Any]]:
        """The stack's jobs that have not ended."""
        states = " OR ".join(f'state="{state}"' for state in RUNNING)
        asked = {"filter": f"labels.stack={self._stack} AND ({states})", "pageSize": "100"}
        found: list[dict[str, Any]] = []
        while True:
            page = self._call("GET", f"{self._jobs}?{urllib.parse.urlencode(asked)}", None)
            found += page.get("customJobs", ())
            if not page.get("nextPageToken"):
                return found
            asked["pageToken"] = page["nextPageToken"]

    def _resize(self, model: str, wanted: Mapping[str, int]) -> None:
        resources = {"minReplicaCount": wanted["min"], "maxReplicaCount": wanted["max"]}
        body = {
            "deployedModel": {"id": model, "dedicatedResources": resources},
            "updateMask": "dedicatedResources.minReplicaCount,dedicatedResources.maxReplicaCount",
        }
        self._call("POST", f"{self._vertex}/{self._endpoint}:mutateDeployedModel", body)


def notice_of(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the budget says, out of a Pub/Sub message.

    https://cloud.google.com/billing/docs/how-to/budgets-programmatic-notifications#notification_format
    """
    notice: Mapping[str, Any] = json.loads(base64.b64decode(event["message"]["data"]))
    return notice


def run(event: Mapping[str, Any], environ: Mapping[str, str], *, call: Call, now: float) -> dict[str, Any]:
    """One look; gives back the state that was saved. The limit is the declared one, whatever the budget says."""
    spent, limit = float(notice_of(event)["costAmount"]), float(environ["SKYWRIGHT_LIMIT_USD"])
    hands = GoogleHands(call, environ)
    hands.report(environ["SKYWRIGHT_SPEND_METRIC"], spent / limit, now)
    steps = json.loads(environ["SKYWRIGHT_STEPS"])
    return actor.look(hands, spent_usd=spent, limit_usd=limit, steps=steps, now=now)


def as_function(method: str, url: str, body: Any) -> Any:
    """A call as the function's own account."""
    request = urllib.request.Request(TOKEN_URL, headers={"Metadata-Flavor": "Google"})
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
        token = json.load(answer)["access_token"]
    request = urllib.request.Request(
        url,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
        return json.loads(answer.read() or b"{}")


def handle(event: Any) -> None:
    """The function's entry point: a CloudEvent whose data is a Pub/Sub message."""
    state = run(event.data, os.environ, call=as_function, now=time.time())
    print(json.dumps(state, sort_keys=True))  # noqa: T201  # the function's log
