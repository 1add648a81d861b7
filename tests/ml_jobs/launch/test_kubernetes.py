"""Kubernetes: the request as its runtime and its stack read it.

What the API server and the controllers take is held in tests/rehearsal/test_launch_accepted.py and in tests/cluster.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from contracts import contract, digits, job_specs
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.errors import UserError
from components.kubernetes import flavors, names, platform, pods, traffic, volumes
from ml_jobs.contract import JobSpec, Pool, StackContract
from ml_jobs.launch import kubernetes_request
from ml_jobs.launch.base import Feature, Origin, launcher, new_run
from ml_jobs.launch.kubernetes import KubernetesLauncher
from ml_jobs.launch.kubernetes_pod import WORKERS
from ml_jobs.runtime import environment, platforms

PROD = contract("kubernetes-prod")
EKS = contract("aws-cluster")
ORIGIN = Origin("digits-0123abcd", "ada", 1_760_000_000.0, {"git": {"commit": "abc"}})
A100 = {"accelerator": "A100-40", "count": 8, "nodes": 2}
CLAIMS = PROD.model_copy(
    update={
        "storage": PROD.storage.model_copy(
            update={
                "data": "file:///mnt/skywright/data",
                "checkpoints": "file:///mnt/skywright/checkpoints",
                "artifacts": "http://mlflow.skywright.svc:5000/api/2.0/mlflow-artifacts/artifacts",
            }
        )
    }
)
"""Storage as a stack without an object store has it."""


def asking(team: str = "recommendations", **changes: Any) -> JobSpec:
    return digits(team=team, **changes)


def jobset(job: JobSpec, stack: StackContract = PROD, *, attempt: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = KubernetesLauncher(stack).render(job, ORIGIN, attempt=attempt)["jobset"]
    return found


def workers(job: JobSpec, stack: StackContract = PROD) -> dict[str, Any]:
    (only,) = jobset(job, stack)["spec"]["replicatedJobs"]
    found: dict[str, Any] = only["template"]["spec"]
    return found


def pod(job: JobSpec, stack: StackContract = PROD) -> dict[str, Any]:
    found: dict[str, Any] = workers(job, stack)["template"]["spec"]
    return found


def variables(job: JobSpec, stack: StackContract = PROD) -> dict[str, Any]:
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in pod(job, stack)["containers"][0]["env"]}


# --- the request


@pytest.mark.parametrize("stack", [PROD, EKS], ids=["brought", "aws"])
def test_a_stack_whose_queues_lie_on_a_cluster_is_launched_there(stack: StackContract) -> None:
    assert isinstance(launcher(stack), KubernetesLauncher)
    assert set(KubernetesLauncher.lacks) == {Feature.FALLBACK}


@pytest.mark.parametrize(
    ("job", "namespace", "queue"),
    [
        (asking(resources=A100), "skywright-team-recommendations", "spot"),
        (asking("research", resources=A100), "skywright-team-research", "spot"),
        (asking(), "skywright-team-recommendations", "on-demand"),
        (asking(resources={"accelerator": "L4"}), "skywright-team-recommendations", "on-demand"),
        (asking(queue="research-on-demand"), "skywright-team-research", "on-demand"),
    ],
)
def test_a_job_goes_to_its_teams_queue_in_front_of_the_capacity_that_fits(
    job: JobSpec, namespace: str, queue: str
) -> None:
    metadata = jobset(job)["metadata"]
    assert (metadata["namespace"], metadata["labels"]["kueue.x-k8s.io/queue-name"]) == (namespace, queue)


@pytest.mark.parametrize(("priority", "level"), [(-100, "low"), (-1, "low"), (0, "normal"), (1, "high"), (100, "high")])
def test_a_priority_counts_by_its_sign(priority: int, level: str) -> None:
    labels = jobset(asking(priority=priority))["metadata"]["labels"]
    assert labels["kueue.x-k8s.io/priority-class"] == f"skywright-kubernetes-prod-{level}"


@pytest.mark.parametrize(
    ("job", "stack", "message"),
    [
        (asking().model_copy(update={"image": None}), PROD, r"names no image.*skywright image push"),
        (asking("digits"), PROD, r"team 'digits', which has no queue.*recommendations, research"),
        (asking("reserch"), PROD, r"Did you mean research\?"),
        (asking(queue="research-spto"), PROD, r"Did you mean research-spot\?"),
        (asking(queue="research-spot", capacity="on_demand_only"), PROD, r"queue research-spot is in front of, spot"),
        (asking(queue="research-on-demand", resources=A100), PROD, r"on on demand only capacity"),
        (asking(resources={"accelerator": "A10", "count": 8}), PROD, r"stack kubernetes-prod has: spot-gpu"),
        (asking(secret_refs={"TOKEN": "Hub Token"}), PROD, r"secret_refs.TOKEN is 'Hub Token'.*SECRET#KEY"),
        (asking(resources={"count": 8, "cpu": 2}), EKS, r"8 ranks of 2 cores on a node; pool cpu has 8 cores"),
    ],
)
def test_what_the_stack_has_not_is_one_line_with_what_it_has(job: JobSpec, stack: StackContract, message: str) -> None:
    with pytest.raises(UserError, match=message):
        jobset(job, stack)


def pool_of(name: str, accelerator: str = "A100-40", count: int = 8, **labels: str) -> Pool:
    return Pool(
        name=name, accelerator=accelerator, count=count, instance_type="node", is_spot=True, max_count=4,
        node_labels=labels,
    )  # fmt: skip


def reached(job: JobSpec, *pools: Pool) -> set[str]:
    """The pools whose flavors agree with what the job's pod asks of its node, as Kueue and the scheduler judge it."""
    spec = pod(job, PROD.model_copy(update={"pools": pools}))
    if "affinity" not in spec:
        return {each.name for each in pools}
    (terms,) = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"].values()
    return {
        each.name
        for each in pools
        if any(
            all(each.node_labels.get(asked["key"]) in asked["values"] for asked in term["matchExpressions"])
            for term in terms
        )
    }


