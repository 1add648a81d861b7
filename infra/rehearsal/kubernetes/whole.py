"""A cluster in which workloads run to their end, without a machine of its own: the API server with controllers and
scheduler, Kueue and JobSet as they are released, with their own webhooks, and nodes that only pretend (KWOK)."""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from catalog.errors import SkywrightError
from infra.rehearsal.kubernetes import (
    binaries,
    certificates,
    client,
    crds,
    objects,
    pins,
    processes,
    serve,
    server,
    snapshot,
)
from infra.rehearsal.kubernetes.api import Api

READY_S = 90.0
FLAGS = ("--disable-admission-plugins=TaintNodesByCondition",)
"""A new node is tainted until the controller of node lifecycles, which has nothing to watch here, finds it ready."""
STAGES = {
    "kustomize/stage/node/fast": ("node-initialize",),
    "kustomize/stage/node/heartbeat-with-lease": ("node-heartbeat-with-lease",),
    "kustomize/stage/pod/fast": ("pod-ready", "pod-complete", "pod-delete"),
}
"""Of KWOK's own: nodes are ready at once, pods of jobs run for a moment and succeed."""
KEEPS_RUNNING = "rehearsed.skywright.dev/keeps-running"
"""Label of pods that do not succeed by themselves."""

_CONTROLLERS = "namespace,serviceaccount,serviceaccount-token,job,garbagecollector,resourcequota,ttl-after-finished"
_ENVIRON = {"GOMEMLIMIT": "200MiB", "KUBE_FEATURE_WatchListClient": "false"}
"""Streamed lists end with a bookmark, which an idle server sends every ten seconds: plain ones are there at once."""


@dataclass(frozen=True, slots=True)
class Node:
    """One that pretends. `capacity`: as a node's status has it (cpu, memory, nvidia.com/gpu)."""

    name: str
    labels: Mapping[str, str]
    capacity: Mapping[str, str]
    taints: Sequence[Mapping[str, str]] = ()

    @property
    def body(self) -> dict[str, Any]:
        own = {"kubernetes.io/hostname": self.name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
        amounts = {"pods": "110", **self.capacity}
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": self.name,
                "labels": {**own, **self.labels},
                "annotations": {"kwok.x-k8s.io/node": "fake"},
            },
            "spec": {"taints": list(self.taints)},
            "status": {"capacity": amounts, "allocatable": amounts},
        }


@contextmanager
def cluster(folder: Path, nodes: Sequence[Node]) -> Iterator[server.Server]:
    """All of it for the length of a block. Raises SkywrightError with the last words of what did not start."""
    snapshot.unpacked(folder / "etcd")
    with ExitStack() as running:
        started = running.enter_context(server.running_in(folder, flags=FLAGS))
        serve.write(folder / "kubeconfig", started)
        api = Api(client.connect(started))
        children = _Children(folder)
        running.callback(children.stop)
        children.start("kube-controller-manager", _controller_manager(folder))
        children.start("kube-scheduler", ["--leader-elect=false", "--secure-port=0"])
        children.start("kwok", ["--manage-all-nodes=true", f"--config={_stages(folder)}"])
        _operators(folder, api, children)
        for node in nodes:
            api.create(node.body)
        _until_ready(api, nodes, children)
        yield started


