"""What a production stack declares, applied to a cluster that runs workloads, and jobs to put into its queues."""

from __future__ import annotations

import json
import time
import urllib.error
from collections.abc import Callable, Iterable, Mapping
from email.message import Message
from typing import Any

from infra.rehearsal.kubernetes import objects
from infra.rehearsal.kubernetes.api import Api
from infra.rehearsal.kubernetes.client import connect
from infra.rehearsal.kubernetes.objects import Ref
from infra.rehearsal.kubernetes.server import Server
from infra.rehearsal.kubernetes.whole import KEEPS_RUNNING, Node
from ml_jobs.budget import kubernetes as budget

GPU = "nvidia.com/gpu"
KUEUE, JOBSET = "kueue.x-k8s.io/v1beta1", "jobset.x-k8s.io/v1alpha2"
STACK = "skywright-kubernetes-prod"
RECOMMENDATIONS, RESEARCH = "skywright-team-recommendations", "skywright-team-research"

TAINTS = [{"key": GPU, "value": "present", "effect": "NoSchedule"}]
SPOT = [*TAINTS, {"key": "example.com/spot", "value": "true", "effect": "NoSchedule"}]
A100 = {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB", "example.com/capacity": "spot"}
L4 = {"nvidia.com/gpu.product": "NVIDIA-L4"}
NODES = [
    *(Node(f"a100-{at}", A100, {"cpu": "96", "memory": "1100Gi", GPU: "8"}, SPOT) for at in range(4)),
    *(Node(f"l4-{at}", L4, {"cpu": "16", "memory": "64Gi", GPU: "1"}, TAINTS) for at in range(3)),
    *(Node(f"cpu-{at}", {"skywright.dev/pool": "cpu"}, {"cpu": "32", "memory": "128Gi"}) for at in range(4)),
    *(
        Node(f"dev-{at}", {"skywright.dev/pool": "spot"}, {"cpu": "4", "memory": "16Gi", GPU: "1"}, TAINTS)
        for at in range(4)
    ),
]
"""As the pools of the examples say their nodes are."""


class Lab:
    """A cluster with the stack's objects on it."""

    def __init__(self, running: Server, declared: Iterable[Mapping[str, Any]]) -> None:
        self.server = running
        self.api = Api(connect(running))
        self.declared = list(declared)
        for body in self.declared:
            self.api.apply(body, objects.ref(body), is_forced=True)

    def one(self, kind: str, name: str) -> Mapping[str, Any]:
        return next(body for body in self.declared if (body["kind"], body["metadata"]["name"]) == (kind, name))

    def submit(self, body: dict[str, Any]) -> Ref:
        self.api.create(body)
        return objects.ref(body)

    def state(self, at: Ref) -> dict[str, Any]:
        found = self.api.get(at)
        assert found is not None, f"{at} is gone"
        return found

    def conditions(self, at: Ref) -> dict[str, Mapping[str, str]]:
        return {each["type"]: each for each in self.state(at).get("status", {}).get("conditions") or ()}

    def is_done(self, at: Ref) -> bool:
        return self.conditions(at).get("Completed", {}).get("status") == "True"

    def is_suspended(self, at: Ref) -> bool:
        return bool(self.state(at)["spec"].get("suspend"))

    def workload(self, at: Ref) -> dict[str, Any]:
        """Kueue's account of a job."""
        for each in self.api.list(KUEUE, "Workload", namespace=at.namespace):
            if any(owner["name"] == at.name for owner in each["metadata"].get("ownerReferences") or ()):
                return each
        raise AssertionError(f"Kueue has no workload for {at}")

    def told(self, at: Ref, condition: str = "QuotaReserved") -> str:
        """What Kueue says of the job's place in the queue."""
        try:
            conditions = self.workload(at).get("status", {}).get("conditions") or ()
        except AssertionError:
            return ""
        return next((each["message"] for each in conditions if each["type"] == condition), "")

    def pods(self, at: Ref) -> list[dict[str, Any]]:
        selector = f"jobset.sigs.k8s.io/jobset-name={at.name}"
        return self.api.list("v1", "Pod", namespace=at.namespace, label_selector=selector)

    def remove(self, *refs: Ref) -> None:
        for at in refs:
            self.api.delete(at)
        for at in refs:
            until(lambda at=at: self.api.get(at) is None and not self.pods(at), f"{at} and its pods are gone")

    # --- the budget's actor, as the stack declares it

    def spend(self, usd: float) -> dict[str, Any]:
        """One look of the actor at so much spent, with the rights of its own account and what its CronJob is told."""
        pod = self.one("CronJob", "skywright-budget")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        told = {each["name"]: each["value"] for each in pod["containers"][0]["env"] if "value" in each}
        answer = {"data": {"result": [{"value": [0, str(usd)]}]}}
        account = f"system:serviceaccount:skywright:{pod['serviceAccountName']}"
        return budget.run(told, call=_calls(self.server, account), fetch=lambda url: answer, now=time.time())


def jobset(
    name: str,
    namespace: str,
    queue: str,
    *,
    pods: int = 1,
    gpus: int = 8,
    priority: str = "normal",
    runs_on: bool = False,
    stack: str = STACK,
) -> dict[str, Any]:
    """A job as a launcher renders it: `pods` with `gpus` each. `runs_on`: until it is removed."""
    container = {
        "name": "main",
        "image": "registry.example.com/train:1",
        "resources": {
            "requests": {"cpu": 2, "memory": "4Gi", GPU: gpus},
            "limits": {"cpu": 2, "memory": "4Gi", GPU: gpus},
        },
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    template = {
        "metadata": {"labels": {KEEPS_RUNNING: "true"} if runs_on else {}},
        "spec": {
            "restartPolicy": "Never",
            "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [container],
        },
    }
    job = {
        "parallelism": pods,
        "completions": pods,
        "completionMode": "Indexed",
        "template": template,
        "backoffLimit": 0,
    }
    labels = {"kueue.x-k8s.io/queue-name": queue, "kueue.x-k8s.io/priority-class": f"{stack}-{priority}"}
    return {
        "apiVersion": JOBSET,
        "kind": "JobSet",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"replicatedJobs": [{"name": "workers", "replicas": 1, "template": {"spec": job}}]},
    }


def until(holds: Callable[[], object], what: str, within_s: float = 45) -> None:
    end = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end, f"not within {within_s:g} s: {what}"
        time.sleep(0.1)


def _calls(running: Server, user: str) -> budget.Call:
    client = connect(running, as_user=user)

    def call(method: str, path: str, patch: Mapping[str, Any] | None) -> Any:
        from kubernetes.dynamic.exceptions import DynamicApiError

        more = {} if patch is None else {"body": dict(patch), "content_type": "application/merge-patch+json"}
        try:
            return json.loads(client.request(method.lower(), path, serialize=False, **more).data)
        except DynamicApiError as error:
            raise urllib.error.HTTPError(path, error.status, str(error.body), Message(), None) from None

    return call
