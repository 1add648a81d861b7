"""Runs before a real API server that has JobSet's and Kueue's kinds and what the example stack declares (accepted).

Nothing acts here: no controller runs. What controllers would write (conditions of JobSets and workloads) the tests
write through the status subresource; that they do write it is held in tests/cluster. A kubelet is an HTTPS server.
"""

from __future__ import annotations

import json
import ssl
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from declared_objects import bodies
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.errors import SkywrightError, UserError
from infra.rehearsal.kubernetes import certificates, client, objects, processes, serve
from infra.rehearsal.kubernetes.api import Api
from infra.rehearsal.kubernetes.server import Server
from infra.settings import from_file
from ml_jobs.contract import JobSpec, StackContract
from ml_jobs.launch import kubernetes_request
from ml_jobs.launch.base import Launcher, LaunchError, Origin, launcher, new_run
from ml_jobs.launch.kubernetes import KubernetesLauncher
from ml_jobs.launch.kubernetes_api import CONFIG_MAPS, JOBSETS, PODS, Cluster, Kind
from tests.graph.harness import STACKS, declare
from tests.ml_jobs.launch.contracts import contract, digits, job_specs

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
                    _write_status(
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


def _write_status(running: Server, kind: Kind, body: dict[str, Any], status: dict[str, Any]) -> None:
    metadata = body["metadata"]
    path = f"{kind.path(metadata['namespace'], metadata['name'])}/status"
    client.connect(running).request(
        "patch", path, body={"status": status}, content_type="application/merge-patch+json", serialize=False
    )


def origin(job: JobSpec) -> Origin:
    return Origin(new_run(job), "ada", 1_762_000_000.0, {"git": None})


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


def asking(team: str = "recommendations", **changes: Any) -> JobSpec:
    return digits(team=team, **changes)


EIGHT = {"accelerator": "A100-40", "count": 8, "nodes": 1}


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


def test_a_run_is_submitted_once_however_often_it_is_sent(sender: KubernetesLauncher, cluster: Cluster) -> None:
    job = asking()
    request = sender.render(job, origin(job))
    run = sender.submit(request)
    assert sender.submit(request) == run
    found = sender.status(run)
    assert (found.id, found.name, found.team, found.by, found.params) == (run, "digits", job.team, "ada", job.params)
    assert found.submitted_at == 1_762_000_000.0
    namespace, name = request["jobset"]["metadata"]["namespace"], request["jobset"]["metadata"]["name"]
    jobset, configmap = cluster.get(JOBSETS, namespace, name), cluster.get(CONFIG_MAPS, namespace, name)
    assert jobset and configmap
    assert [owner["uid"] for owner in configmap["metadata"]["ownerReferences"]] == [jobset["metadata"]["uid"]]
    assert sender.records is not None
    assert [attempt.ref for attempt in sender.records.attempts(run)] == [f"{namespace}/{name}"]
    assert [event["type"] for event in sender.events(run)] == ["submitted"]
    assert run in [each.id for each in sender.runs()]


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
    _write_status(server, Kind("kueue.x-k8s.io/v1beta1", "workloads"), body, {"conditions": list(conditions)})


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


def test_what_kueue_and_jobset_write_is_how_the_run_stands(
    server: Server, sender: KubernetesLauncher, cluster: Cluster
) -> None:
    run, jobset = submitted(sender, cluster)
    workload(server, jobset, condition("QuotaReserved", "False", "Pending", "insufficient quota for cpu"))
    assert (sender.status(run).state, sender.status(run).message) == ("queued", "insufficient quota for cpu")
    evicted = condition("Evicted", reason="Preempted", message="another one came")
    workload(server, jobset, condition("Admitted"), evicted)
    assert (sender.status(run).state, sender.status(run).message) == ("queued", "another one came")
    workload(server, jobset, condition("Admitted"))
    assert (sender.status(run).state, sender.status(run).message) == ("queued", "starting")
    status = {"restarts": 3, "restartsCountTowardsMax": 1, "conditions": [condition("Completed")]}
    _write_status(server, JOBSETS, jobset, status)
    found = sender.status(run)
    assert (found.state, found.attempts, found.preemptions, found.failures) == ("succeeded", 4, 2, 1)
    assert found.ended_at == 1_767_225_600.0


def test_a_run_that_is_stopped_goes_by_its_pods_notice_and_says_by_whom(
    server: Server, sender: KubernetesLauncher, cluster: Cluster
) -> None:
    run, jobset = submitted(sender, cluster)
    stopping = sender.stop(run, by="grace", reason="wrong data")
    assert (stopping.state, stopping.message) == ("stopping", "stopped by grace: wrong data")
    name, namespace = jobset["metadata"]["name"], jobset["metadata"]["namespace"]
    cluster.patch(JOBSETS, namespace, name, {"metadata": {"finalizers": None}})  # as when the last pod has gone
    stopped = sender.status(run)
    assert (stopped.state, stopped.message) == ("stopped", "stopped by grace: wrong data")
    assert stopped.ended_at is not None
    assert [event["type"] for event in sender.events(run)] == ["submitted", "stopped"]
    assert sender.stop(run, by="ada", reason="again").message == "stopped by grace: wrong data"
    with pytest.raises(LaunchError, match="was stopped"):
        job = asking()
        sender.submit(sender.render(job, Origin(run, "ada", 1.0)))
    again = sender.submit(sender.render(asking(), Origin(run, "ada", 1.0), attempt=1))
    assert (again, sender.status(run).state) == (run, "queued")


def test_what_the_cluster_refuses_leaves_nothing_there_and_a_note(sender: KubernetesLauncher, cluster: Cluster) -> None:
    job = asking()
    request = sender.render(job, origin(job))
    request["jobset"]["spec"]["successPolicy"] = {"operator": "All", "targetReplicatedJobs": ["others"]}
    with pytest.raises(LaunchError, match=r"does not appear in \.spec\.ReplicatedJobs"):
        sender.submit(request)
    metadata = request["configmap"]["metadata"]
    assert cluster.get(CONFIG_MAPS, metadata["namespace"], metadata["name"]) is None
    assert sender.records is not None
    (note,) = sender.records.events(metadata["name"])
    assert (note["type"], note["why"]) == ("refused", "request")


def test_a_run_whose_objects_have_gone_is_told_by_its_record(sender: KubernetesLauncher, cluster: Cluster) -> None:
    run, jobset = submitted(sender, cluster)
    where = (jobset["metadata"]["namespace"], jobset["metadata"]["name"])
    assert sender.records is not None
    sender.records.note(run, "succeeded")
    for kind in (JOBSETS, CONFIG_MAPS):
        cluster.delete(kind, *where)
        if cluster.get(kind, *where):  # nobody collects here
            cluster.patch(kind, *where, {"metadata": {"finalizers": None}})
    found = sender.status(run)
    assert (found.state, found.params) == ("succeeded", asking().params)
    assert [event["type"] for event in sender.events(run, follow=True)] == ["submitted", "succeeded"]
    assert sender.outputs(run).checkpoints_url.endswith(run)


def test_without_an_object_store_the_cluster_itself_tells_the_time_line(cluster: Cluster, server: Server) -> None:
    inside = PROD.storage.model_copy(update={"artifacts": "http://mlflow.skywright.svc:5000/artifacts"})
    sender = KubernetesLauncher(PROD.model_copy(update={"storage": inside}), cluster=cluster)
    run, jobset = submitted(sender, cluster)
    workload(server, jobset, condition("Admitted"))
    failed = condition("Failed", message="jobset failed")
    _write_status(server, JOBSETS, jobset, {"restarts": 0, "restartsCountTowardsMax": 0, "conditions": [failed]})
    events = list(sender.events(run, follow=True))
    assert [event["type"] for event in events] == ["submitted", "admitted", "failed"]
    assert sender.outputs(run).checkpoints_url == f"s3://example-ml-production/checkpoints/{run}"
    request = sender.render(asking(), origin(asking()))
    container = request["jobset"]["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]["spec"]["containers"][0]
    assert "SKYWRIGHT_RUN_URL" not in {each["name"] for each in container["env"]}


def test_an_unknown_run_is_told_with_the_closest(sender: KubernetesLauncher, cluster: Cluster) -> None:
    run, _ = submitted(sender, cluster)
    with pytest.raises(UserError, match=f"Did you mean {run}"):
        sender.status(run[:-1])
    with pytest.raises(UserError, match="there is no run"):
        sender.status("not a run, at all")


# --- refusals, as they come


def _as(server: Server, stack: StackContract, user: str, group: str = "") -> KubernetesLauncher:
    return KubernetesLauncher(stack, cluster=Cluster(client.connect(server, as_user=user, as_group=group).client))


def test_whoever_may_not_submit_is_told_so(server: Server, stack: StackContract) -> None:
    viewer = _as(server, stack, "system:serviceaccount:skywright:viewer")
    job = asking()
    with pytest.raises(LaunchError, match="cannot create resource") as refused:
        viewer.submit(viewer.render(job, origin(job)))
    assert refused.value.kind == "permission"
    assert "pipeline" in refused.value.remedy


def test_the_pipelines_account_may_launch_follow_and_stop_and_sees_no_secret(
    server: Server, stack: StackContract, cluster: Cluster
) -> None:
    """By the role that the stack declares, and nothing else."""
    team = "skywright-team-recommendations"
    sender = _as(server, stack, "system:serviceaccount:skywright:pipeline")
    run, _ = submitted(sender, cluster)
    assert sender.status(run).state == "queued"
    assert run in [found.id for found in sender.runs()]
    assert sender.stop(run, by="ada", reason="done").state == "stopping"
    with pytest.raises(LaunchError, match="cannot list resource"):
        sender._cluster.list(Kind("v1", "secrets"), team)


def test_a_token_that_has_expired_asks_for_a_login(server: Server, stack: StackContract) -> None:
    expired = client.connect(server).client
    expired.configuration.api_key = {"authorization": "Bearer expired"}
    sender = KubernetesLauncher(stack, cluster=Cluster(expired))
    job = asking()
    with pytest.raises(LaunchError) as refused:
        sender.submit(sender.render(job, origin(job)))
    assert refused.value.kind == "credentials"


def test_a_namespace_that_is_not_there_names_the_wrong_cluster(stack: StackContract, cluster: Cluster) -> None:
    queues = tuple(queue.model_copy(update={"ref": "elsewhere/on-demand"}) for queue in stack.queues)
    sender = KubernetesLauncher(stack.model_copy(update={"queues": queues}), cluster=cluster)
    job = asking()
    with pytest.raises(LaunchError, match='namespaces "elsewhere" not found') as refused:
        sender.submit(sender.render(job, origin(job)))
    assert "KUBECONFIG" in refused.value.remedy


def test_a_team_at_its_limit_is_told_which(server: Server, sender: KubernetesLauncher) -> None:
    api = Api(client.connect(server))
    body: dict[str, Any] = {
        "apiVersion": "v1", "kind": "ResourceQuota",
        "metadata": {"name": "few", "namespace": RESEARCH}, "spec": {"hard": {"count/configmaps": "0"}},
    }  # fmt: skip
    api.apply(body, objects.ref(body))
    _write_status(
        server, Kind("v1", "resourcequotas"), body, {"hard": body["spec"]["hard"], "used": {"count/configmaps": "0"}}
    )
    job = asking("research")
    try:
        with pytest.raises(LaunchError, match="exceeded quota: few") as refused:
            sender.submit(sender.render(job, origin(job)))
    finally:
        api.delete(objects.ref(body))
    assert refused.value.kind == "quota"


def test_a_cluster_that_lacks_jobset_is_told_by_name(cluster: Cluster) -> None:
    with pytest.raises(LaunchError, match="Not Found") as refused:
        cluster.list(Kind("jobset.x-k8s.io/v9", "jobsets"), RESEARCH)
    assert "JobSet" in refused.value.remedy


def test_the_kubeconfig_of_the_environment_says_which_cluster(
    server: Server, stack: StackContract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    serve.write(tmp_path / "config", server)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    found: Launcher = launcher(stack)
    assert isinstance(found, KubernetesLauncher)
    found.runs()

    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "absent"))
    with pytest.raises(LaunchError) as refused:
        launcher(stack).runs()
    assert (refused.value.kind, "KUBECONFIG" in refused.value.remedy) == ("credentials", True)

    away = server.kubeconfig()
    away["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{processes.free_ports(1)[0]}"
    (tmp_path / "config").write_text(json.dumps(away))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    with pytest.raises(SkywrightError, match="refused") as unreachable:
        launcher(stack).runs()
    assert isinstance(unreachable.value, LaunchError)
    assert unreachable.value.kind == "unreachable"


# --- logs, by way of the API server from a kubelet


class Kubelet(BaseHTTPRequestHandler):
    """Answers for the logs of containers. `lines`: pod -> what it says."""

    lines: dict[str, list[str]] = {}  # noqa: RUF012

    def do_GET(self) -> None:
        pod = self.path.split("/")[3]
        self.send_response(200)
        self.end_headers()
        for line in self.lines[pod]:
            self.wfile.write(f"{line}\n".encode())

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def kubelet(server: Server, tmp_path: Path) -> Iterator[str]:
    """A node whose kubelet this process is."""
    public, private = certificates.authority(tmp_path / "kubelet").sign("kubelet", ["localhost"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    with ThreadingHTTPServer(("127.0.0.1", 0), Kubelet) as listening:
        listening.socket = context.wrap_socket(listening.socket, server_side=True)
        thread = threading.Thread(target=listening.serve_forever, daemon=True)
        thread.start()
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"node-{uuid.uuid4().hex[:8]}"}}
        api = Api(client.connect(server))
        api.create(node)
        name = node["metadata"]["name"]  # type: ignore[index]
        status = {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": listening.server_address[1]}},
        }
        client.connect(server).request(
            "patch", f"/api/v1/nodes/{name}/status", body={"status": status},
            content_type="application/merge-patch+json", serialize=False,
        )  # fmt: skip
        yield name
        listening.shutdown()
        thread.join()


def test_a_ranks_log_is_that_of_its_node(
    server: Server, sender: KubernetesLauncher, cluster: Cluster, kubelet: str
) -> None:
    run, jobset = submitted(sender, cluster, resources={"count": 2, "nodes": 2})
    template = jobset["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]
    metadata = jobset["metadata"]
    for node in range(2):
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": f"{metadata['name']}-w-0-{node}-abcde",
                "namespace": metadata["namespace"],
                "labels": {**template["metadata"]["labels"], "jobset.sigs.k8s.io/jobset-name": metadata["name"]},
                "annotations": {"batch.kubernetes.io/job-completion-index": str(node)},
            },
            "spec": {**template["spec"], "nodeName": kubelet},
        }
        cluster.create(PODS, pod)
        Kubelet.lines[pod["metadata"]["name"]] = [
            f"node {node} starts",
            f'{{"rank": {2 * node}, "message": "a"}}',
            "end",
        ]
    workload(server, jobset, condition("Admitted"))
    _write_status(
        server, JOBSETS, jobset, {"restarts": 0, "restartsCountTowardsMax": 0, "conditions": [condition("Completed")]}
    )
    assert list(sender.logs(run, rank=1)) == ["node 0 starts\n", "end\n"]
    assert "".join(sender.logs(run, rank=2, follow=True)) == 'node 1 starts\n{"rank": 2, "message": "a"}\nend\n'
    with pytest.raises(UserError, match="0 to 3"):
        list(sender.logs(run, rank=4))