H100 = pool_of("h100", "H100", gpu="h100", zone="a")


@pytest.mark.parametrize(
    ("pools", "found"),
    [
        ([pool_of("a", gpu="a100"), H100], {"a"}),
        ([pool_of("a", gpu="a100"), pool_of("b", sort="a100"), H100], {"a", "b"}),
        ([pool_of("a", gpu="a100", size="8"), pool_of("one", count=1, gpu="a100")], {"a"}),
        ([pool_of("a", gpu="a100"), pool_of("b", gpu="a100")], {"a", "b"}),
    ],
    ids=["another kind", "two that fit", "too few on a node", "alike"],
)
def test_of_a_queue_that_leads_to_several_accelerators_a_job_reaches_those_that_fit(
    pools: list[Pool], found: set[str]
) -> None:
    assert reached(asking(resources=A100), *pools) == found


@pytest.mark.parametrize("labels", [{}, {"zone": "a"}, {"gpu": "h100", "zone": "a"}])
def test_accelerators_whose_nodes_no_label_tells_apart_are_refused(labels: dict[str, str]) -> None:
    with pytest.raises(UserError, match=r"leads to 8 H100 of pool h100 as well, and no label tells .*node_labels"):
        reached(asking(resources=A100), pool_of("a", **labels), H100)


def test_a_job_asks_for_nodes_by_name_only_where_a_cloud_made_them() -> None:
    assert not {"nodeSelector", "affinity"} & set(pod(asking(resources=A100)))
    assert not {"nodeSelector", "affinity"} & set(pod(asking(), PROD.model_copy(update={"pools": (*PROD.pools, H100)})))
    assert pod(asking(resources=A100), EKS)["nodeSelector"] == {flavors.POOL_LABEL: "spot-gpu"}


@pytest.mark.parametrize(("stack", "seconds"), [(PROD, 30), (EKS, 120)], ids=["brought", "aws"])
def test_a_pod_has_its_pools_notice_to_end_in_and_knows_it(stack: StackContract, seconds: int) -> None:
    job = asking(resources=A100)
    assert pod(job, stack)["terminationGracePeriodSeconds"] == seconds
    assert variables(job, stack)[environment.NOTICE_VARIABLE] == str(seconds)


@pytest.mark.parametrize("index", [0, 1])
def test_the_runtime_finds_its_place_and_its_job_in_what_the_pod_is_given(tmp_path: Path, index: int) -> None:
    job = asking(resources=A100, env={"MINE": "$(HOME)", "SKYWRIGHT_POOL": "mine"})
    request = KubernetesLauncher(PROD).render(job, ORIGIN)
    for name, text in request["configmap"]["data"].items():
        (tmp_path / name).write_text(text)
    given = {name: text for name, text in variables(job).items() if isinstance(text, str)}
    env = {name: text.replace("/etc/skywright", str(tmp_path)) for name, text in given.items()}
    env["JOB_COMPLETION_INDEX"] = str(index)
    node = platforms.node(env)
    assert (node.platform, node.index, node.nodes) == ("kubernetes", index, 2)
    assert (node.master_addr, node.master_port) == ("digits-0123abcd-w-0-0.digits-0123abcd", 29_500)
    found = environment.job(env)
    assert (found.spec, found.id, found.pool) == (job, ORIGIN.run, "spot-gpu"), "the job's env can't replace ours"
    assert (found.origin["by"], found.origin["lineage"]) == ("ada", ORIGIN.lineage)
    assert found.url == f"{PROD.storage.artifacts}/runs/{ORIGIN.run}"
    assert environment.contract(env) == PROD
    assert given["MINE"] == "$$(HOME)", "what a job sets is not expanded"


def test_secrets_come_by_reference() -> None:
    found = variables(asking(secret_refs={"TOKEN": "hub", "KEY": "k8s://secrets/hub#api.key"}))
    assert found["TOKEN"] == {"secretKeyRef": {"name": "hub", "key": "TOKEN"}}
    assert found["KEY"] == {"secretKeyRef": {"name": "hub", "key": "api.key"}}


