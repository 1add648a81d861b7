"""SageMaker: the request against botocore's own model and the stack's own policies, and what its answers mean."""

from __future__ import annotations

import fnmatch
from datetime import UTC, datetime
from typing import Any

import pytest
from contracts import contract, digits, job_specs
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.errors import SkywrightError, UserError
from catalog.names import name_for
from components.aws import names, training_policies
from infra.rehearsal.aws.model import request as shape_of
from infra.rehearsal.aws.model import words
from infra.rehearsal.core.validate import violations
from ml_jobs.contract import Capacity, JobSpec, Resources, Retries, StackContract
from ml_jobs.launch import managed, sagemaker
from ml_jobs.launch.base import Feature, LaunchError, Origin
from ml_jobs.launch.managed import Request
from ml_jobs.launch.sagemaker import SageMakerLauncher, seen
from ml_jobs.launch.sagemaker_request import MAX_RUNTIME_S

STACK = contract("aws-prod")
ORIGIN = Origin("digits-0123abcd", "ada", 1_760_000_000.0, {"git": {"commit": "abc"}})
REGION, ACCOUNT = "eu-west-1", "123456789012"
PREFIX = name_for(names.SAGEMAKER_JOB, "skywright", STACK.stack)


def rendered(job: JobSpec, *, attempt: int = 0, stack: StackContract = STACK, **options: Any) -> Request:
    return SageMakerLauncher(stack).render(job, ORIGIN, attempt=attempt, **options)


def refused_by_botocore(request: Request) -> list[str]:
    return [words("sagemaker", wrong) for wrong in violations(request, shape_of("sagemaker", "CreateTrainingJob"))]


def gpus(nodes: int = 4, **changes: Any) -> JobSpec:
    return digits(resources=Resources(accelerator="A100-40", count=8, nodes=nodes), **changes)


def allowed(request: Request) -> bool:
    """What the pipeline's policies say to CreateTrainingJob, and to handing over the role."""
    statements = {
        item["Sid"]: item for item in training_policies.submit(ACCOUNT, REGION, PREFIX, STACK.identities.training)
    }
    start, hand_over = statements["StartJobs"], statements["HandOver"]
    job = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/{request['TrainingJobName']}"
    facts = {"sagemaker:InterContainerTrafficEncryption": str(request["EnableInterContainerTrafficEncryption"]).lower()}
    holds = all(facts[key] == value for key, value in start["Condition"]["Bool"].items())
    return holds and fnmatch.fnmatchcase(job, start["Resource"]) and request["RoleArn"] == hand_over["Resource"]


def job_of(**changes: Any) -> JobSpec:
    return digits(resources=Resources(accelerator="A10G", nodes=2), **changes)


# --- the request


def test_digits_on_spot() -> None:
    request = rendered(digits(resources=Resources(accelerator="A10G")))
    assert refused_by_botocore(request) == [] and allowed(request)
    assert request["TrainingJobName"] == "skywright-aws-prod-digits-0123abcd-0"
    assert request["EnableManagedSpotTraining"] is True
    assert request["ResourceConfig"] == {"InstanceType": "ml.g5.xlarge", "InstanceCount": 1}
    assert request["VpcConfig"] == {
        "Subnets": list(STACK.network.subnets), "SecurityGroupIds": list(STACK.network.firewalls)
    }  # fmt: skip
    assert request["OutputDataConfig"]["KmsKeyId"] == STACK.storage.key
    assert request["Environment"]["SKYWRIGHT_JOB"] == f"{STACK.storage.artifacts}/runs/digits-0123abcd/job.json"
    assert "CheckpointConfig" not in request
    assert {tag["Key"]: tag["Value"] for tag in request["Tags"]}.items() >= {
        "stack": "aws-prod", "team": "default", "run": "digits-0123abcd", "project": "skywright"
    }.items()  # fmt: skip


def test_several_nodes_of_gpus_with_a_deadline() -> None:
    request = rendered(gpus(deadline_s=3600.5), attempt=3)
    assert refused_by_botocore(request) == [] and allowed(request)
    assert request["ResourceConfig"] == {"InstanceType": "ml.p4d.24xlarge", "InstanceCount": 4}
    assert request["StoppingCondition"] == {"MaxRuntimeInSeconds": 3601, "MaxWaitTimeInSeconds": 3601}
    assert request["TrainingJobName"].endswith("-3") and request["Environment"]["SKYWRIGHT_ATTEMPT"] == "3"
    assert request["Environment"]["SKYWRIGHT_NODES"] == "4"


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_botocore_and_the_stacks_policies_take_whatever_fits_the_stack(data: st.DataObject) -> None:
    job = data.draw(job_specs(STACK))
    attempt = data.draw(st.integers(0, 999))
    run = f"{job.name}-{data.draw(st.from_regex(r'[0-9a-f]{8}', fullmatch=True))}"
    request = SageMakerLauncher(STACK).render(job, Origin(run, "ada", 0.0), attempt=attempt)
    assert refused_by_botocore(request) == []
    assert allowed(request)
    limits = request["StoppingCondition"]
    assert limits.get("MaxWaitTimeInSeconds", limits["MaxRuntimeInSeconds"]) >= limits["MaxRuntimeInSeconds"]
    assert request["EnableManagedSpotTraining"] == ("MaxWaitTimeInSeconds" in limits)
    assert dict(request) == dict(SageMakerLauncher(STACK).render(job, Origin(run, "ada", 0.0), attempt=attempt))


