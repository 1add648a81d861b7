"""Jobs on Vertex AI: custom jobs, on Spot VMs where the pool is spot.

google-cloud-aiplatform and Pulumi's SDK can't be loaded by one process (both register google.rpc.Status): this module
loads the first alone, and only to talk to Vertex.
"""

from __future__ import annotations

import functools
import json
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from catalog.labels import gcp_labels
from ml_jobs.contract import JobSpec, Pool
from ml_jobs.launch import vertex_request
from ml_jobs.launch.base import Feature, Origin
from ml_jobs.launch.managed import AGAIN, ON_KUEUE, ManagedLauncher, Request, Seen, exit_code, newest, stand_in
from ml_jobs.launch.refusals import explained

ENDPOINT_VARIABLE = "SKYWRIGHT_VERTEX_ENDPOINT"
"""`http://127.0.0.1:PORT` of a stand-in, set by rehearsals and tests alone; another host is refused."""
LOGGING = "https://logging.googleapis.com"
SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]
TIMEOUT_S = 60.0
PAGE = 1000

STATES = {
    "JOB_STATE_QUEUED": "queued", "JOB_STATE_PENDING": "queued", "JOB_STATE_PAUSED": "queued",
    "JOB_STATE_RUNNING": "running", "JOB_STATE_UPDATING": "running", "JOB_STATE_CANCELLING": "stopping",
    "JOB_STATE_SUCCEEDED": "succeeded", "JOB_STATE_CANCELLED": "stopped", "JOB_STATE_FAILED": "failed",
    "JOB_STATE_EXPIRED": "failed", "JOB_STATE_PARTIALLY_SUCCEEDED": "failed",
}  # fmt: skip


