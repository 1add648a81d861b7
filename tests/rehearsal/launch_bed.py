"""The API server that launchers are tried before: with JobSet's and Kueue's kinds and what the example stack declares.

Nothing acts there: no controller runs. What controllers would write (conditions of JobSets and workloads) the tests
write through the status subresource; that they do write it is held in tests/cluster.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from declared_objects import bodies

from infra.rehearsal.kubernetes import client, objects, serve
from infra.rehearsal.kubernetes.api import Api
from infra.rehearsal.kubernetes.server import Server
from infra.settings import from_file
from ml_jobs.contract import JobSpec, StackContract
from ml_jobs.launch.base import Origin, new_run
from ml_jobs.launch.kubernetes import KubernetesLauncher
from ml_jobs.launch.kubernetes_api import JOBSETS, Cluster, Kind
from tests.graph.harness import STACKS, declare
from tests.ml_jobs.launch.contracts import contract, digits

PROD = contract("kubernetes-prod")
RESEARCH = "skywright-team-research"
NEEDED = (
    "Namespace", "ServiceAccount", "LimitRange", "ResourceQuota", "PriorityClass", "Role", "RoleBinding",
    "ResourceFlavor", "ClusterQueue", "LocalQueue", "WorkloadPriorityClass", "NetworkPolicy",
)  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve.cluster(tmp_path_factory.mktemp("cluster") / "server") as running:
        api = Api(client.connect(running))
        for body in bodies(declare(from_file(STACKS / "Pulumi.kubernetes-prod.yaml"))):
            if body["kind"] in NEEDED:
                api.apply(body, objects.ref(body), is_forced=True)
                if body["kind"] == "ResourceQuota":  # its controller would count what is used: nothing yet
                    hard = body["spec"]["hard"]
                    write_status(
                        running, Kind("v1", "resourcequotas"), body, {"hard": hard, "used": dict.fromkeys(hard, "0")}
                    )
        yield running


@pytest.fixture(scope="module")
def cluster(server: Server) -> Cluster:
    return Cluster(client.connect(server).client)


@pytest.fixture
def stack() -> StackContract:
    """The example's, with a store of artifacts in this process."""
    storage = PROD.storage.model_copy(update={"artifacts": f"memory://{uuid.uuid4().hex}/artifacts"})
    return PROD.model_copy(update={"storage": storage})


@pytest.fixture
def sender(stack: StackContract, cluster: Cluster) -> KubernetesLauncher:
    return KubernetesLauncher(stack, cluster=cluster)


def sender_as(server: Server, stack: StackContract, user: str, group: str = "") -> KubernetesLauncher:
    return KubernetesLauncher(stack, cluster=Cluster(client.connect(server, as_user=user, as_group=group).client))


def write_status(running: Server, kind: Kind, body: dict[str, Any], status: dict[str, Any]) -> None:
    metadata = body["metadata"]
    path = f"{kind.path(metadata['namespace'], metadata['name'])}/status"
    client.connect(running).request(
        "patch", path, body={"status": status}, content_type="application/merge-patch+json", serialize=False
    )


def origin(job: JobSpec) -> Origin:
    return Origin(new_run(job), "ada", 1_762_000_000.0, {"git": None})


def asking(team: str = "recommendations", **changes: Any) -> JobSpec:
    return digits(team=team, **changes)


def workload(server: Server, jobset: dict[str, Any], *conditions: dict[str, str]) -> None:
    """As Kueue makes one for a JobSet."""
    metadata = {
        "name": f"jobset-{jobset['metadata']['name']}",
        "namespace": jobset["metadata"]["namespace"],
        "ownerReferences": [
            {"apiVersion": jobset["apiVersion"], "kind": "JobSet", "name": jobset["metadata"]["name"],
             "uid": jobset["metadata"]["uid"], "controller": True},
        ],
    }  # fmt: skip
    body: dict[str, Any] = {"apiVersion": "kueue.x-k8s.io/v1beta1", "kind": "Workload", "metadata": metadata}
    (workers,) = jobset["spec"]["replicatedJobs"]
    podset = {"name": workers["name"], "count": 1, "template": workers["template"]["spec"]["template"]}
    body["spec"] = {"podSets": [podset]}
    Api(client.connect(server)).apply(body, objects.ref(body), is_forced=True)
    write_status(server, Kind("kueue.x-k8s.io/v1beta1", "workloads"), body, {"conditions": list(conditions)})


def condition(kind: str, status: str = "True", reason: str = "Because", message: str = "") -> dict[str, str]:
    return {
        "type": kind, "status": status, "reason": reason, "message": message,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }  # fmt: skip


def submitted(sender: KubernetesLauncher, cluster: Cluster, **changes: Any) -> tuple[str, dict[str, Any]]:
    job = asking(**changes)
    request = sender.render(job, origin(job))
    run = sender.submit(request)
    metadata = request["jobset"]["metadata"]
    jobset = cluster.get(JOBSETS, metadata["namespace"], metadata["name"])
    assert jobset
    return run, jobset