@given(st.from_regex(r"[a-z][a-z0-9-]{0,39}", fullmatch=True), st.integers(0, 999))
def test_every_attempt_has_a_name_of_its_own(name: str, attempt: int) -> None:
    found = {managed.attempt_name(STACK, f"{name}-0123abcd", number, length=63) for number in (attempt, attempt + 1)}
    assert len(found) == 2 and all(len(item) <= 63 for item in found)


def test_a_name_that_is_too_long_keeps_its_beginning_and_ends_in_a_digest() -> None:
    runs = [f"{'long' * 10}-{number:08d}" for number in range(2)]
    one, other = (managed.attempt_name(STACK, run, 0, length=63) for run in runs)
    assert len(one) == len(other) == 63 and one != other
    assert one.startswith(f"{PREFIX}-longlong")
    request = SageMakerLauncher(STACK).render(job_of(), Origin(runs[0], "ada", 0.0))
    assert refused_by_botocore(request) == [] and allowed(request)


@pytest.mark.parametrize(
    ("instance", "volume"),
    [
        ("ml.m5.xlarge", {"VolumeSizeInGB": 100, "VolumeKmsKeyId": STACK.storage.key}),
        ("ml.p3.2xlarge", {"VolumeSizeInGB": 100, "VolumeKmsKeyId": STACK.storage.key}),
        ("ml.g4dn.xlarge", {}),
        ("ml.p5.48xlarge", {}),
    ],
)
def test_a_volume_has_the_stacks_key_and_disks_of_the_instance_take_none(instance: str, volume: dict[str, Any]) -> None:
    pools = (STACK.pools[1].model_copy(update={"instance_type": instance}),)
    request = rendered(digits(resources=Resources(accelerator="A10G")), stack=STACK.model_copy(update={"pools": pools}))
    assert request["ResourceConfig"] == {"InstanceType": instance, "InstanceCount": 1, **volume}
    assert refused_by_botocore(request) == []


def test_a_warm_pool_only_on_demand_and_only_when_asked() -> None:
    on_demand = digits(resources=Resources(accelerator="A10G"), capacity=Capacity.ON_DEMAND_ONLY)
    assert "KeepAlivePeriodInSeconds" not in rendered(on_demand)["ResourceConfig"]
    kept = rendered(on_demand, keep_alive_s=600)
    assert kept["ResourceConfig"]["KeepAlivePeriodInSeconds"] == 600 and refused_by_botocore(kept) == []
    assert "MaxWaitTimeInSeconds" not in kept["StoppingCondition"]
    with pytest.raises(UserError, match="spot-small is spot"):
        rendered(digits(resources=Resources(accelerator="A10G")), keep_alive_s=600)
    with pytest.raises(UserError, match="allowed: 0 to 3600"):
        rendered(on_demand, keep_alive_s=3601)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"image": None}, "names no image. Push the stack's own: skywright image push"),
        ({"deadline_s": MAX_RUNTIME_S + 1}, "28 days"),
        ({"env": {"NOTE": "x" * 513}}, "env.NOTE has 513 characters; SageMaker takes 512"),
        ({"env": {f"V{n}": "" for n in range(100)}}, "up to 100 on SageMaker"),
        ({"env": {"NO-NAME": ""}}, "env is 'NO-NAME'"),
        ({"tags": {f"t{n}": "" for n in range(50)}}, "up to 50 on AWS"),
        ({"priority": 5}, "SageMaker has none: its jobs start as capacity comes"),
        ({"queue": "default"}, "SageMaker has none: jobs go straight to capacity"),
        ({"secret_refs": {"KEY": "api"}}, "Let the job read Secrets Manager"),
        ({"resources": Resources(accelerator="H100")}, "stack aws-prod has: spot-large"),
    ],
)
def test_what_sagemaker_can_not_do_is_said_before_anything_is_sent(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said.replace("(", r"\(").replace(".", r"\.")):
        rendered(digits(**{"resources": Resources(accelerator="A10G"), **changes}))


