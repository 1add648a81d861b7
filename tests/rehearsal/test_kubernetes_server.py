"""The API server of a rehearsal: real, quick, shared, and gone when it should be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from catalog.errors import UserError
from infra.clusters import need_writable
from infra.rehearsal.kubernetes import client, clusters, serve, server
from infra.rehearsal.kubernetes.api import Api, Refused
from infra.rehearsal.kubernetes.objects import Ref, ref

REPO = Path(__file__).resolve().parents[2]
ROLE = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "Role",
    "metadata": {"name": "jobs", "namespace": "default"},
    "rules": [{"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create", "get", "patch"]}],
}
BINDING = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "RoleBinding",
    "metadata": {"name": "jobs", "namespace": "default"},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "jobs"},
    "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "team"}],
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[server.Server]:
    with serve.cluster(tmp_path_factory.mktemp("cluster")) as started:
        yield started


def job(name: str) -> dict[str, Any]:
    pod = {"restartPolicy": "Never", "containers": [{"name": "main", "image": "registry.example/job:1"}]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"template": {"spec": pod}},
    }


def test_the_operators_kinds_are_there(running: server.Server) -> None:
    kinds = Api(client.connect(running)).list("apiextensions.k8s.io/v1", "CustomResourceDefinition")
    groups = {each["spec"]["group"] for each in kinds}
    assert groups >= {
        "cert-manager.io", "gateway.networking.k8s.io", "jobset.x-k8s.io", "karpenter.k8s.aws", "karpenter.sh",
        "keda.sh", "kueue.x-k8s.io", "monitoring.coreos.com", "ray.io", "serving.kserve.io",
    }  # fmt: skip


def test_rights_are_answered_as_the_role_gives_them(running: server.Server) -> None:
    admin = Api(client.connect(running))
    for body in (ROLE, BINDING):
        admin.apply(body, ref(body))
    member = Api(client.connect(running, as_user="anna", as_group="team"))
    stranger = Api(client.connect(running, as_user="otto"))
    member.apply(job("mine"), ref(job("mine")))
    assert admin.get(Ref("batch/v1", "Job", "default", "mine")) is not None
    with pytest.raises(Refused, match='User "anna" cannot delete resource "jobs"'):
        member.delete(ref(job("mine")))
    with pytest.raises(Refused, match='User "anna" cannot list resource "secrets"'):
        member.list("v1", "Secret", namespace="default")
    with pytest.raises(Refused, match='User "otto" cannot get resource "jobs"'):
        stranger.get(Ref("batch/v1", "Job", "default", "mine"))


def test_an_unknown_field_is_refused_and_nothing_of_it_is_stored(running: server.Server) -> None:
    api, body = Api(client.connect(running)), job("misspelt")
    body["spec"]["paralellism"] = 2
    with pytest.raises(Refused, match=r"paralellism.*not declared in schema"):
        api.apply(body, ref(body))
    assert api.get(ref(body)) is None


def test_a_deleted_namespace_is_gone_though_no_controller_runs(running: server.Server) -> None:
    api = Api(client.connect(running))
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "brief"}}
    api.apply(body, ref(body))
    api.delete(ref(body))
    assert api.get(ref(body)) is None
    api.delete(ref(body))


def test_several_callers_at_once_get_one_server_and_what_it_holds_outlives_it(tmp_path: Path) -> None:
    found: list[server.Server] = []
    cluster = clusters.Cluster("https://one.example", "one")

    def call() -> None:
        found.append(clusters.ensure(tmp_path, cluster))

    threads = [threading.Thread(target=call) for _ in range(3)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({each.pid for each in found}) == 1
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kept"}}
        Api(client.connect(found[0])).apply(body, ref(body))
        clusters.end(tmp_path)
        assert clusters.running(tmp_path) == {}
        again = clusters.ensure(tmp_path, cluster)
        assert again.pid != found[0].pid
        assert Api(client.connect(again)).get(ref(body)) is not None
    finally:
        clusters.end(tmp_path)


def test_a_server_ends_with_the_rehearsal_that_it_is_for(tmp_path: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        started = server.ensure(tmp_path, owner=owner.pid)
        processes = [psutil.Process(started.pid), *psutil.Process(started.pid).children()]
        assert len(processes) == 3
        owner.kill()
        owner.wait()
        assert _end(processes)
        assert server.running(tmp_path) is None
    finally:
        owner.kill()
        server.stop(tmp_path)


def test_nothing_outlives_a_keeper_that_is_killed(tmp_path: Path) -> None:
    started = server.ensure(tmp_path, owner=1)
    children = psutil.Process(started.pid).children()
    psutil.Process(started.pid).kill()
    assert _end(children)
    assert server.running(tmp_path) is None


def _end(processes: list[psutil.Process]) -> bool:
    """Whether they all do, soon."""
    end = time.monotonic() + 20
    while any(map(_lives, processes)) and time.monotonic() < end:
        time.sleep(0.1)
    return not any(map(_lives, processes))


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def test_a_cluster_that_can_not_be_used_is_one_line_with_its_context(running: server.Server) -> None:
    need_writable(running.kubeconfig(), "rehearsal")
    with pytest.raises(UserError, match=r"context 'rehearsal' \(https://127.*can only be read: creating namespaces"):
        need_writable(running.kubeconfig(server.READ_ONLY), "rehearsal")
    away = running.kubeconfig()
    away["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:9"
    with pytest.raises(UserError, match=r"does not answer \(.*refused.*\)\. Start it or open the way") as failed:
        need_writable(away, "rehearsal")
    assert "\n" not in str(failed.value)
    wrong = running.kubeconfig()
    wrong["users"][0]["user"]["token"] = "old"
    with pytest.raises(UserError, match=r"refuses our credentials \(401 Unauthorized\)"):
        need_writable(wrong, "rehearsal")
    with pytest.raises(UserError, match=r"gives no cluster for context 'other' .*kubectl config"):
        need_writable(running.kubeconfig(), "other")


@pytest.mark.parametrize(
    ("kubeconfig", "context", "expected"),
    [
        (None, None, "brought:current"),
        (None, "lab", "brought:lab"),
        ("/home/me/.kube/lab", "lab", "brought:lab:lab"),
        ("{config}", None, "https://a.example"),
        ("{config}", "b", "https://b.example"),
    ],
)
def test_the_cluster_is_the_one_that_the_kubeconfig_names(kubeconfig: Any, context: Any, expected: str) -> None:
    text = CONFIG if kubeconfig == "{config}" else kubeconfig
    assert clusters.named_by(text, context).server == expected


CONFIG = """\
apiVersion: v1
kind: Config
current-context: a
clusters:
  - {name: a, cluster: {server: "https://a.example", certificate-authority-data: QQ==}}
  - {name: b, cluster: {server: "https://b.example", certificate-authority-data: QQ==}}
