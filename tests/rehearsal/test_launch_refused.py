"""What a real API server refuses a launcher, and what is made of it (accepted)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from launch_bed import RESEARCH, asking, cluster, origin, sender, sender_as, server, stack, submitted, write_status

from catalog.errors import SkywrightError
from infra.rehearsal.kubernetes import client, objects, processes, serve
from infra.rehearsal.kubernetes.api import Api
from infra.rehearsal.kubernetes.server import Server
from ml_jobs.contract import StackContract
from ml_jobs.launch.base import Launcher, LaunchError, launcher
from ml_jobs.launch.kubernetes import KubernetesLauncher
from ml_jobs.launch.kubernetes_api import Cluster, Kind

__all__ = ["cluster", "sender", "server", "stack"]


def test_whoever_may_not_submit_is_told_so(server: Server, stack: StackContract) -> None:
    viewer = sender_as(server, stack, "system:serviceaccount:skywright:viewer")
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
    sender = sender_as(server, stack, "system:serviceaccount:skywright:pipeline")
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
    write_status(
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
