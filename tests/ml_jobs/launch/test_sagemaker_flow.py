"""Jobs sent to SageMaker, against moto's server: submit, describe, logs, stop, refusals; the records in moto's S3."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from contracts import contract, digits

from catalog.errors import UserError
from ml_jobs.contract import JobSpec, Resources
from ml_jobs.launch import managed, sagemaker
from ml_jobs.launch.base import LaunchError, Origin, launcher
from ml_jobs.launch.sagemaker import SageMakerLauncher

STACK = contract("aws-prod")
ORIGIN = Origin("digits-0123abcd", "ada", 1_760_000_000.0, {"git": {"commit": "abc"}})
REGION, ACCOUNT = "eu-west-1", "123456789012"


@pytest.fixture(scope="module")
def moto_url() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def cloud(moto_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """moto's SageMaker with two answers that it lacks: StopTrainingJob, and ResourceInUse for a name in use."""
    import s3fs
    from moto.sagemaker.exceptions import ResourceInUseException
    from moto.sagemaker.models import SageMakerModelBackend, sagemaker_backends
    from moto.sagemaker.responses import SageMakerResponse

    variables = {
        "AWS_ENDPOINT_URL": moto_url, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }  # fmt: skip
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    create = SageMakerModelBackend.create_training_job

    def created(backend: Any, **given: Any) -> Any:
        if given["training_job_name"] in backend.training_jobs:
            raise ResourceInUseException("Training job names must be unique within an AWS account and region")
        job = create(backend, **given)
        job.training_job_status, job.secondary_status = "InProgress", "Starting"
        return job

    def stopped(response: Any) -> str:
        job = response.sagemaker_backend.training_jobs[response._get_param("TrainingJobName")]
        job.training_job_status = job.secondary_status = "Stopping"
        return "{}"

    monkeypatch.setattr(SageMakerModelBackend, "create_training_job", created)
    monkeypatch.setattr(SageMakerResponse, "stop_training_job", stopped, raising=False)
    s3fs.S3FileSystem.clear_instance_cache()
    boto3.client("s3").create_bucket(
        Bucket=STACK.storage.artifacts.removeprefix("s3://"), CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    yield sagemaker_backends[ACCOUNT][REGION]
    s3fs.S3FileSystem.clear_instance_cache()
    boto3.session.Session().client("sagemaker")  # still the server's, before it forgets everything
    _reset(moto_url)


def _reset(url: str) -> None:
    import httpx

    httpx.post(f"{url}/moto-api/reset").raise_for_status()


def job_of(**changes: Any) -> JobSpec:
    return digits(resources=Resources(accelerator="A10G", nodes=2), **changes)


def test_submit_follow_and_stop(cloud: Any) -> None:
    sender = launcher(STACK)
    assert isinstance(sender, SageMakerLauncher)
    request = sender.render(job_of(params={"seed": 3}), ORIGIN)
    run = sender.submit(request)
    ((name, job),) = cloud.training_jobs.items()
    assert (run, name) == (ORIGIN.run, "skywright-aws-prod-digits-0123abcd-0")
    assert job.role_arn == STACK.identities.training and job.enable_managed_spot_training is True

    found = sender.status(run)
    assert (found.state, found.by, found.attempts) == ("queued", "ada", 1)
    assert found.detail["platform"] == {
        "job": name, "status": "InProgress", "secondary_status": "Starting", "billable_s": None, "reason": None
    }  # fmt: skip
    job.secondary_status = "Training"
    assert [item.state for item in sender.runs()] == ["running"]
    assert [event["type"] for event in sender.events(run)] == ["submitted"]

    stopping = sender.stop(run, by="bo", reason="no need")
    assert stopping.state == "stopping"
    job.training_job_status = job.secondary_status = "Stopped"
    ended = sender.status(run)
    assert (ended.state, ended.message) == ("stopped", "stopped by bo: no need")
    assert sender.stop(run, by="bo", reason="again") == ended
    assert sender.outputs(run).checkpoints_url == f"{STACK.storage.checkpoints}/{run}"


def test_the_container_finds_its_job_where_its_variables_say(cloud: Any) -> None:
    from ml_jobs.runtime.storage import Folder

    sender = SageMakerLauncher(STACK)
    request = sender.render(job_of(), ORIGIN)
    sender.submit(request)
    folder, _, name = request["Environment"]["SKYWRIGHT_JOB"].rpartition("/")
    assert b'"entry"' in Folder(folder).read(name)


def test_what_is_submitted_twice_is_one_job(cloud: Any) -> None:
    sender = SageMakerLauncher(STACK)
    request = sender.render(job_of(), ORIGIN)
    assert sender.submit(request) == SageMakerLauncher(STACK).submit(request) == ORIGIN.run
    assert len(cloud.training_jobs) == 1
    assert [event["type"] for event in sender.events(ORIGIN.run)] == ["submitted"]


def test_the_next_attempt_is_a_job_of_its_own_and_speaks_for_the_run(cloud: Any) -> None:
    sender = SageMakerLauncher(STACK)
    sender.submit(sender.render(job_of(), ORIGIN))
    cloud.training_jobs["skywright-aws-prod-digits-0123abcd-0"].training_job_status = "Stopped"
    sender.submit(sender.render(job_of(), ORIGIN, attempt=1))
    found = sender.status(ORIGIN.run)
    assert (found.state, found.attempts, len(cloud.training_jobs)) == ("queued", 2, 2)


def test_a_submission_that_broke_off_before_its_record_is_found_and_completed(
    cloud: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = SageMakerLauncher(STACK)
    request = sender.render(job_of(), ORIGIN)

    def breaks(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr(sender.records, "attempt", breaks)
        sender.submit(request)
    assert sender.status(ORIGIN.run).state == "queued"
    sender.submit(request)
    assert [attempt.number for attempt in sender.records.attempts(ORIGIN.run)] == [0]


def test_the_log_of_a_rank(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(managed, "POLL_S", 0.0)
    sender = SageMakerLauncher(STACK)
    sender.submit(sender.render(job_of(), ORIGIN))
    name = "skywright-aws-prod-digits-0123abcd-0"
    assert list(sender.logs(ORIGIN.run)) == []
    logs = boto3.client("logs")
    logs.create_log_group(logGroupName=sagemaker.LOG_GROUP)
    assert list(sender.logs(ORIGIN.run)) == []
    at = int(datetime.now(UTC).timestamp() * 1000)
    for node, lines in ((1, ["plain", '{"rank": 0, "m": 1}', '{"rank": 1, "m": 2}']), (2, ["second"])):
        stream = f"{name}/algo-{node}-170000"
        logs.create_log_stream(logGroupName=sagemaker.LOG_GROUP, logStreamName=stream)
        events = [{"timestamp": at + n, "message": line} for n, line in enumerate(lines)]
        logs.put_log_events(logGroupName=sagemaker.LOG_GROUP, logStreamName=stream, logEvents=events)
    assert list(sender.logs(ORIGIN.run)) == ['plain\n{"rank": 0, "m": 1}\n']
    following = sender.logs(ORIGIN.run, rank=1, follow=True)
    assert next(following) == "second\n"
    more = [{"timestamp": at + 9, "message": "later"}]
    logs.put_log_events(logGroupName=sagemaker.LOG_GROUP, logStreamName=f"{name}/algo-2-170000", logEvents=more)
    assert next(following) == "later\n"
    cloud.training_jobs[name].training_job_status = "Completed"
    assert list(following) == []
    with pytest.raises(UserError, match="rank is 2; allowed: 0 to 1"):
        list(sender.logs(ORIGIN.run, rank=2))


def test_a_run_that_there_is_not(cloud: Any) -> None:
    sender = SageMakerLauncher(STACK)
    sender.submit(sender.render(job_of(), ORIGIN))
    for ask in (
        sender.status,
        sender.outputs,
        lambda run: list(sender.events(run)),
        lambda run: list(sender.logs(run)),
    ):
        with pytest.raises(UserError, match=r"there is no run 'digits-0123abce'.*Did you mean digits-0123abcd\?"):
            ask("digits-0123abce")


def test_a_refusal_is_one_line_and_stays_in_the_record(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from moto.sagemaker.exceptions import SagemakerClientError
    from moto.sagemaker.models import SageMakerModelBackend

    class Spent(SagemakerClientError):
        code = "ResourceLimitExceeded"

    def refuse(backend: Any, **given: Any) -> Any:
        raise Spent("The account-level service limit 'ml.g5.xlarge for spot training job usage' is 0 Instances")

    monkeypatch.setattr(SageMakerModelBackend, "create_training_job", refuse)
    sender = SageMakerLauncher(STACK)
    with pytest.raises(LaunchError, match=r"SageMaker refused \(ResourceLimitExceeded\): The account-level") as refused:
        sender.submit(sender.render(job_of(), ORIGIN))
    assert refused.value.kind == "quota" and "Service Quotas" in refused.value.remedy
    (event,) = sender.events(ORIGIN.run)
    assert (event["type"], event["why"], event["attempt"]) == ("refused", "quota", 0)
    found = sender.status(ORIGIN.run)
    assert found.state == "failed" and "is 0 Instances" in found.message
    assert [(run.id, run.state) for run in sender.runs()] == [(ORIGIN.run, "failed")]


def test_without_credentials(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    sender = SageMakerLauncher(STACK)
    with pytest.raises(LaunchError, match="credentials for aws are missing or expired") as refused:
        sender.submit(sender.render(job_of(), ORIGIN))
    assert refused.value.kind == "credentials" and "aws sso login" in refused.value.remedy
    assert cloud.training_jobs == {}


def test_a_service_that_is_not_there(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", f"http://127.0.0.1:{nobody.getsockname()[1]}")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        sender = SageMakerLauncher(STACK)
        monkeypatch.setattr(sender, "_client", lambda service: boto3.client(service))
        with pytest.raises(LaunchError, match="SageMaker can't be reached") as refused:
            sender.submit(sender.render(job_of(), ORIGIN))
    assert refused.value.kind == "unreachable"


def test_a_request_that_was_not_rendered_here_is_not_sent(cloud: Any) -> None:
    sender = SageMakerLauncher(STACK)
    with pytest.raises(UserError, match="was not rendered by this launcher"):
        sender.submit(dict(sender.render(job_of(), ORIGIN)))
    assert cloud.training_jobs == {}