users: [{name: me, user: {token: x}}]
contexts:
  - {name: a, context: {cluster: a, user: me}}
  - {name: b, context: {cluster: b, user: me}}
"""


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("current-context: a", "current-context: c"), "context 'c' does not exist; there are: a, b"),
        (
            ("https://a.example", "http://a.example"),
            "the server of cluster 'a' is 'http://a.example'; allowed: https://",
        ),
        (("user: me}}\n  - {name: b", "user: you}}\n  - {name: b"), "names cluster 'a' and user 'you'"),
        ((", certificate-authority-data: QQ==}}\n  - {name: b", "}}\n  - {name: b"), "no certificate authority"),
        (("kind: Config\n", "kind: [\n"), "it is not a kubeconfig"),
    ],
)
def test_a_kubeconfig_that_leads_nowhere_is_refused(change: tuple[str, str], expected: str) -> None:
    assert change[0] in CONFIG
    with pytest.raises(UserError) as failed:
        clusters.named_by(CONFIG.replace(*change, 1), None)
    assert expected in str(failed.value)
    assert "\n" not in str(failed.value)


@pytest.mark.parametrize(
    ("user", "expected"), [("reader", "can only be read"), ("nobody", "gives no cluster for context 'rehearsal'")]
)
def test_an_up_on_such_a_cluster_ends_before_the_engine_begins(
    running: server.Server, tmp_path: Path, user: str, expected: str
) -> None:
    (tmp_path / "stacks").mkdir()
    (tmp_path / "components").mkdir()
    (tmp_path / "Pulumi.yaml").write_text("name: small\nruntime: python\nstackConfigDir: stacks\n")
    config = {"skywright:cloud": "kubernetes", "skywright:kubernetes": {"context": "rehearsal"}}
    (tmp_path / "stacks" / "Pulumi.lab.yaml").write_text(json.dumps({"config": config}))
    told = running.kubeconfig(server.READ_ONLY)
    if user == "nobody":
        told["contexts"][0]["name"] = told["current-context"] = "another"
    (tmp_path / "kubeconfig").write_text(json.dumps(told))
    done = subprocess.run(
        [sys.executable, "-m", "infra.cli", "up", "-s", "lab"],
        cwd=tmp_path,
        env={**os.environ, "KUBECONFIG": str(tmp_path / "kubeconfig"), "PYTHONPATH": str(REPO), "COLUMNS": "400"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 78, done.stderr
    assert expected in done.stderr
    assert not (tmp_path / ".skywright").exists(), "nothing was begun"