def test_a_stack_without_an_object_store_mounts_its_teams_claims() -> None:
    found = pod(asking(), CLAIMS)
    paths = {mount["name"]: mount["mountPath"] for mount in found["containers"][0]["volumeMounts"]}
    claims = {
        volume["persistentVolumeClaim"]["claimName"]: paths[volume["name"]]
        for volume in found["volumes"]
        if "persistentVolumeClaim" in volume
    }
    assert claims == {role: f"{volumes.MOUNT}/{role}" for role in ("data", "checkpoints")}
    nfs = CLAIMS.storage.model_copy(update={"data": "file:///nfs/data"})
    with pytest.raises(UserError, match="file:///nfs/data, which no pod may mount"):
        pod(asking(), CLAIMS.model_copy(update={"storage": nfs}))


def test_what_is_named_here_is_what_the_stack_declares() -> None:
    job = asking(resources=A100)
    labels = workers(job)["template"]["metadata"]["labels"]
    assert labels[traffic.ROLE_LABEL] == "training"
    spec = pod(job)
    assert spec["serviceAccountName"] == names.TRAINING_ACCOUNT
    assert platform.METRICS_PORT in [
        port["containerPort"] for port in spec["containers"][0]["ports"] if port["name"] == "metrics"
    ]
    assert pods.plain_pod_security().items() <= spec["securityContext"].items()
    assert pods.plain_container_security() == spec["containers"][0]["securityContext"]
    assert jobset(job)["metadata"]["namespace"] == names.team_namespace("skywright", job.team)
    azure = EKS.model_copy(update={"cloud": "azure"})
    assert workers(job, azure)["template"]["metadata"]["labels"]["azure.workload.identity/use"] == "true"


def gib(amount: str) -> float:
    return int(amount.removesuffix("Mi")) / 1024


def cores(amount: str) -> float:
    return int(amount.removesuffix("m")) / 1000


@pytest.mark.parametrize("stack", [PROD, EKS], ids=["brought", "aws"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_job_is_named_bounded_and_counted_by_the_queues_alone(stack: StackContract, data: st.DataObject) -> None:
    job = data.draw(job_specs(stack))
    origin = Origin(new_run(job), "ada", 1.0)
    try:
        request = kubernetes_request.render(job, stack, origin, data.draw(st.integers(0, 99)))
    except UserError as refusal:
        assert "cores" in str(refusal) and job.resources.count * job.resources.cpu > 8
        return
    assert request == json.loads(json.dumps(request))
    body = request["jobset"]
    (only,) = body["spec"]["replicatedJobs"]
    host = f"{body['metadata']['name']}-{only['name']}-0-{job.resources.nodes - 1}-abcde"
    assert re.fullmatch(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", host), host
    for value in body["metadata"]["labels"].values():
        assert re.fullmatch(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?", value)
    spec = only["template"]["spec"]
    assert spec["parallelism"] == spec["completions"] == job.resources.nodes
    container = spec["template"]["spec"]["containers"][0]
    env = [each["name"] for each in container["env"]]
    assert len(env) == len(set(env))
    amounts, devices = container["resources"], job.resources.count if job.resources.accelerator else 0
    for each in amounts.values():
        assert set(each) <= {"cpu", "memory", "nvidia.com/gpu"}
        assert each.get("nvidia.com/gpu", 0) == devices
    assert cores(amounts["requests"]["cpu"]) <= cores(amounts["limits"]["cpu"])
    assert gib(amounts["requests"]["memory"]) <= gib(amounts["limits"]["memory"])


def test_a_whole_nodes_job_leaves_the_node_its_own_and_is_limited_below_its_memory() -> None:
    """p4d.24xlarge: 96 vCPUs, 1152 GiB; m5.2xlarge: 8 vCPUs, 32 GiB."""
    whole = pod(asking(resources=A100), EKS)["containers"][0]["resources"]
    assert cores(whole["limits"]["cpu"]) == 96
    assert 8 * 14 < gib(whole["limits"]["memory"]) < 1152 * 0.9
    cpu = pod(asking(resources={"count": 8}), EKS)["containers"][0]["resources"]
    assert cores(cpu["requests"]["cpu"]) <= 7
    assert gib(cpu["limits"]["memory"]) <= 30


@pytest.mark.parametrize("attempt", [0, 1, 99])
def test_the_pods_of_the_longest_run_can_be_named(attempt: int) -> None:
    name = kubernetes_request.name_of(f"{'a' * 40}-0123abcd", attempt)
    assert len(f"{name}-{WORKERS}-0-511-abcde") <= 63
    assert (name == f"{'a' * 40}-0123abcd") is (attempt == 0)


def test_each_attempt_has_a_name_of_its_own() -> None:
    first, second = jobset(asking()), jobset(asking(), attempt=1)
    assert (first["metadata"]["name"], second["metadata"]["name"]) == ("digits-0123abcd", "digits-0123abcd-1")
    assert {each["metadata"]["labels"]["skywright.dev/run"] for each in (first, second)} == {"digits-0123abcd"}
