"""What neither a schema nor CEL can say of an object: whether what it refers to is there, whether its queries parse."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from infra.rehearsal.core.values import at as found
from infra.rehearsal.kubernetes import objects
from infra.rehearsal.kubernetes.api import Api, Refused
from infra.rehearsal.kubernetes.objects import Ref

PATIENCE_S = 10.0
"""Things that refer to each other are declared side by side: the cluster does not mind which comes first."""

Body = Mapping[str, Any]
_KUEUE = "kueue.x-k8s.io/v1beta1"
_GATEWAY = "gateway.networking.k8s.io/v1"
_RBAC = "rbac.authorization.k8s.io/v1"


def refusals(body: Body) -> Iterator[str]:
    """What a parser of another language says: PromQL."""
    if body["kind"] != "PrometheusRule":
        return
    import promql_parser

    for rule in found(body, "spec.groups.rules"):
        name = rule.get("alert") or rule.get("record")
        try:
            promql_parser.parse(str(rule.get("expr")))
        except ValueError as error:
            said = " ".join(str(error).split())
            yield f"spec.groups.rules.expr of {name!r} is {rule.get('expr')!r}, which is no PromQL: {said}"


async def need(api: Api, body: Body) -> None:
    """Raises Refused where the object refers to something that is not there, nor comes within a moment."""
    end = time.monotonic() + PATIENCE_S
    for wanted in references(body):
        while await asyncio.to_thread(api.get, wanted) is None:
            if time.monotonic() > end:
                raise Refused(f"{objects.ref(body)} refers to {wanted}, which does not exist", 404, [])
            await asyncio.sleep(0.2)


def references(body: Body) -> Iterator[Ref]:
    """What must be there for the object to be of any use."""
    if (refers := _REFERENCES.get((body["apiVersion"], body["kind"]))) is not None:
        yield from refers(body, (body.get("metadata") or {}).get("namespace") or "")


def _local_queue(body: Body, namespace: str) -> Iterator[Ref]:
    for name in found(body, "spec.clusterQueue"):
        yield Ref(_KUEUE, "ClusterQueue", "", name)


def _cluster_queue(body: Body, namespace: str) -> Iterator[Ref]:
    for name in found(body, "spec.resourceGroups.flavors.name"):
        yield Ref(_KUEUE, "ResourceFlavor", "", name)


def _binding(body: Body, namespace: str) -> Iterator[Ref]:
    for role in found(body, "roleRef"):
        yield Ref(_RBAC, role["kind"], namespace if role["kind"] == "Role" else "", role["name"])


def _workload(body: Body, namespace: str) -> Iterator[Ref]:
    path = "spec.jobTemplate.spec.template.spec" if body["kind"] == "CronJob" else "spec.template.spec"
    for name in found(body, f"{path}.serviceAccountName"):
        if name != "default":
            yield Ref("v1", "ServiceAccount", namespace, name)


def _route(body: Body, namespace: str) -> Iterator[Ref]:
    for parent in found(body, "spec.parentRefs"):
        if parent.get("kind", "Gateway") == "Gateway":
            yield Ref(_GATEWAY, "Gateway", parent.get("namespace") or namespace, parent["name"])


_REFERENCES: dict[tuple[str, str], Callable[[Body, str], Iterator[Ref]]] = {
    (_KUEUE, "LocalQueue"): _local_queue,
    (_KUEUE, "ClusterQueue"): _cluster_queue,
    (_RBAC, "RoleBinding"): _binding,
    (_RBAC, "ClusterRoleBinding"): _binding,
    ("apps/v1", "Deployment"): _workload,
    ("apps/v1", "StatefulSet"): _workload,
    ("apps/v1", "DaemonSet"): _workload,
    ("batch/v1", "Job"): _workload,
    ("batch/v1", "CronJob"): _workload,
    (_GATEWAY, "HTTPRoute"): _route,
}
