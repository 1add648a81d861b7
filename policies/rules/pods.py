"""The pods that a workload of Kubernetes makes, wherever its type keeps their template."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from policies.graph import Node
from policies.resources import Malformed, Props
from policies.rules.optional import mapping, records

POD = "kubernetes:core/v1:Pod"
TEMPLATED = (
    "kubernetes:apps/*:DaemonSet",
    "kubernetes:apps/*:Deployment",
    "kubernetes:apps/*:ReplicaSet",
    "kubernetes:apps/*:StatefulSet",
    "kubernetes:batch/*:Job",
    "kubernetes:core/v1:ReplicationController",
    "kubernetes:serving.knative.dev/*:Service",
)
CRON_JOB = "kubernetes:batch/*:CronJob"
JOB_SET = "kubernetes:jobset.x-k8s.io/*:JobSet"
INFERENCE = "kubernetes:serving.kserve.io/*:InferenceService"
RUNTIMES = "kubernetes:serving.kserve.io/*:*ServingRuntime"
WORKLOADS = (POD, *TEMPLATED, CRON_JOB, JOB_SET, INFERENCE, RUNTIMES)

CONTAINERS = ("containers", "initContainers", "ephemeralContainers")


@dataclass(frozen=True)
class Pod:
    """`containers`: also those that only start it, and the model's own of KServe."""

    spec: Props
    containers: tuple[Props, ...]

    def security(self, container: Props, *path: str) -> Any:
        """What a container is told, or else its pod. None: neither is told anything."""
        *above, key = path
        own = mapping(container, "securityContext", *above).get(key)
        return own if own is not None else mapping(self.spec, "securityContext", *above).get(key)


def pods_of(workload: Node) -> list[Pod]:
    """Raises Malformed where a workload has no containers at all, UnknownValue where its template isn't known."""
    return [Pod(spec, tuple(_containers(spec))) for spec in _specs(workload)]


def _specs(workload: Node) -> Iterator[Props]:
    spec = workload.mapping("spec")
    if workload.is_of(INFERENCE):
        yield spec.mapping("predictor")
        for role in ("transformer", "explainer"):
            if spec.get(role) is not None:
                yield spec.mapping(role)
    elif workload.is_of(JOB_SET):
        for job in spec.records("replicatedJobs"):
            yield job.mapping("template").mapping("spec").mapping("template").mapping("spec")
    elif workload.is_of(CRON_JOB):
        yield spec.mapping("jobTemplate").mapping("spec").mapping("template").mapping("spec")
    elif workload.is_of(*TEMPLATED):
        yield spec.mapping("template").mapping("spec")
    else:
        yield spec


def _containers(spec: Props) -> list[Props]:
    found = [container for key in CONTAINERS for container in records(spec, key)]
    if spec.get("model") is not None:
        found.append(spec.mapping("model"))
    if not found:
        raise Malformed(spec.at("containers"), None, "a list of containers")
    return found