class _Children:
    """The programs beside the API server; `ports` of those that must listen before anything is asked of the cluster."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self.ports: list[int] = []

    def start(self, name: str, flags: Sequence[str]) -> None:
        binary = next(each for each in pins.CLUSTER if each.name == name)
        kubeconfig = self._folder / "kubeconfig"
        command = [str(binaries.find(binary)), f"--kubeconfig={kubeconfig}", *flags]
        self._running[name] = processes.start(command, self._log(name), _ENVIRON)

    def need_alive(self) -> None:
        for name, process in self._running.items():
            if process.poll() is not None:
                said = processes.last_words(self._log(name))
                raise SkywrightError(f"{name} of the rehearsed cluster ended ({said})", "Start it again.")

    def stop(self) -> None:
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            processes.stop(process)

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"


def _controller_manager(folder: Path) -> list[str]:
    made = folder / "certificates"
    return [
        f"--service-account-private-key-file={made / 'service-accounts.key'}",
        f"--root-ca-file={made / 'ca.crt'}",
        f"--controllers={_CONTROLLERS}",
        "--leader-elect=false",
        "--secure-port=0",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
    ]


def _stages(folder: Path) -> Path:
    kwok = next(binary for binary in pins.CLUSTER if binary.name == "kwok")
    wanted = []
    for home, names in STAGES.items():
        for text in crds.files(kwok.module, f"v{kwok.version}", home, lambda message, share: None):
            wanted += [each for each in yaml.load_all(text, crds.Loader) if _name(each) in names]
    complete = next(each for each in wanted if _name(each) == "pod-complete")
    running = {"key": f'.metadata.labels["{KEEPS_RUNNING}"]', "operator": "DoesNotExist"}
    complete["spec"]["selector"]["matchExpressions"].append(running)
    path = folder / "stages.yaml"
    path.write_text(yaml.safe_dump_all(wanted))
    return path


def _name(document: Any) -> str:
    return str(((document or {}).get("metadata") or {}).get("name"))


def _operators(folder: Path, api: Api, children: _Children) -> None:
    for name, flags, config in (
        ("kueue", ["--feature-gates=VisibilityOnDemand=false"], _kueue_config()),
        ("jobset", [], _jobset_config()),
    ):
        authority = certificates.authority(folder / name, f"{name}-ca")
        host = f"{name}-webhook-service.{name}-system.svc"
        public, private = authority.sign(host, [host])
        (public.with_name("tls.crt")).write_bytes(public.read_bytes())
        (private.with_name("tls.key")).write_bytes(private.read_bytes())
        port, health = processes.free_ports(2)
        children.ports.append(port)
        config["webhook"] = {"port": port, "host": "127.0.0.1", "certDir": str(folder / name)}
        config["health"] = {"healthProbeBindAddress": f"127.0.0.1:{health}"}
        (folder / name / "config.yaml").write_text(json.dumps(config))
        _declare_operator(api, name, authority, port)
        children.start(name, [f"--config={folder / name / 'config.yaml'}", *flags])


def _kueue_config() -> dict[str, Any]:
    return {
        "apiVersion": "config.kueue.x-k8s.io/v1beta1",
        "kind": "Configuration",
        "namespace": "kueue-system",
        "metrics": {"bindAddress": "0"},
        "leaderElection": {"leaderElect": False},
        "integrations": {"frameworks": ["batch/job", "jobset.x-k8s.io/jobset"]},
    }


def _jobset_config() -> dict[str, Any]:
    return {
        "apiVersion": "config.jobset.x-k8s.io/v1alpha1",
        "kind": "Configuration",
        "metrics": {"bindAddress": "0"},
        "leaderElection": {"leaderElect": False},
        "internalCertManagement": {"enable": False},
    }


def _declare_operator(api: Api, name: str, authority: certificates.Authority, port: int) -> None:
    """Its namespace, the certificate that it looks for, and its webhooks, reached without a cluster network."""
    namespace = f"{name}-system"
    body: dict[str, Any] = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    api.apply(body, objects.ref(body))
    files = {key: base64.b64encode((authority.folder / key).read_bytes()).decode() for key in _SECRET}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": f"{name}-webhook-server-cert", "namespace": namespace},
        "data": files,
    }
    api.apply(secret, objects.ref(secret))
    module, version, _ = pins.CRDS[name]
    for text in crds.files(module, version, "config/components/webhook", lambda message, share: None):
        for document in yaml.load_all(text, crds.Loader):
            if not document or "webhooks" not in document:
                continue
            document["metadata"] = {"name": f"{name}-{document['metadata']['name']}"}
            document["webhooks"] = [
                _reached(each, authority, port, name) for each in document["webhooks"] if _is_used(each)
            ]
            api.apply(document, objects.ref(document))


_SECRET = ("ca.crt", "ca.key", "tls.crt", "tls.key")


def _is_used(webhook: Mapping[str, Any]) -> bool:
    """Only of kinds that are there, and that Kueue is told to look after."""
    kinds = {plural for rule in webhook["rules"] for plural in rule["resources"]}
    return bool(kinds & _GUARDED)


_GUARDED = {"jobs", "jobsets", "workloads", "workloads/status", "clusterqueues", "resourceflavors", "cohorts"}


def _reached(webhook: dict[str, Any], authority: certificates.Authority, port: int, name: str) -> dict[str, Any]:
    path = webhook["clientConfig"]["service"]["path"]
    webhook["clientConfig"] = {"url": f"https://127.0.0.1:{port}{path}", "caBundle": authority.bundle}
    return webhook


def _until_ready(api: Api, nodes: Sequence[Node], children: _Children) -> None:
    end = time.monotonic() + READY_S
    while True:
        children.need_alive()
        waiting = [f"port {port}" for port in children.ports if not _listens(port)]
        found = {each["metadata"]["name"]: each for each in api.list("v1", "Node")}
        waiting += [f"node {node.name}" for node in nodes if not _is_ready(found.get(node.name, {}))]
        if not waiting:
            return
        if time.monotonic() > end:
            raise SkywrightError(f"the rehearsed cluster was not ready: {waiting[0]}", "Start it again.")
        time.sleep(0.1)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _is_ready(node: Mapping[str, Any]) -> bool:
    conditions = node.get("status", {}).get("conditions") or ()
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
