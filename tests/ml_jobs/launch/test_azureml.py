"""Azure ML: the requests against the REST models that azure-ai-ml ships; the flow by that package's own clients against
a server on the loopback that holds every body to the same models."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azureml_stand import SHAPES, Stand
from contracts import contract, digits, job_specs
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.errors import UserError
from catalog.names import name_for
from components.azure import names
from infra.rehearsal.azure.model import model
from infra.rehearsal.azure.rest import words
from infra.rehearsal.core.validate import violations
from ml_jobs.contract import Capacity, JobSpec, Resources, StackContract, StorageUrls
from ml_jobs.launch import azureml, managed
from ml_jobs.launch.azureml import AzureMLLauncher, log_url, seen
from ml_jobs.launch.base import LaunchError, Origin, launcher
from ml_jobs.runtime.platforms import node as node_of

pytestmark = [
    pytest.mark.filterwarnings(f"ignore::{kind}") for kind in ("DeprecationWarning", "FutureWarning")
]  # azure-ai-ml

STACK = contract("azure-prod")
ORIGIN = Origin("digits-0123abcd", "ada", 1_760_000_000.0, {"git": {"commit": "abc"}})
NAME = "skywright-azure-prod-digits-0123abcd-0"
WORKSPACE = (
    "/subscriptions/00000000-1111-4222-8333-444444444444/resourceGroups/skywright-azure-prod"
    "/providers/Microsoft.MachineLearningServices/workspaces/skywright-azure-prod"
)


def rendered(job: JobSpec, *, attempt: int = 0, stack: StackContract = STACK) -> dict[str, Any]:
    return AzureMLLauncher(stack).render(job, ORIGIN, attempt=attempt)


def refused_by_the_models(request: dict[str, Any]) -> list[str]:
    job = violations(request["job"]["body"], model(SHAPES["jobs"]))
    environment = violations(request["environment"]["body"], model(SHAPES["environments"]))
    return [words(wrong) for wrong in (*job, *environment)]


def job_of(**changes: Any) -> JobSpec:
    return digits(resources=Resources(accelerator="T4", nodes=2), **changes)


# --- the request


def test_digits_on_spot() -> None:
    request = rendered(digits(resources=Resources(accelerator="T4")))
    assert refused_by_the_models(request) == []
    assert request["job"]["id"] == NAME
    job = request["job"]["body"]["properties"]
    assert job["computeId"] == f"{WORKSPACE}/computes/spot-small"
    environment = request["environment"]
    assert job["environmentId"] == f"{WORKSPACE}/environments/{environment['name']}/versions/{environment['version']}"
    assert environment["body"]["properties"]["image"].startswith("registry.example.com/skywright@sha256:")
    assert job["identity"] == {"identityType": "Managed", "resourceId": STACK.identities.training}
    assert job["tags"].items() >= {"stack": "azure-prod", "run": "digits-0123abcd", "team": "default"}.items()
    assert "limits" not in job


def test_several_nodes_of_gpus_start_one_process_each() -> None:
    request = rendered(digits(resources=Resources(accelerator="A100-80", count=4, nodes=3), deadline_s=3600.5))
    assert refused_by_the_models(request) == []
    job = request["job"]["body"]["properties"]
    assert job["resources"] == {"instanceCount": 3}
    assert job["distribution"] == {"distributionType": "PyTorch", "processCountPerInstance": 1}
    assert job["limits"] == {"jobLimitsType": "Command", "timeout": "PT3601S"}
    # As Azure ML sets it for one process on each of three nodes, and as the runtime reads it.
    told = {"AZUREML_RUN_ID": NAME, "WORLD_SIZE": "3", "RANK": "2", "NODE_RANK": "2", "MASTER_ADDR": "10.0.0.4"}
    found = node_of({**job["environmentVariables"], **told, "MASTER_PORT": "6105"}, "/nowhere")
    assert (found.index, found.nodes, found.master_addr, found.has_ranks) == (2, 3, "10.0.0.4", False)


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_the_models_take_whatever_fits_the_stack(data: st.DataObject) -> None:
    job = data.draw(job_specs(STACK))
    run = f"{job.name}-{data.draw(st.from_regex(r'[0-9a-f]{8}', fullmatch=True))}"
    request = AzureMLLauncher(STACK).render(job, Origin(run, "ada", 0.0), attempt=data.draw(st.integers(0, 99)))
    assert refused_by_the_models(request) == []
    # https://learn.microsoft.com/azure/machine-learning/reference-yaml-job-command: what a job's name may be
    assert re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,254}", request["job"]["id"])
    pool = request["job"]["body"]["properties"]["computeId"].rpartition("/")[2]
    spot = {item.name: item.is_spot for item in STACK.pools}[pool]
    assert spot or job.capacity is Capacity.ON_DEMAND_ONLY


@given(st.from_regex(r"[a-z][a-z0-9-]{0,39}", fullmatch=True))
def test_a_pools_cluster_is_named_as_the_stack_declares_it(pool: str) -> None:
    pools = (STACK.pools[1].model_copy(update={"name": pool}),)
    request = rendered(job_of(), stack=STACK.model_copy(update={"pools": pools}))
    declared = name_for(names.COMPUTE, pool)
    assert request["job"]["body"]["properties"]["computeId"] == f"{WORKSPACE}/computes/{declared}"


def test_another_image_is_another_environment() -> None:
    one, other = rendered(job_of()), rendered(job_of(image="registry.example.com/other@sha256:" + "ab" * 32))
    assert one["environment"]["version"] != other["environment"]["version"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"image": None}, "names no image"),
        ({"env": {"NO-NAME": ""}}, "env is 'NO-NAME'"),
        ({"tags": {f"t{n}": "" for n in range(50)}}, "Azure takes 50"),
        ({"priority": 5}, "Azure ML has none: a compute cluster takes its jobs in order"),
        ({"queue": "default"}, "Azure ML has none: each compute cluster is its own queue"),
        ({"secret_refs": {"KEY": "api"}}, "Let the job read Key Vault"),
        ({"resources": Resources(accelerator="L4")}, "stack azure-prod has: spot-large"),
    ],
)
def test_what_azure_ml_can_not_do_is_said_before_anything_is_sent(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        rendered(digits(**{"resources": Resources(accelerator="T4"), **changes}))


def test_a_stack_without_a_workspace() -> None:
    registry = STACK.registry.model_copy(update={"models_ref": "elsewhere"})
    with pytest.raises(
        UserError, match=r"registry\.models_ref is 'elsewhere'; allowed: the id of an Azure ML workspace"
    ):
        rendered(job_of(), stack=STACK.model_copy(update={"registry": registry}))


# --- what Azure ML tells


@pytest.mark.parametrize(
    ("status", "reason", "told"),
    [
        ("Queued", "", ("queued", "", None)),
        ("Running", "", ("running", "", None)),
        ("CancelRequested", "", ("stopping", "", None)),
        ("Completed", "", ("succeeded", "", None)),
        ("Canceled", "", ("stopped", "", None)),
        ("Failed", "Execution failed. User process exited with status code 78.",
         ("failed", "Execution failed. User process exited with status code 78.", 78)),
        ("Failed", "AllocationFailed: no capacity in the region",
         ("failed", "AllocationFailed: no capacity in the region. Try again later, or let it run elsewhere: "
          "--capacity on_demand_only, or another pool.", None)),
    ],
)  # fmt: skip
def test_states(status: str, reason: str, told: tuple[Any, ...]) -> None:
    times = {"StartTimeUtc": "2026-05-06 00:00:00"}
    found = seen({"name": NAME, "properties": {"status": status, "properties": times}}, reason)
    assert (found.state, found.message, found.exit_code) == told
    assert (found.started_at, found.ended_at) == (1_778_025_600.0, None)


def test_every_status_that_azure_ml_knows_has_ours() -> None:
    command = next(item for item in model(SHAPES["jobs"]).members["properties"].options if item.name == "CommandJob")
    assert set(command.members["status"].enum) - {"Unknown"} == set(azureml.STATES)


@pytest.mark.parametrize(
    ("node", "url"), [(0, "a"), (1, "b"), (2, None)]
)  # fmt: skip
def test_a_nodes_log_whatever_its_number_is_padded_to(node: int, url: str | None) -> None:
    for padded in ("{}", "0{}", "00{}"):
        files = {f"user_logs/std_log_process_{padded.format(n)}.txt": url for n, url in enumerate("ab")}
        assert log_url({**files, "system_logs/x.txt": "c"}, node) == url
    assert log_url({"user_logs/std_log.txt": "a"}, 0) == "a"


# --- the flow


@pytest.fixture
def stand(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    served = Stand()
    monkeypatch.setenv("SKYWRIGHT_AZURE_ENDPOINT", served.url)
    monkeypatch.setattr(managed, "POLL_S", 0.0)
    yield served
    served.close()


@pytest.fixture
def stack(tmp_path: Path) -> StackContract:
    """The stack, its store on this disk: what is tried here is Azure ML."""
    store = {key: f"file://{tmp_path}/{key}" for key in ("data", "artifacts", "checkpoints")}
    return STACK.model_copy(update={"storage": StorageUrls(**store)})


def test_submit_follow_and_stop(stand: Stand, stack: StackContract) -> None:
    sender = launcher(stack)
    assert isinstance(sender, AzureMLLauncher)
    run = sender.submit(sender.render(job_of(params={"seed": 3}), ORIGIN))
    (job,) = stand.jobs.values()
    assert (run, job["name"]) == (ORIGIN.run, NAME)
    found = sender.status(run)
    assert (found.state, found.by, found.attempts) == ("queued", "ada", 1)
    assert found.detail["platform"] == {"job": NAME, "status": "Queued", "reason": None}
    job["properties"] |= {"status": "Running", "properties": {"StartTimeUtc": "2026-05-06 00:00:00"}}
    (listed,) = sender.runs()
    assert (listed.id, listed.state, listed.started_at) == (run, "running", 1_778_025_600.0)
    (event,) = sender.events(run)
    assert (event["type"], event["ref"], event["pool"]) == ("submitted", NAME, "spot-small")
    assert sender.stop(run, by="bo", reason="no need").state == "stopping"
    job["properties"]["status"] = "Canceled"
    assert [sender.status(run).state, sender.status(run).message] == ["stopped", "stopped by bo: no need"]
    assert sender.outputs(run).checkpoints_url == f"{stack.storage.checkpoints}/{run}"


def test_what_is_submitted_twice_is_one_job_and_one_environment_serves_all(stand: Stand, stack: StackContract) -> None:
    sender = AzureMLLauncher(stack)
    request = sender.render(job_of(), ORIGIN)
    assert sender.submit(request) == AzureMLLauncher(stack).submit(request) == ORIGIN.run
    sender.submit(sender.render(job_of(), ORIGIN, attempt=1))
    version = request["environment"]["version"]
    assert stand.puts == [f"environments/skywright-train/versions/{version}", f"jobs/{NAME}", f"jobs/{NAME[:-1]}1"]
    assert sender.status(ORIGIN.run).attempts == 2


def test_why_a_job_failed(stand: Stand, stack: StackContract) -> None:
    sender = AzureMLLauncher(stack)
    run = sender.submit(sender.render(job_of(), ORIGIN))
    stand.jobs[NAME]["properties"]["status"] = "Failed"
    stand.reasons[NAME] = "User process exited with exit code 78"
    found = sender.status(run)
    assert (found.state, found.message, found.exit_code) == ("failed", "User process exited with exit code 78", 78)


def test_the_log_of_a_rank(stand: Stand, stack: StackContract) -> None:
    sender = AzureMLLauncher(stack)
    run = sender.submit(sender.render(job_of(), ORIGIN))
    assert list(sender.logs(run)) == []
    stand.logs["user_logs/std_log_process_0.txt"] = 'plain\n{"rank": 0}\n{"rank": 1}\nhalf a li'
    stand.logs["user_logs/std_log_process_1.txt"] = "second\n"
    assert list(sender.logs(run, rank=1)) == ["second\n"]
    following = sender.logs(run, follow=True)
    assert next(following) == 'plain\n{"rank": 0}\n'
    stand.logs["user_logs/std_log_process_0.txt"] += "ne\n"
    assert next(following) == "half a line\n"
    stand.jobs[NAME]["properties"]["status"] = "Completed"
    assert list(following) == []


@pytest.mark.parametrize(
    ("refusal", "kind", "remedy"),
    [
        ((403, "AuthorizationFailed", "The client does not have authorization to perform action"), "permission",
         "pipeline"),
        ((401, "ExpiredAuthenticationToken", "The access token expiry UTC time is earlier"), "credentials", "az login"),
        ((400, "QuotaExceeded", "Not enough low-priority cores"), "quota", "Azure ML studio under Quota"),
        ((400, "UserError", "The image could not be pulled: manifest unknown"), "image", "skywright image push"),
        ((409, "ZonalAllocationFailed", "Allocation failed"), "capacity", "on_demand_only"),
        ((400, "UserError", "Unknown compute target 'spot-small'"), "request", "does not take"),
        ((400, "DataAccessError", "The datastore can't be read"), "data", "inputs"),
    ],
)  # fmt: skip
def test_a_refusal_is_one_line_and_stays_in_the_record(
    stand: Stand, stack: StackContract, refusal: tuple[int, str, str], kind: str, remedy: str
) -> None:
    stand.refusal = refusal
    sender = AzureMLLauncher(stack)
    with pytest.raises(LaunchError) as refused:
        sender.submit(sender.render(job_of(), ORIGIN))
    assert refused.value.kind == kind and remedy in refused.value.remedy
    assert refusal[2] in refused.value.what and "\n" not in str(refused.value)
    (event,) = sender.events(ORIGIN.run)
    assert (event["type"], event["why"]) == ("refused", kind)
    found = sender.status(ORIGIN.run)
    assert found.state == "failed" and refusal[2] in found.message and stand.jobs == {}


def test_without_credentials(stack: StackContract, monkeypatch: pytest.MonkeyPatch) -> None:
    from azure.core.exceptions import ClientAuthenticationError

    class Nobody:
        def get_token(self, *_: Any, **__: Any) -> Any:
            raise ClientAuthenticationError("DefaultAzureCredential failed to retrieve a token.\nAttempted: ...")

        get_token_info = get_token

    sender = AzureMLLauncher(stack)
    monkeypatch.setitem(sender.__dict__, "_connection", {"credential": Nobody()})
    with pytest.raises(LaunchError, match="credentials for azure are missing or expired") as refused:
        sender.submit(sender.render(job_of(), ORIGIN))
    assert refused.value.kind == "credentials" and "az login" in refused.value.remedy
    assert "\n" not in str(refused.value)


def test_a_stand_in_is_never_elsewhere_than_here(stack: StackContract, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKYWRIGHT_AZURE_ENDPOINT", "http://example.com")
    sender = AzureMLLauncher(stack)
    with pytest.raises(UserError, match=r"allowed: http://127\.0\.0\.1:PORT"):
        sender.submit(sender.render(job_of(), ORIGIN))
