"""Jobs sent to Vertex AI by Google's client, against a server on the loopback that holds every request to the discovery
documents."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from contracts import contract, digits
from vertex_child import Child, Told
from vertex_stand import Stand

from ml_jobs.contract import JobSpec, Resources, StorageUrls
from ml_jobs.launch.base import Origin

STACK = contract("gcp-prod")
PARENT = "projects/acme-ml/locations/europe-west4"
ORIGIN = Origin("digits-0123abcd", "ada", 1_760_000_000.0, {"git": {"commit": "abc"}})


@pytest.fixture(scope="module")
def child() -> Iterator[Child]:
    started = Child()
    yield started
    started.close()


@pytest.fixture
def stand(child: Child, tmp_path: Path) -> Iterator[Stand]:
    served = Stand()
    child.environ = {"SKYWRIGHT_VERTEX_ENDPOINT": served.url}
    yield served
    served.close()


@pytest.fixture
def stack(tmp_path: Path) -> dict[str, Any]:
    """The stack, its store on this disk: what is tried here is Vertex."""
    store = {key: f"file://{tmp_path}/{key}" for key in ("data", "artifacts", "checkpoints")}
    found: dict[str, Any] = STACK.model_copy(
        update={"storage": StorageUrls(**store, key=STACK.storage.key)}
    ).model_dump(mode="json")
    return found


def job_of(**changes: Any) -> JobSpec:
    return digits(resources=Resources(accelerator="L4", nodes=2), **changes)


def submit(child: Child, stack: Any, job: JobSpec, **options: Any) -> str:
    spec = job.model_dump(mode="json", by_alias=True)
    run: str = child("submit", stack=stack, job=spec, origin=asdict(ORIGIN), **options)
    return run


def test_submit_follow_and_stop(child: Child, stand: Stand, stack: Any) -> None:
    run = submit(child, stack, job_of(params={"seed": 3}))
    ((name, job),) = stand.jobs.items()
    assert run == ORIGIN.run and name.startswith(f"{PARENT}/customJobs/")
    assert job["jobSpec"]["scheduling"]["strategy"] == "SPOT"
    found = child("status", stack=stack, args=[run])
    assert (found["state"], found["by"], found["attempts"]) == ("queued", "ada", 1)
    assert found["detail"]["platform"] == {"job": name, "status": "JOB_STATE_PENDING", "reason": None}
    job |= {"state": "JOB_STATE_RUNNING", "startTime": "2026-05-06T00:00:00Z"}
    (listed,) = child("runs", stack=stack)
    assert (listed["id"], listed["state"], listed["started_at"]) == (run, "running", 1_778_025_600.0)
    (event,) = child("events", stack=stack, args=[run])
    assert (event["type"], event["ref"], event["capacity"]) == ("submitted", name, "spot")
    assert child("stop", stack=stack, args=[run], options={"by": "bo", "reason": "no need"})["state"] == "stopping"
    job["state"] = "JOB_STATE_CANCELLED"
    ended = child("status", stack=stack, args=[run])
    assert (ended["state"], ended["message"]) == ("stopped", "stopped by bo: no need")
    assert child("outputs", stack=stack, args=[run])["checkpoints_url"] == f"{stack['storage']['checkpoints']}/{run}"


def test_what_is_submitted_twice_is_one_job_and_the_next_attempt_another(
    child: Child, stand: Stand, stack: Any
) -> None:
    assert submit(child, stack, job_of()) == submit(child, stack, job_of()) == ORIGIN.run
    assert len(stand.jobs) == 1
    submit(child, stack, job_of(), attempt=1)
    assert [job["labels"]["attempt"] for job in stand.jobs.values()] == ["0", "1"]
    assert child("status", stack=stack, args=[ORIGIN.run])["attempts"] == 2


def test_a_submission_that_broke_off_before_its_record_is_found_by_its_labels(
    child: Child, stand: Stand, stack: Any, tmp_path: Path
) -> None:
    submit(child, stack, job_of())
    record = tmp_path / "artifacts" / "runs" / ORIGIN.run / "attempts" / "000.json"
    record.unlink()
    assert child("status", stack=stack, args=[ORIGIN.run])["state"] == "queued"
    submit(child, stack, job_of())
    assert len(stand.jobs) == 1 and json.loads(record.read_text())["ref"] in stand.jobs


@pytest.mark.parametrize(
    ("state", "error", "told"),
    [
        ("JOB_STATE_QUEUED", "", ("queued", "", None)),
        ("JOB_STATE_SUCCEEDED", "", ("succeeded", "", None)),
        ("JOB_STATE_EXPIRED", "", ("failed", "ran past its time limit (deadline_s)", None)),
        ("JOB_STATE_FAILED", "The replica workerpool0-0 exited with a non-zero status of 78.",
         ("failed", "The replica workerpool0-0 exited with a non-zero status of 78.", 78)),
        ("JOB_STATE_FAILED", "There are not enough resources: STOCKOUT in europe-west4-a",
         ("failed", "There are not enough resources: STOCKOUT in europe-west4-a. Try again later, or let it run "
          "elsewhere: --capacity on_demand_only, or another pool.", None)),
    ],
)  # fmt: skip
def test_states(child: Child, stand: Stand, stack: Any, state: str, error: str, told: tuple[Any, ...]) -> None:
    run = submit(child, stack, job_of())
    (job,) = stand.jobs.values()
    job |= {"state": state, **({"error": {"code": 3, "message": error}} if error else {})}
    found = child("status", stack=stack, args=[run])
    assert (found["state"], found["message"], found["exit_code"]) == told


def test_the_log_of_a_rank(child: Child, stand: Stand, stack: Any) -> None:
    run = submit(child, stack, job_of())
    (name,) = stand.jobs
    for task, at, payload in (
        ("workerpool0-0", "2026-05-06T00:00:00Z", {"textPayload": "plain\n"}),
        ("workerpool0-0", "2026-05-06T00:00:01Z", {"jsonPayload": {"message": "taken apart", "levelname": "INFO"}}),
        ("workerpool0-0", "2026-05-06T00:00:01Z", {"jsonPayload": {"message": "of rank 1", "rank": 1}}),
        ("workerpool0-0", "2026-05-06T00:00:02Z", {"jsonPayload": {"message": "of rank 0", "rank": 0}}),
        ("workerpool1-0", "2026-05-06T00:00:03Z", {"textPayload": "second"}),
    ):
        labels = {"job_id": name.rpartition("/")[2], "task_name": task}
        resource = {"type": "ml_job", "labels": labels}
        stand.entries.append({"timestamp": at, "insertId": f"i{len(stand.entries)}", "resource": resource, **payload})
    assert child("logs", stack=stack, args=[run]) == ['plain\ntaken apart\n{"message": "of rank 0", "rank": 0}\n']
    assert child("logs", stack=stack, args=[run], options={"rank": 1}) == ["second\n"]


def test_a_log_that_is_followed_tells_each_line_once(child: Child, stand: Stand, stack: Any) -> None:
    run = submit(child, stack, job_of())
    ((name, job),) = stand.jobs.items()
    job["state"] = "JOB_STATE_SUCCEEDED"
    resource = {"type": "ml_job", "labels": {"job_id": name.rpartition("/")[2], "task_name": "workerpool0-0"}}
    for number in range(5):  # three of one moment, over several pages
        at = f"2026-05-06T00:00:0{number // 3}Z"
        stand.entries.append(
            {"timestamp": at, "insertId": str(number), "resource": resource, "textPayload": str(number)}
        )
    lines, cursor = child("_log", stack=stack, args=[name, 0, None])
    assert lines == ["0", "1", "2", "3", "4"]
    assert child("_log", stack=stack, args=[name, 0, cursor]) == [[], cursor]
    stand.entries.append({**stand.entries[-1], "insertId": "5", "textPayload": "5"})
    assert child("_log", stack=stack, args=[name, 0, cursor])[0] == ["5"]
    assert child("logs", stack=stack, args=[run], options={"follow": True}) == ["0\n1\n2\n3\n4\n5\n"]


@pytest.mark.parametrize(
    ("refusal", "kind", "remedy"),
    [
        ((429, "RESOURCE_EXHAUSTED", "The following quota metrics exceed quota limits: "
          "aiplatform.googleapis.com/custom_model_training_preemptible_nvidia_l4_gpus"), "quota", "IAM & Admin"),
        ((403, "PERMISSION_DENIED", "Permission 'aiplatform.customJobs.create' denied"), "permission", "pipeline"),
        ((400, "INVALID_ARGUMENT", "Image europe-docker.pkg.dev/p/x not found"), "image", "skywright image push"),
        ((400, "INVALID_ARGUMENT", "Machine type g2 is not supported."), "request", "does not take"),
        ((400, "FAILED_PRECONDITION", "The zone does not have enough resources"), "capacity", "on_demand_only"),
        ((400, "INVALID_ARGUMENT", "Bucket gs://data does not exist"), "data", "inputs"),
    ],
)  # fmt: skip
def test_a_refusal_is_one_line_and_stays_in_the_record(
    child: Child, stand: Stand, stack: Any, refusal: tuple[int, str, str], kind: str, remedy: str
) -> None:
    stand.refusal = refusal
    with pytest.raises(Told) as refused:
        submit(child, stack, job_of())
    assert (refused.value.type, refused.value.kind) == ("LaunchError", kind)
    assert refusal[2].rstrip(".") in refused.value.what and "\n" not in refused.value.what
    assert remedy in refused.value.remedy
    (event,) = child("events", stack=stack, args=[ORIGIN.run])
    assert (event["type"], event["why"]) == ("refused", kind)
    stand.refusal = None
    found = child("status", stack=stack, args=[ORIGIN.run])
    assert found["state"] == "failed" and refusal[2].rstrip(".") in found["message"] and stand.jobs == {}


def test_without_credentials(child: Child, stack: Any, tmp_path: Path) -> None:
    child.environ = {"HOME": str(tmp_path), "CLOUDSDK_CONFIG": str(tmp_path), "NO_GCE_CHECK": "true"}
    with pytest.raises(Told, match="credentials for gcp are missing or expired") as refused:
        submit(child, stack, job_of())
    assert refused.value.kind == "credentials" and "gcloud auth application-default login" in refused.value.remedy


def test_with_credentials_that_are_no_longer_valid(child: Child, stand: Stand, stack: Any, tmp_path: Path) -> None:
    subject, file = tmp_path / "subject", tmp_path / "account.json"
    subject.write_text("s3cret")
    account = {
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{stand.url}/token",
        "credential_source": {"file": str(subject)},
    }
    file.write_text(json.dumps(account))
    child.environ = {"GOOGLE_APPLICATION_CREDENTIALS": str(file), "GOOGLE_CLOUD_PROJECT": "acme-ml"}
    with pytest.raises(Told, match=r"missing or expired.*invalid_grant") as refused:
        submit(child, stack, job_of())
    assert refused.value.kind == "credentials" and "s3cret" not in str(refused.value)


def test_a_stand_in_is_never_elsewhere_than_here(child: Child, stack: Any) -> None:
    child.environ = {"SKYWRIGHT_VERTEX_ENDPOINT": "http://example.com"}
    with pytest.raises(Told, match=r"allowed: http://127\.0\.0\.1:PORT"):
        submit(child, stack, job_of())
