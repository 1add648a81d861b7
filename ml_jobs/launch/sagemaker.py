"""Jobs on SageMaker: training jobs, on managed spot where the pool is spot.

boto3 sends them, not the SageMaker SDK: that fills requests in from configuration files of its own, so that what is
sent is not what was rendered, and it loads pandas and scipy to do it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, ClassVar

from catalog.names import NameRule, name_for
from ml_jobs.contract import JobSpec, Pool
from ml_jobs.launch import sagemaker_request
from ml_jobs.launch.base import Feature, Origin
from ml_jobs.launch.managed import (
    AGAIN,
    ON_KUEUE,
    PROJECT,
    ManagedLauncher,
    Request,
    Seen,
    attempt_name,
    exit_code,
    newest,
)
from ml_jobs.launch.pools import possible
from ml_jobs.launch.refusals import explained

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
STATES = {
    "InProgress": "running", "Completed": "succeeded", "Failed": "failed", "Stopping": "stopping", "Stopped": "stopped",
    "Deleting": "stopping",
}  # fmt: skip
WAITING = frozenset({
    "Starting", "Pending", "LaunchingMLInstances", "PreparingTrainingStack", "Downloading", "DownloadingTrainingImage",
    "Restarting", "Interrupted",
})  # fmt: skip
"""SecondaryStatus of a job in progress that does no work."""
OVERRUN = {
    "MaxRuntimeExceeded": "ran past its time limit (deadline_s)",
    "MaxWaitTimeExceeded": "did not end within its time limit (deadline_s), the wait for spot counted in",
}


class SageMakerLauncher(ManagedLauncher):
    """A training job for each attempt, named `<project>-<stack>-<run>-<attempt>`."""

    cloud: ClassVar[str] = "aws"
    title: ClassVar[str] = "SageMaker"
    lacks: ClassVar[Mapping[Feature, str]] = {
        Feature.FALLBACK: f"a training job keeps its capacity; {AGAIN} on the other.",
        Feature.PRIORITY: f"its jobs start as capacity comes. Leave priority at 0, {ON_KUEUE}.",
        Feature.QUEUES: f"jobs go straight to capacity. Name no queue, {ON_KUEUE}.",
        Feature.SECRETS: "a training job takes plain variables only. Let the job read Secrets Manager as its own role.",
        Feature.RETRIES: f"it repeats a job after failures of its own alone; {AGAIN} after the job's.",
    }

    def render(self, job: JobSpec, origin: Origin, *, attempt: int = 0, keep_alive_s: int = 0) -> Request:
        """`keep_alive_s`: keep the instances so long for the next job, on demand only; they are paid for meanwhile."""
        self.require(job)
        pool = possible(job, self.stack)[0]
        wire = sagemaker_request.render(job, self.stack, origin, pool, attempt, keep_alive_s=keep_alive_s)
        return Request(wire, job=job, origin=origin, pool=pool, attempt=attempt)

    def _wire(self, job: JobSpec, origin: Origin, pool: Pool, attempt: int) -> dict[str, Any]:
        return sagemaker_request.render(job, self.stack, origin, pool, attempt)

    @functools.cached_property
    def _session(self) -> Any:
        import boto3

        return boto3.session.Session(region_name=self.stack.region)

    @functools.cached_property
    def _api(self) -> Any:
        return self._client("sagemaker")

    @functools.cached_property
    def _logs(self) -> Any:
        return self._client("logs")

    def _client(self, service: str) -> Any:
        from botocore.config import Config

        return self._session.client(service, config=Config(retries={"mode": "standard", "total_max_attempts": 5}))

    def _send(self, request: Request) -> str:
        from botocore.exceptions import ClientError

        try:
            self._api.create_training_job(**request)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceInUse":  # a job of that name is this attempt
                raise
        return str(request["TrainingJobName"])

    def _ref(self, run: str) -> str | None:
        return attempt_name(self.stack, run, 0, length=sagemaker_request.NAME_LENGTH)

    def _seen(self, ref: str) -> Seen | None:
        from botocore.exceptions import ClientError

        try:
            return seen(self._api.describe_training_job(TrainingJobName=ref))
        except ClientError as error:
            if _is_missing(error.response["Error"]):
                return None
            raise

    def _list(self, limit: int) -> dict[str, Seen]:
        return newest(self._summaries(), limit)

    def _summaries(self) -> Iterator[tuple[str, Seen]]:
        prefix = name_for(NameRule("prefix", 40, ""), PROJECT, self.stack.stack)
        pages = self._api.get_paginator("list_training_jobs")
        for page in pages.paginate(NameContains=f"{prefix}-", SortBy="CreationTime", SortOrder="Descending"):
            for item in page["TrainingJobSummaries"]:
                yield item["TrainingJobName"], seen(item)

    def _log(self, ref: str, node: int, cursor: Any) -> tuple[list[str], Any]:
        """One stream for each host, `<job>/algo-<n>-<number>`; before the first line there is none."""
        lines: list[str] = []
        stream, token = cursor or (self._stream(ref, node), None)
        while stream is not None:
            more = {"nextToken": token} if token else {}
            page = self._logs.get_log_events(logGroupName=LOG_GROUP, logStreamName=stream, startFromHead=True, **more)
            lines += [event["message"].rstrip("\n") for event in page["events"]]
            if not page["events"] or page["nextForwardToken"] == token:  # the same token again: the end, for now
                return lines, (stream, page["nextForwardToken"])
            token = page["nextForwardToken"]
        return lines, None

    def _stream(self, ref: str, node: int) -> str | None:
        from botocore.exceptions import ClientError

        try:
            found = self._logs.describe_log_streams(
                logGroupName=LOG_GROUP, logStreamNamePrefix=f"{ref}/algo-{node + 1}-"
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                return None
            raise
        return next((str(stream["logStreamName"]) for stream in found["logStreams"]), None)

    def _cancel(self, ref: str) -> None:
        self._api.stop_training_job(TrainingJobName=ref)


def seen(told: Mapping[str, Any]) -> Seen:
    """What DescribeTrainingJob, or a line of ListTrainingJobs, says."""
    status, second = str(told["TrainingJobStatus"]), str(told.get("SecondaryStatus", ""))
    state, message = STATES.get(status, "running"), ""
    reason = str(told.get("FailureReason", ""))
    passed = [str(step.get("Status")) for step in told.get("SecondaryStatusTransitions", ())]
    if status == "InProgress" and second in WAITING:
        state, message = (
            "queued",
            f"{second}: spot was taken away; it waits for more" if second == "Interrupted" else second,
        )
    if status == "Stopped" and (overrun := OVERRUN.get(second)):
        state, message = "failed", overrun
    if status == "Failed":
        message = explained("aws", reason)
    return Seen(
        state,
        message,
        started_at=_posix(told.get("TrainingStartTime")),
        ended_at=_posix(told.get("TrainingEndTime")),
        exit_code=exit_code(reason) if status == "Failed" else None,
        preemptions=passed.count("Interrupted"),
        detail={"platform": {"job": told["TrainingJobName"], "status": status, "secondary_status": second or None,
                             "billable_s": told.get("BillableTimeInSeconds"), "reason": reason or None}},
    )  # fmt: skip


def _posix(at: datetime | None) -> float | None:
    return at.timestamp() if at else None


def _is_missing(error: Mapping[str, Any]) -> bool:
    return error["Code"] == "ResourceNotFound" or (
        error["Code"] in ("ValidationException", "ValidationError") and "not f" in str(error["Message"]).lower()
    )
