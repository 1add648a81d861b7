"""Spot capacity and serving don't go together in production."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from policies.examples import declared, platform
from policies.graph import Node
from policies.resources import UNKNOWN, Malformed, Props, Resource
from policies.rule import Finding, Severity, rule
from policies.rules.optional import flag, mapping, records, text, texts
from policies.rules.pods import INFERENCE, pods_of

SPOT = {
    "skywright.dev/capacity": "spot",
    "karpenter.sh/capacity-type": "spot",
    "eks.amazonaws.com/capacityType": "SPOT",
    "cloud.google.com/gke-spot": "true",
    "kubernetes.azure.com/scalesetpriority": "spot",
}
"""Labels that nodes of spot capacity bear: Karpenter, EKS, GKE, AKS, and our own."""


@rule(
    "endpoint-not-spot",
    Severity.CRITICAL,
    types=("skywright:*:ModelEndpoint",),
    title="A production endpoint never runs on spot capacity",
    why="The cloud takes spot machines back within 30 seconds to two minutes, all of a kind at once.",
    remedy="Set skywright:endpoint.is_spot to false.",
)
def endpoint_not_spot(endpoint: Node) -> Finding | None:
    spec = endpoint.mapping("spec")
    if endpoint.flag("isProduction") and (flag(spec, "is_spot") is not False):
        return Finding(at=spec.at("is_spot"), found=spec.get("is_spot"))
    return None


def _endpoint(is_spot: object, is_production: object = True) -> dict[str, Any]:
    return {"isProduction": is_production, "spec": {"is_spot": is_spot}}


endpoint_not_spot.examples(
    good=[_endpoint(False), _endpoint(True, False)],
    bad=[_endpoint(True), _endpoint(None)],
    unknown=[_endpoint(UNKNOWN), _endpoint(True, UNKNOWN)],
)


@endpoint_not_spot.also("pulumi-python:dynamic/gcp:VertexDeployments", joins=True)
def vertex_not_spot(deployments: Node) -> Finding | None:
    hardware = deployments.mapping("hardware")
    if deployments.graph.is_production and flag(hardware, "is_spot"):
        return Finding(at=hardware.at("is_spot"), found=True)
    return None


def _vertex(is_spot: object, is_production: bool = True) -> list[Resource]:
    made = declared("pulumi-python:dynamic/gcp:VertexDeployments", "d", hardware={"is_spot": is_spot})
    return [platform(is_production=is_production), made]


vertex_not_spot.examples(
    good=[_vertex(False), _vertex(None), _vertex(True, False)], bad=[_vertex(True)], unknown=[_vertex(UNKNOWN)]
)


@endpoint_not_spot.also(INFERENCE, joins=True)
def servers_not_spot(service: Node) -> Iterator[Finding]:
    """Neither told to run on nodes of spot capacity, nor allowed to by a toleration of their taint."""
    if not service.graph.is_production:
        return
    for pod in pods_of(service):
        yield from _selected(mapping(pod.spec, "nodeSelector"))
        for toleration in records(pod.spec, "tolerations"):
            if text(toleration, "key") in SPOT:
                yield Finding(at=toleration.at("key"), found=toleration.get("key"))
        needs = mapping(pod.spec, "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution")
        for term in records(needs, "nodeSelectorTerms"):
            for match in records(term, "matchExpressions"):
                if text(match, "operator") == "In" and SPOT.get(text(match, "key") or "") in texts(match, "values"):
                    yield Finding(at=match.at("values"), found=match.get("values"))


def _selected(labels: Props) -> Iterator[Finding]:
    for key, value in SPOT.items():
        given = labels.get(key)
        if given is not None and not isinstance(given, str):
            raise Malformed(labels.at(key), given, "a text")
        if given == value:
            yield Finding(at=labels.at(key), found=given)


def _service(is_production: bool = True, **pod: Any) -> list[Resource]:
    spec = {"predictor": {"containers": [{"image": "i"}], **pod}}
    made = declared("kubernetes:serving.kserve.io/v1beta1:InferenceService", "s", spec=spec)
    return [platform(is_production=is_production), made]


def _affinity(values: object) -> dict[str, Any]:
    expression = {"key": "skywright.dev/capacity", "operator": "In", "values": values}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}


servers_not_spot.examples(
    good=[
        _service(),
        _service(nodeSelector={"skywright.dev/capacity": "on-demand"}),
        _service(affinity=_affinity(["on-demand"])),
        _service(tolerations=[{"key": "nvidia.com/gpu", "operator": "Exists"}]),
        _service(False, nodeSelector={"skywright.dev/capacity": "spot"}),
    ],
    bad=[
        _service(nodeSelector={"skywright.dev/capacity": "spot"}),
        _service(nodeSelector={"cloud.google.com/gke-spot": "true"}),
        _service(affinity=_affinity(["on-demand", "spot"])),
        _service(tolerations=[{"key": "kubernetes.azure.com/scalesetpriority", "operator": "Exists"}]),
    ],
    unknown=[_service(nodeSelector=UNKNOWN), _service(affinity=_affinity(UNKNOWN)), _service(tolerations=UNKNOWN)],
)
