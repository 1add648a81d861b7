"""Requests as a real API server takes them, with the pods that they would make (accepted)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from launch_bed import PROD, asking, cluster, origin, server

from ml_jobs.contract import JobSpec
from ml_jobs.launch import kubernetes_request
from ml_jobs.launch.base import LaunchError
from ml_jobs.launch.kubernetes_api import CONFIG_MAPS, JOBSETS, PODS, Cluster, Kind
from tests.ml_jobs.launch.contracts import contract, job_specs

__all__ = ["cluster", "server"]

EIGHT = {"accelerator": "A100-40", "count": 8, "nodes": 1}


def accept(cluster: Cluster, request: dict[str, Any]) -> None:
    """Raises LaunchError unless the server would take each object, and the pods that the JobSet's Job would make."""
    cluster.create(CONFIG_MAPS, request["configmap"], is_dry=True)
    cluster.create(JOBSETS, request["jobset"], is_dry=True)
    metadata = request["jobset"]["metadata"]
    job = request["jobset"]["spec"]["replicatedJobs"][0]["template"]["spec"]
    name = {"name": metadata["name"], "namespace": metadata["namespace"]}
    plain = {**job, "template": job["template"]}
    cluster.create(Kind("batch/v1", "jobs"), {"metadata": name, "spec": plain}, is_dry=True)
    template = job["template"]
    pod = {"metadata": {**name, **template["metadata"]}, "spec": template["spec"]}
    cluster.create(PODS, pod, is_dry=True)


@pytest.mark.parametrize(
    "job",
    [
        asking(),
        asking(resources={**EIGHT, "nodes": 3}),
        asking(resources={"accelerator": "L4"}, capacity="on_demand_only", priority=50, deadline_s=3600.5),
        asking(resources={"count": 8, "nodes": 4, "cpu": 2}, queue="research-on-demand"),
        asking(resources=EIGHT, env={"A": "$(B) $$ x"}, secret_refs={"TOKEN": "hub-token", "KEY": "hub#key"}),
        asking(resources=EIGHT, tags={"cost center": "ünï", "-": "x", "a" * 90: "b" * 90}),
    ],
    ids=["digits", "nodes", "on-demand", "queue", "secrets", "tags"],
)
def test_what_is_rendered_is_taken_with_its_pods_restricted_and_within_the_teams_quota(
    cluster: Cluster, job: JobSpec
) -> None:
    accept(cluster, kubernetes_request.render(job, PROD, origin(job)))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    job=job_specs(
        PROD,
        priority=st.integers(-100, 100),
        secret_refs=st.dictionaries(st.from_regex(r"\A[A-Z][A-Z0-9_]{0,20}\Z"), st.just("hub-token"), max_size=2),
    )
)
def test_any_job_that_a_pool_can_run_is_taken(cluster: Cluster, job: JobSpec) -> None:
    accept(cluster, kubernetes_request.render(job, PROD, origin(job)))


def test_what_a_cloud_runs_is_taken_too(cluster: Cluster) -> None:
    """Its pods name the pool's nodes; their priority class is that stack's, which isn't declared here."""
    job = asking(resources={**EIGHT, "nodes": 2})
    request = kubernetes_request.render(job, contract("aws-cluster"), origin(job))
    cluster.create(JOBSETS, request["jobset"], is_dry=True)
    template = request["jobset"]["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]
    assert template["spec"]["nodeSelector"] == {"skywright.dev/pool": "spot-gpu"}


def test_a_field_that_the_server_does_not_know_is_refused_in_its_words(cluster: Cluster) -> None:
    job = asking()
    body = kubernetes_request.render(job, PROD, origin(job))["jobset"]
    body["spec"]["failurePolicy"]["maxRestart"] = 1
    with pytest.raises(LaunchError, match="maxRestart") as refused:
        cluster.create(JOBSETS, body, is_dry=True)
    assert refused.value.kind == "request"