class VertexLauncher(ManagedLauncher):
    """A custom job for each attempt, found again by its labels `run` and `attempt`."""

    cloud: ClassVar[str] = "gcp"
    title: ClassVar[str] = "Vertex AI"
    lacks: ClassVar[Mapping[Feature, str]] = {
        Feature.FALLBACK: f"a custom job keeps its strategy; {AGAIN} on the other.",
        Feature.PRIORITY: f"its jobs start as quota and capacity come. Leave priority at 0, {ON_KUEUE}.",
        Feature.QUEUES: f"jobs go straight to capacity. Name no queue, {ON_KUEUE}.",
        Feature.SECRETS: "a custom job takes plain variables only. Let the job read Secret Manager as its own account.",
        Feature.RETRIES: f"it restarts workers by rules of its own and takes no count; {AGAIN} after a failure.",
    }

    def _wire(self, job: JobSpec, origin: Origin, pool: Pool, attempt: int) -> dict[str, Any]:
        return vertex_request.render(job, self.stack, origin, pool, attempt)

    @functools.cached_property
    def _parent(self) -> str:
        return vertex_request.parent_of(self.stack)

    @functools.cached_property
    def _stand_in(self) -> str | None:
        return stand_in(ENDPOINT_VARIABLE)

    @functools.cached_property
    def _credentials(self) -> Any:
        import google.auth
        from google.auth.credentials import AnonymousCredentials

        return AnonymousCredentials() if self._stand_in else google.auth.default(scopes=SCOPES)[0]

    @functools.cached_property
    def _jobs(self) -> Any:
        """google-cloud-aiplatform's client of custom jobs."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # the SDK's, about Python versions to come
            from google.cloud.aiplatform_v1.services.job_service import JobServiceClient, transports

        if self._stand_in:
            where = {"host": self._stand_in.removeprefix("http://"), "url_scheme": "http"}
            transport = transports.JobServiceRestTransport(**where, credentials=self._credentials)
            return JobServiceClient(transport=transport)
        options = {"api_endpoint": f"{self.stack.region}-aiplatform.googleapis.com"}
        return JobServiceClient(credentials=self._credentials, client_options=options, transport="rest")

    def _send(self, request: Request) -> str:
        if standing := self._find(request.origin.run, request.attempt):
            return standing
        from google.cloud.aiplatform_v1 import CreateCustomJobRequest

        made = self._jobs.create_custom_job(
            request=CreateCustomJobRequest.from_json(json.dumps(request)), timeout=TIMEOUT_S
        )
        return str(made.name)

    def _find(self, run: str, attempt: int) -> str | None:
        """Vertex names its jobs by numbers: what was asked for is found by its labels."""
        labels = gcp_labels({"run": run, "attempt": str(attempt)})
        asked = " AND ".join(f'labels.{key}="{value}"' for key, value in labels.items())
        return next((ref for ref, _ in self._listed(asked)), None)

    def _ref(self, run: str) -> str | None:
        return self._find(run, 0)

    def _seen(self, ref: str) -> Seen | None:
        from google.api_core.exceptions import NotFound

        try:
            return seen(self._jobs.get_custom_job(name=ref, timeout=TIMEOUT_S))
        except NotFound:
            return None

    def _list(self, limit: int) -> dict[str, Seen]:
        stack = gcp_labels({"stack": self.stack.stack})["stack"]
        return newest(self._listed(f'labels.stack="{stack}"'), limit)

    def _listed(self, asked: str) -> Iterator[tuple[str, Seen]]:
        """Newest first."""
        request = {"parent": self._parent, "filter": asked, "page_size": 100}
        for job in self._jobs.list_custom_jobs(request=request, timeout=TIMEOUT_S):
            yield str(job.name), seen(job)

    def _log(self, ref: str, node: int, cursor: Any) -> tuple[list[str], Any]:
        """Cloud Logging's entries of one replica. `cursor`: the last time, and the ids that were read at that time."""
        task = "workerpool0-0" if node == 0 else f"workerpool1-{node - 1}"
        since, known = cursor or ("", ())
        asked = [
            'resource.type="ml_job"',
            f'resource.labels.job_id="{ref.rpartition("/")[2]}"',
            f'resource.labels.task_name="{task}"',
            *([f'timestamp>="{since}"'] if since else []),
        ]
        lines: list[str] = []
        for entry in self._entries(" AND ".join(asked)):
            at, id = str(entry.get("timestamp", "")), str(entry.get("insertId", ""))
            if at == since and id in known:
                continue
            since, known = at, ((*known, id) if at == since else (id,))
            lines.append(line_of(entry))
        return lines, (since, known)

    def _entries(self, asked: str) -> Iterator[Mapping[str, Any]]:
        """https://cloud.google.com/logging/docs/reference/v2/rest/v2/entries/list"""
        from google.api_core.exceptions import from_http_response
        from google.auth.transport.requests import AuthorizedSession

        project = "/".join(self._parent.split("/")[:2])
        body: dict[str, Any] = {
            "resourceNames": [project], "filter": asked, "orderBy": "timestamp asc", "pageSize": PAGE
        }  # fmt: skip
        with AuthorizedSession(self._credentials) as session:
            while True:
                answer = session.post(f"{self._stand_in or LOGGING}/v2/entries:list", json=body, timeout=TIMEOUT_S)
                if not answer.ok:
                    raise from_http_response(answer)
                page = answer.json()
                yield from page.get("entries", ())
                if not page.get("nextPageToken"):
                    return
                body["pageToken"] = page["nextPageToken"]

    def _cancel(self, ref: str) -> None:
        self._jobs.cancel_custom_job(name=ref, timeout=TIMEOUT_S)


def seen(job: Any) -> Seen:
    """What a CustomJob says of itself."""
    status, reason = str(job.state.name), str(job.error.message or "")
    state = STATES.get(status, "queued")
    message = explained("gcp", reason) if state == "failed" else ""
    if status == "JOB_STATE_EXPIRED":
        message = "ran past its time limit (deadline_s)"
    return Seen(
        state,
        message,
        started_at=_posix(job.start_time),
        ended_at=_posix(job.end_time),
        exit_code=exit_code(reason) if state == "failed" else None,
        detail={"platform": {"job": str(job.name), "status": status, "reason": reason or None}},
    )


def line_of(entry: Mapping[str, Any]) -> str:
    """What the process printed: as text, or as the JSON line that the logging agent took apart."""
    payload = entry.get("jsonPayload")
    if not isinstance(payload, dict):
        return str(entry.get("textPayload", "")).rstrip("\n")
    message = payload.get("message")
    is_plain = isinstance(message, str) and payload.keys() <= {"message", "levelname", "attrs"}
    return str(message).rstrip("\n") if is_plain else json.dumps(payload, sort_keys=True)


def _posix(at: Any) -> float | None:
    return float(at.timestamp()) if at else None