def test_tags_that_aws_would_refuse_are_written_as_it_takes_them() -> None:
    job = digits(resources=Resources(accelerator="A10G"), tags={"aws:cost": "a;b", "team": "theirs", "ünder": "é"})
    request = rendered(job)
    tags = {tag["Key"]: tag["Value"] for tag in request["Tags"]}
    assert tags["aws-cost"] == "a-b" and tags["team"] == "default" and tags["ünder"] == "é"
    assert refused_by_botocore(request) == []


def test_the_stacks_variables_go_before_the_jobs() -> None:
    job = digits(resources=Resources(accelerator="A10G"), env={"SKYWRIGHT_RUN_ID": "other", "MINE": "1"})
    environment = rendered(job)["Environment"]
    assert environment["SKYWRIGHT_RUN_ID"] == "digits-0123abcd" and environment["MINE"] == "1"
    assert environment["SKYWRIGHT_PLATFORM"] == "sagemaker" and environment["SKYWRIGHT_NOTICE_S"] == "120"


def test_sagemakers_own_failures_are_retried_as_often_as_the_jobs_may_be() -> None:
    job = digits(resources=Resources(accelerator="A10G"), retries=Retries(failure=0))
    assert "RetryStrategy" not in rendered(job)
    assert rendered(digits(resources=Resources(accelerator="A10G")))["RetryStrategy"] == {"MaximumRetryAttempts": 1}


def test_the_logs_that_are_read_are_the_ones_that_the_roles_may_read() -> None:
    assert sagemaker.LOG_GROUP == training_policies.JOB_LOGS


# --- what SageMaker tells


@pytest.mark.parametrize(
    ("told", "state", "message", "code"),
    [
        (("InProgress", "Starting", ""), "queued", "Starting", None),
        (("InProgress", "Pending", ""), "queued", "Pending", None),
        (("InProgress", "Training", ""), "running", "", None),
        (("InProgress", "Uploading", ""), "running", "", None),
        (("InProgress", "Interrupted", ""), "queued", "Interrupted: spot was taken away; it waits for more", None),
        (("InProgress", "Restarting", ""), "queued", "Restarting", None),
        (("Completed", "Completed", ""), "succeeded", "", None),
        (("Stopping", "Stopping", ""), "stopping", "", None),
        (("Stopped", "Stopped", ""), "stopped", "", None),
        (("Stopped", "MaxRuntimeExceeded", ""), "failed", "ran past its time limit (deadline_s)", None),
        (("Stopped", "MaxWaitTimeExceeded", ""), "failed",
         "did not end within its time limit (deadline_s), the wait for spot counted in", None),
        (("Failed", "Failed", "AlgorithmError: , exit code: 78"), "failed", "AlgorithmError: , exit code: 78", 78),
        (("Failed", "Failed", "AlgorithmError: framework error, exit code: 1"), "failed",
         "AlgorithmError: framework error, exit code: 1", 1),
        (("Failed", "Failed", "CapacityError: Unable to provision requested ML compute capacity."), "failed",
         "CapacityError: Unable to provision requested ML compute capacity. Try again later, or let it run elsewhere: "
         "--capacity on_demand_only, or another pool.", None),
    ],
)  # fmt: skip
def test_states(told: tuple[str, str, str], state: str, message: str, code: int | None) -> None:
    status, second, reason = told
    found = seen({"TrainingJobName": "j", "TrainingJobStatus": status, "SecondaryStatus": second,
                  **({"FailureReason": reason} if reason else {})})  # fmt: skip
    assert (found.state, found.message, found.exit_code) == (state, message, code)


def test_every_status_that_botocore_knows_has_a_state() -> None:
    from infra.rehearsal.aws.model import member

    assert set(member("sagemaker", "TrainingJobStatus").enum) == set(sagemaker.STATES)
    assert set(member("sagemaker", "SecondaryStatus").enum) >= sagemaker.WAITING | set(sagemaker.OVERRUN)


def test_times_and_preemptions() -> None:
    at = datetime(2026, 5, 6, tzinfo=UTC)
    steps = [{"Status": status} for status in ("Starting", "Training", "Interrupted", "Starting", "Interrupted")]
    found = seen({"TrainingJobName": "j", "TrainingJobStatus": "InProgress", "SecondaryStatus": "Training",
                  "TrainingStartTime": at, "SecondaryStatusTransitions": steps})  # fmt: skip
    assert (found.preemptions, found.started_at, found.ended_at) == (2, at.timestamp(), None)


def test_a_run_of_the_stack_can_be_told_by_its_features() -> None:
    assert set(SageMakerLauncher.lacks) == {
        Feature.FALLBACK, Feature.PRIORITY, Feature.QUEUES, Feature.SECRETS, Feature.RETRIES
    }  # fmt: skip
    assert issubclass(LaunchError, SkywrightError)
