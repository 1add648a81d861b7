"""Runs before a real API server: sent, told how they stand, stopped, their logs read (accepted). A kubelet is an HTTPS
server."""

from __future__ import annotations

import ssl
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from launch_bed import (
    PROD,
    asking,
    cluster,
    condition,
    origin,
    sender,
    sender_as,
    server,
    stack,
    submitted,
    workload,
    write_status,
)

from catalog.errors import UserError
from infra.rehearsal.kubernetes import certificates, client
from infra.rehearsal.kubernetes.api import Api
from infra.rehearsal.kubernetes.server import Server
from ml_jobs.contract import StackContract
from ml_jobs.launch import kubernetes_state as state_of
from ml_jobs.launch.base import LaunchError, Origin
from ml_jobs.launch.kubernetes import KubernetesLauncher
from ml_jobs.launch.kubernetes_api import CONFIG_MAPS, JOBSETS, PODS, Cluster

__all__ = ["cluster", "sender", "server", "stack"]


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
    write_status(server, JOBSETS, jobset, status)
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


def test_a_week_after_a_stop_what_the_run_was_made_of_is_given_away_and_its_record_stays(
    server: Server, stack: StackContract, sender: KubernetesLauncher, cluster: Cluster
) -> None:
    run, jobset = submitted(sender, cluster)
    namespace, name = jobset["metadata"]["namespace"], jobset["metadata"]["name"]
    sender.stop(run, by="grace", reason="wrong data")
    cluster.patch(JOBSETS, namespace, name, {"metadata": {"finalizers": None}})  # as when the last pod has gone
    kept = cluster.get(CONFIG_MAPS, namespace, name)
    assert kept and "ownerReferences" not in kept["metadata"]
    long_ago = {state_of.STOPPED_AT: "2020-01-01T00:00:00+00:00"}
    cluster.patch(CONFIG_MAPS, namespace, name, {"metadata": {"annotations": long_ago}})
    submitted(sender_as(server, stack, "system:serviceaccount:skywright:pipeline"), cluster)
    given_away = cluster.get(CONFIG_MAPS, namespace, name)
    assert given_away
    assert [owner["uid"] for owner in given_away["metadata"]["ownerReferences"]] == [kept["metadata"]["uid"]]
    cluster.delete(CONFIG_MAPS, namespace, name)  # as the collector does
    cluster.patch(CONFIG_MAPS, namespace, name, {"metadata": {"finalizers": None}})
    found = sender.status(run)
    assert (found.state, found.message) == ("stopped", "stopped by grace: wrong data")


def test_without_an_object_store_the_cluster_itself_tells_the_time_line(cluster: Cluster, server: Server) -> None:
    inside = PROD.storage.model_copy(update={"artifacts": "http://mlflow.skywright.svc:5000/artifacts"})
    sender = KubernetesLauncher(PROD.model_copy(update={"storage": inside}), cluster=cluster)
    run, jobset = submitted(sender, cluster)
    workload(server, jobset, condition("Admitted"))
    failed = condition("Failed", message="jobset failed")
    write_status(server, JOBSETS, jobset, {"restarts": 0, "restartsCountTowardsMax": 0, "conditions": [failed]})
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
    write_status(
        server, JOBSETS, jobset, {"restarts": 0, "restartsCountTowardsMax": 0, "conditions": [condition("Completed")]}
    )
    assert list(sender.logs(run, rank=1)) == ["node 0 starts\n", "end\n"]
    assert "".join(sender.logs(run, rank=2, follow=True)) == 'node 1 starts\n{"rank": 2, "message": "a"}\nend\n'
    with pytest.raises(UserError, match="0 to 3"):
        list(sender.logs(run, rank=4))
