"""Vertex AI: the request against the discovery document and the client's own protos."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from contracts import contract, digits, job_specs
from hypothesis import given, settings
from hypothesis import strategies as st
from vertex_child import Child

from catalog.errors import UserError
from infra.rehearsal.core.validate import violations
from infra.rehearsal.gcp.model import method, schema
from infra.rehearsal.gcp.requests import words
from ml_jobs.contract import Capacity, JobSpec, Resources, Retries, StackContract, Telemetry
from ml_jobs.launch import vertex
from ml_jobs.launch.base import Origin
from ml_jobs.launch.vertex import VertexLauncher
from ml_jobs.runtime.platforms import node as node_of

STACK = contract("gcp-prod")
PARENT = "projects/acme-ml/locations/europe-west4"
ORIGIN = Origin("digits-0123abcd", "ada", 1_760_000_000.0, {"git": {"commit": "abc"}})
CREATE = "projects.locations.customJobs.create"


@pytest.fixture(scope="module")
def child() -> Iterator[Child]:
    started = Child()
    yield started
    started.close()


def rendered(job: JobSpec, *, attempt: int = 0, stack: StackContract = STACK) -> dict[str, Any]:
    return VertexLauncher(stack).render(job, ORIGIN, attempt=attempt)


def refused_by_discovery(request: dict[str, Any]) -> list[str]:
    assert set(request) == {"parent", "customJob"}
    shape = method("aiplatform.v1", CREATE).body
    assert shape is not None
    return [words(CREATE, wrong) for wrong in violations(request["customJob"], shape)]


def job_of(**changes: Any) -> JobSpec:
    return digits(resources=Resources(accelerator="L4", nodes=2), **changes)


# --- the request


def test_digits_on_spot() -> None:
    request = rendered(digits(resources=Resources(accelerator="L4")))
    assert refused_by_discovery(request) == []
    assert request["parent"] == PARENT
    job = request["customJob"]
    (pool,) = job["jobSpec"]["workerPoolSpecs"]
    assert pool["replicaCount"] == 1
    assert pool["machineSpec"] == {
        "machineType": "g2-standard-4", "acceleratorType": "NVIDIA_L4", "acceleratorCount": 1
    }  # fmt: skip
    assert job["jobSpec"]["serviceAccount"] == STACK.identities.training
    assert job["encryptionSpec"] == {"kmsKeyName": STACK.storage.key}
    assert job["jobSpec"]["scheduling"] == {
        "strategy": "SPOT", "timeout": "604800s", "maxWaitDuration": "604800s", "restartJobOnWorkerRestart": True
    }  # fmt: skip
    assert job["labels"].items() >= {"stack": "gcp-prod", "run": "digits-0123abcd", "attempt": "0"}.items()
    assert "tensorboard" not in job["jobSpec"] and "network" not in job["jobSpec"]


def test_several_nodes_of_gpus_meet_at_the_first_pools_replica() -> None:
    request = rendered(digits(resources=Resources(accelerator="A100-80", count=8, nodes=3), deadline_s=3600.5))
    assert refused_by_discovery(request) == []
    spec = request["customJob"]["jobSpec"]
    assert [pool["replicaCount"] for pool in spec["workerPoolSpecs"]] == [1, 2]
    assert spec["scheduling"]["timeout"] == spec["scheduling"]["maxWaitDuration"] == "3601s"
    variables = {item["name"]: item["value"] for item in spec["workerPoolSpecs"][1]["containerSpec"]["env"]}
    assert variables["SKYWRIGHT_NODES"] == "3"
    # As Vertex sets it for these pools, and as the runtime reads it.
    cluster = {
        f"workerpool{number}": [f"job-workerpool{number}-{index}:2222" for index in range(pool["replicaCount"])]
        for number, pool in enumerate(spec["workerPoolSpecs"])
    }
    told = json.dumps({"cluster": cluster, "task": {"type": "workerpool1", "index": 1}})
    found = node_of({**variables, "CLUSTER_SPEC": told}, "/nowhere")
    assert (found.index, found.nodes, found.master_addr, found.platform) == (2, 3, "job-workerpool0-0", "vertex")


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_discovery_takes_whatever_fits_the_stack(data: st.DataObject) -> None:
    job = data.draw(job_specs(STACK))
    run = f"{job.name}-{data.draw(st.from_regex(r'[0-9a-f]{8}', fullmatch=True))}"
    request = VertexLauncher(STACK).render(job, Origin(run, "ada", 0.0), attempt=data.draw(st.integers(0, 99)))
    assert refused_by_discovery(request) == []
    assert len(request["customJob"]["displayName"]) <= 128
    labels = request["customJob"]["labels"]
    assert all(key[0].isalpha() and len(key) <= 63 and len(value) <= 63 for key, value in labels.items())
    nodes = sum(pool["replicaCount"] for pool in request["customJob"]["jobSpec"]["workerPoolSpecs"])
    assert nodes == job.resources.nodes


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_the_clients_protos_take_it_and_give_it_back(child: Child, data: st.DataObject) -> None:
    request = rendered(data.draw(job_specs(STACK)))
    parsed = child("parse", request=request)
    assert _without_nothing(parsed) == _without_nothing(_numbers_as_text(dict(request)))


def _numbers_as_text(value: Any, key: str = "") -> Any:
    """64-bit numbers are text in proto3's JSON."""
    if isinstance(value, dict):
        return {name: _numbers_as_text(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_numbers_as_text(item) for item in value]
    return str(value) if key == "replicaCount" else value


def _without_nothing(value: Any) -> Any:
    """Without what is empty: proto3 does not tell that from what isn't there."""
    if isinstance(value, dict):
        kept = {key: _without_nothing(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item not in ("", [], {}, False, 0)}
    return [_without_nothing(item) for item in value] if isinstance(value, list) else value


def test_a_tensorboard_gets_a_folder_to_read() -> None:
    board = f"{PARENT}/tensorboards/17"
    spec = rendered(job_of(), stack=STACK.model_copy(update={"telemetry": Telemetry(tensorboard_ref=board)}))
    assert refused_by_discovery(spec) == []
    assert spec["customJob"]["jobSpec"]["tensorboard"] == board
    base = spec["customJob"]["jobSpec"]["baseOutputDirectory"]["outputUriPrefix"]
    assert base == f"{STACK.storage.artifacts}/runs/digits-0123abcd/vertex"


@pytest.mark.parametrize(
    ("capacity", "failures", "scheduling"),
    [
        (Capacity.SPOT_ONLY, 0, {"strategy": "SPOT", "restartJobOnWorkerRestart": True}),
        (Capacity.ON_DEMAND_ONLY, 2, {"strategy": "STANDARD", "restartJobOnWorkerRestart": True}),
        (Capacity.ON_DEMAND_ONLY, 0, {"strategy": "STANDARD", "disableRetries": True}),
    ],
)
def test_what_spot_takes_always_comes_back(capacity: Capacity, failures: int, scheduling: dict[str, Any]) -> None:
    job = job_of(capacity=capacity, retries=Retries(failure=failures))
    found = rendered(job)["customJob"]["jobSpec"]["scheduling"]
    assert {key: value for key, value in found.items() if not key.endswith(("timeout", "Duration"))} == scheduling


def test_no_variable_of_the_job_is_expanded() -> None:
    pool = rendered(job_of(env={"A": "$(HOME) $x $$(y)"}))["customJob"]["jobSpec"]["workerPoolSpecs"][0]
    assert {"name": "A", "value": "$$(HOME) $x $$$(y)"} in pool["containerSpec"]["env"]


@pytest.mark.parametrize(
    ("tags", "label", "value"),
    [
        ({"Cost Center": "R&D"}, "cost-center", "r-d"),
        ({"1st": "x"}, "x1st", "x"),
        ({"run": "theirs"}, "run", ORIGIN.run),
    ],
)
def test_tags_become_labels(tags: dict[str, str], label: str, value: str) -> None:
    assert rendered(job_of(tags=tags))["customJob"]["labels"][label] == value


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"image": None}, "names no image"),
        ({"env": {f"V{n}": "" for n in range(100)}}, "up to 100 on Vertex AI"),
        ({"env": {"NO-NAME": ""}}, "env is 'NO-NAME'"),
        ({"tags": {f"t{n}": "" for n in range(60)}}, "up to 64 on Google Cloud"),
        ({"priority": 5}, "Vertex AI has none: its jobs start as quota and capacity come"),
        ({"queue": "default"}, "Vertex AI has none: jobs go straight to capacity"),
        ({"secret_refs": {"KEY": "api"}}, "Let the job read Secret Manager"),
        ({"resources": Resources(accelerator="A10G")}, "stack gcp-prod has: spot-large"),
    ],
)
def test_what_vertex_can_not_do_is_said_before_anything_is_sent(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        rendered(digits(**{"resources": Resources(accelerator="L4"), **changes}))


def test_a_pool_that_vertex_does_not_rent() -> None:
    pools = (STACK.pools[1].model_copy(update={"instance_type": "g2-standard-5"}),)
    with pytest.raises(UserError, match="pool spot-small is g2-standard-5 with 1 x L4; Vertex AI has: g2-standard-4"):
        rendered(digits(resources=Resources(accelerator="L4")), stack=STACK.model_copy(update={"pools": pools}))


def test_every_state_that_vertex_knows_has_ours() -> None:
    known = set(schema("aiplatform.v1", "GoogleCloudAiplatformV1CustomJob").members["state"].enum)
    assert known - {"JOB_STATE_UNSPECIFIED"} == set(vertex.STATES)
