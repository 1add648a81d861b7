"""Jobs on Azure ML: command jobs on the compute cluster of a pool, low-priority where the pool is spot.

What azure-ai-ml's own REST clients take is what was rendered: its entities would upload a code folder and make an
environment of their own for each job.
"""

from __future__ import annotations

import functools
import re
import warnings
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from ml_jobs.contract import JobSpec, Pool
from ml_jobs.launch import azureml_request
from ml_jobs.launch.base import Feature, Origin
from ml_jobs.launch.managed import AGAIN, ON_KUEUE, ManagedLauncher, Request, Seen, exit_code, newest, stand_in
from ml_jobs.launch.refusals import explained

ENDPOINT_VARIABLE = "SKYWRIGHT_AZURE_ENDPOINT"
"""`http://127.0.0.1:PORT` of a stand-in, set by rehearsals and tests alone; another host is refused."""
TIMEOUT_S = 60.0

STATES = {
    "NotStarted": "queued", "Starting": "queued", "Provisioning": "queued", "Preparing": "queued", "Queued": "queued",
    "Paused": "queued", "Running": "running", "Finalizing": "running", "NotResponding": "running",
    "CancelRequested": "stopping", "Completed": "succeeded", "Failed": "failed", "Canceled": "stopped",
}  # fmt: skip


class AzureMLLauncher(ManagedLauncher):
    """A command job for each attempt, named `<project>-<stack>-<run>-<attempt>`."""

    cloud: ClassVar[str] = "azure"
    title: ClassVar[str] = "Azure ML"
    lacks: ClassVar[Mapping[Feature, str]] = {
        Feature.FALLBACK: f"a command job stays on its cluster; {AGAIN} on another.",
        Feature.PRIORITY: f"a compute cluster takes its jobs in order. Leave priority at 0, {ON_KUEUE}.",
        Feature.QUEUES: f"each compute cluster is its own queue. Name no queue, {ON_KUEUE}.",
        Feature.SECRETS: "a command job takes plain variables only. Let the job read Key Vault as its own identity.",
        Feature.RETRIES: f"it resumes what a low-priority machine lost and nothing else; {AGAIN} after a failure.",
    }

    def _wire(self, job: JobSpec, origin: Origin, pool: Pool, attempt: int) -> dict[str, Any]:
        return azureml_request.render(job, self.stack, origin, pool, attempt)

    @functools.cached_property
    def _workspace(self) -> azureml_request.Workspace:
        return azureml_request.workspace_of(self.stack)

    @property
    def _place(self) -> tuple[str, str]:
        return self._workspace.group, self._workspace.name

    @functools.cached_property
    def _connection(self) -> dict[str, Any]:
        """How every client connects: as whoever is logged in, or to the stand-in."""
        url = stand_in(ENDPOINT_VARIABLE)
        if url is None:
            from azure.identity import DefaultAzureCredential

            return {"credential": DefaultAzureCredential()}
        from azure.core.pipeline.policies import SansIOHTTPPolicy

        # Tokens never go over plain HTTP.
        return {"credential": _Nobody(), "base_url": url, "authentication_policy": SansIOHTTPPolicy()}

    @functools.cached_property
    def _api(self) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # hundreds, of the SDK about another package's next release
            from azure.ai.ml._restclient.arm_ml_service import MachineLearningServicesMgmtClient

        connection = dict(self._connection)
        return MachineLearningServicesMgmtClient(
            connection.pop("credential"), self._workspace.subscription, **connection, read_timeout=TIMEOUT_S
        )

    @functools.cached_property
    def _history(self) -> Any:
        """The workspace's own API: what ARM does not tell of a job, its logs and why it failed."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from azure.ai.ml._restclient.runhistory import RunHistoryClient

        host = re.match(r"azureml://([^/]+)", self.stack.registry.tracking_url)
        place = f"https://{host[1] if host else f'{self.stack.region}.api.azureml.ms'}"
        return RunHistoryClient(**{"base_url": place, **self._connection}, read_timeout=TIMEOUT_S)

    def _send(self, request: Request) -> str:
        from azure.core.exceptions import ResourceNotFoundError

        id = str(request["job"]["id"])
        if self._seen(id) is not None:  # a PUT on a job that is there changes its tags at most
            return id
        wanted = request["environment"]
        environments = self._api.environment_versions
        try:
            environments.get(*self._place, wanted["name"], wanted["version"])
        except ResourceNotFoundError:
            environments.create_or_update(*self._place, wanted["name"], wanted["version"], body=wanted["body"])
        self._api.jobs.create_or_update(*self._place, id, body=request["job"]["body"])
        return id

    def _ref(self, run: str) -> str | None:
        return azureml_request.name_of(self.stack, run, 0)

    def _seen(self, ref: str) -> Seen | None:
        from azure.core.exceptions import ResourceNotFoundError

        try:
            job = self._api.jobs.get(*self._place, ref)
        except ResourceNotFoundError:
            return None
        return seen(job.as_dict(), self._why(ref) if job.properties.status == "Failed" else "")

    def _why(self, ref: str) -> str:
        from azure.core.exceptions import HttpResponseError

        try:
            told = self._details(ref).get("error") or {}
        except HttpResponseError:
            return "the reason can't be read"
        return str((told.get("error") or {}).get("message", ""))

    def _details(self, ref: str) -> dict[str, Any]:
        workspace = self._workspace
        found = self._history.runs.get_details(workspace.subscription, workspace.group, workspace.name, ref)
        details: dict[str, Any] = found.as_dict()
        return details

    def _list(self, limit: int) -> dict[str, Seen]:
        return newest(self._listed(), limit)

    def _listed(self) -> Iterator[tuple[str, Seen]]:
        """The workspace is the stack's alone; newest first."""
        for job in self._api.jobs.list(*self._place, job_type="Command"):
            yield str(job.name), seen(job.as_dict())

    def _log(self, ref: str, node: int, cursor: Any) -> tuple[list[str], Any]:
        """One file for each node's process, behind a signed URL. `cursor`: characters that were read."""
        import httpx

        read = int(cursor or 0)
        url = log_url(self._details(ref).get("logFiles") or {}, node)
        if url is None:
            return [], read
        answer = httpx.get(url, timeout=TIMEOUT_S, follow_redirects=False)
        if answer.status_code == httpx.codes.NOT_FOUND:  # listed, not yet written
            return [], read
        answer.raise_for_status()
        whole, newline, _ = answer.text.rpartition("\n")
        told = whole + newline
        return told[read:].splitlines(), max(read, len(told))

    def _cancel(self, ref: str) -> None:
        self._api.jobs.begin_cancel(*self._place, ref, polling=False)


