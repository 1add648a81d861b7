"""`endpoints-private` on Kubernetes: services, gateways and ingresses stay inside the network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from policies.examples import declared
from policies.graph import Node
from policies.resources import UNKNOWN, Props, Resource
from policies.rule import Finding
from policies.rules import exposure_endpoints
from policies.rules.demands import is_public, network
from policies.rules.optional import mapping, text, texts

INTERNAL = {
    "service.beta.kubernetes.io/aws-load-balancer-scheme": "internal",
    "service.beta.kubernetes.io/aws-load-balancer-internal": "true",
    "service.beta.kubernetes.io/azure-load-balancer-internal": "true",
    "networking.gke.io/load-balancer-type": "Internal",
    "cloud.google.com/load-balancer-type": "Internal",
    "service.beta.kubernetes.io/oci-load-balancer-internal": "true",
    "alb.ingress.kubernetes.io/scheme": "internal",
    "kubernetes.io/ingress.class": "gce-internal",
}
"""Annotations that keep a load balancer inside; one of them is enough, each cloud reads its own."""

INTERNAL_CLASSES = ("gce-internal", "gke-l7-rilb", "internal")


def _is_internal(annotations: Props) -> bool:
    return any((text(annotations, key) or "").casefold() == value.casefold() for key, value in INTERNAL.items())


@exposure_endpoints.endpoints_private.also("kubernetes:core/v1:Service", joins=True)
def services(service: Node) -> Iterator[Finding]:
    spec = service.mapping("spec")
    kind = text(spec, "type")
    is_inside = kind == "LoadBalancer" and _is_internal(mapping(service, "metadata", "annotations"))
    if kind in ("LoadBalancer", "NodePort") and not is_inside and not is_public(service.graph):
        yield Finding(at=spec.at("type"), found=kind)
    if (addresses := texts(spec, "externalIPs")) and not is_public(service.graph):
        yield Finding(at=spec.at("externalIPs"), found=addresses)


def _service(declares: object = None, annotations: object = None, **spec: Any) -> list[Resource]:
    metadata = {"name": "it", "annotations": annotations or {}}
    return [
        network(is_api_public=declares),
        declared("kubernetes:core/v1:Service", "it", metadata=metadata, spec=spec),
    ]


_INTERNAL = {"service.beta.kubernetes.io/aws-load-balancer-scheme": "internal"}
services.examples(
    good=[
        _service(),
        _service(type="ClusterIP"),
        _service(type="LoadBalancer", annotations=_INTERNAL),
        _service(True, type="LoadBalancer"),
    ],
    bad=[
        _service(type="LoadBalancer"),
        _service(type="NodePort", annotations=_INTERNAL),
        _service(
            type="LoadBalancer", annotations={"service.beta.kubernetes.io/aws-load-balancer-scheme": "internet-facing"}
        ),
        _service(type="ClusterIP", externalIPs=["192.0.2.1"]),
    ],
    unknown=[_service(type=UNKNOWN), _service(UNKNOWN, type="LoadBalancer")],
)


@exposure_endpoints.endpoints_private.also("kubernetes:gateway.networking.k8s.io/v1:Gateway", joins=True)
def gateways(gateway: Node) -> Finding | None:
    spec = gateway.mapping("spec")
    if text(spec, "gatewayClassName") in INTERNAL_CLASSES or is_public(gateway.graph):
        return None
    infrastructure = mapping(spec, "infrastructure")
    is_internal = _is_internal(mapping(infrastructure, "annotations"))
    return None if is_internal else Finding(at=infrastructure.at("annotations"))


def _gateway(annotations: object, declares: object = None, name: str = "envoy") -> list[Resource]:
    spec = {"gatewayClassName": name, "infrastructure": {"annotations": annotations}}
    kind = "kubernetes:gateway.networking.k8s.io/v1:Gateway"
    return [network(is_api_public=declares), declared(kind, "it", spec=spec)]


gateways.examples(
    good=[_gateway(_INTERNAL), _gateway({}, True), _gateway({}, name="gke-l7-rilb")],
    bad=[_gateway({}), _gateway({"networking.gke.io/load-balancer-type": "External"}), _gateway(None, False)],
    unknown=[_gateway(UNKNOWN), _gateway({}, UNKNOWN)],
)


@exposure_endpoints.endpoints_private.also("kubernetes:networking.k8s.io/v1:Ingress", joins=True)
def ingresses(ingress: Node) -> Finding | None:
    name = text(ingress.mapping("spec"), "ingressClassName")
    if name in INTERNAL_CLASSES or _is_internal(mapping(ingress, "metadata", "annotations")):
        return None
    return None if is_public(ingress.graph) else Finding(at="spec.ingressClassName", found=name)


def _ingress(name: object = None, declares: object = None, **annotations: Any) -> list[Resource]:
    kind, metadata = "kubernetes:networking.k8s.io/v1:Ingress", {"annotations": annotations}
    return [
        network(is_api_public=declares),
        declared(kind, "it", metadata=metadata, spec={"ingressClassName": name}),
    ]


ingresses.examples(
    good=[
        _ingress("gce-internal"),
        _ingress("alb", **{"alb.ingress.kubernetes.io/scheme": "internal"}),
        _ingress("nginx", True),
    ],
    bad=[_ingress(), _ingress("alb"), _ingress("alb", **{"alb.ingress.kubernetes.io/scheme": "internet-facing"})],
    unknown=[_ingress(UNKNOWN), _ingress("alb", UNKNOWN)],
)


@exposure_endpoints.endpoints_private.also("kubernetes:helm.sh/v3:Release", "kubernetes:helm.sh/v4:Chart", joins=True)
def charts(release: Node) -> Iterator[Finding]:
    """Services that a chart's values ask for."""
    mapping(release, "values")  # refuses what isn't known, or is no mapping
    for service in _services_in(release.resource.props.get("values"), "values"):
        kind = service.get("type")
        if not _is_internal(mapping(service, "annotations")) and not is_public(release.graph):
            yield Finding(at=service.at("type"), found=kind)


def _services_in(values: Any, path: str) -> Iterator[Props]:
    if isinstance(values, list | tuple):
        for index, item in enumerate(values):
            yield from _services_in(item, f"{path}[{index}]")
    if not isinstance(values, Mapping):
        return
    kind = values.get("type")
    if kind in ("LoadBalancer", "NodePort") or (kind is UNKNOWN and path.casefold().endswith("service")):
        yield Props(values, path)
    for key, value in values.items():
        yield from _services_in(value, f"{path}.{key}")


def _chart(values: object, declares: object = None) -> list[Resource]:
    return [network(is_api_public=declares), declared("kubernetes:helm.sh/v3:Release", "it", values=values)]


charts.examples(
    good=[
        _chart({}),
        _chart({"service": {"type": "ClusterIP"}}),
        _chart({"controller": {"service": {"type": "LoadBalancer", "annotations": _INTERNAL}}}),
        _chart({"service": {"type": "LoadBalancer"}}, True),
    ],
    bad=[
        _chart({"service": {"type": "NodePort"}}),
        _chart({"gateways": [{"service": {"type": "LoadBalancer", "annotations": {}}}]}),
    ],
    unknown=[_chart(UNKNOWN), _chart({"service": {"type": UNKNOWN}})],
)