class _Nobody:
    """Goes to a loopback address alone."""

    def get_token(self, *scopes: str, **options: Any) -> Any:
        from azure.core.credentials import AccessToken

        return AccessToken("stand-in", 4_102_444_800)


def seen(told: Mapping[str, Any], reason: str = "") -> Seen:
    """What a job's resource says of itself, and the workspace of why it failed."""
    about = told["properties"]
    times, status = about.get("properties") or {}, str(about.get("status", "Unknown"))
    state = STATES.get(status, "queued")
    return Seen(
        state,
        explained("azure", reason) if state == "failed" else "",
        started_at=_posix(times.get("StartTimeUtc")),
        ended_at=_posix(times.get("EndTimeUtc")),
        exit_code=exit_code(reason) if state == "failed" else None,
        detail={"platform": {"job": told.get("name"), "status": status, "reason": reason or None}},
    )


def log_url(files: Mapping[str, str], node: int) -> str | None:
    """Of `user_logs/std_log_process_<n>.txt`, n padded as there are nodes; of a job with one process, `std_log.txt`."""
    for path, url in sorted(files.items()):
        found = re.fullmatch(r"user_logs/std_log(?:_process_(\d+))?\.txt", path)
        if found and int(found[1] or 0) == node:
            return url
    return None


def _posix(text: Any) -> float | None:
    """`2026-05-06 05:38:22`, in UTC."""
    if not text:
        return None
    at = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
