"""Where requests come in: a Gateway, and a Service of ours with a name that never changes."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from catalog.names import name_for
from components.contract import Component
from components.kubernetes import custom
from components.kubernetes.cluster import Cluster, metadata
from components.kubernetes.names import CLUSTER_WIDE, LABEL
from components.kubernetes.operators import GATEWAY_CONTROLLER
from components.kubernetes.traffic import GATEWAY_NAMESPACE

PLAIN_PORT, TLS_PORT = 8080, 8443
"""Above 1023, so that the proxies listen on the very same ports without privileges."""

_OWNER = "gateway.envoyproxy.io/owning-gateway"

PRIVATE = {
    "service.beta.kubernetes.io/aws-load-balancer-scheme": "internal",
    "networking.gke.io/load-balancer-type": "Internal",
    "service.beta.kubernetes.io/azure-load-balancer-internal": "true",
}
"""Each cloud reads its own, and a load balancer without one of these is public."""
PUBLIC = {"service.beta.kubernetes.io/aws-load-balancer-scheme": "internet-facing"}


def declare_gateway(
    owner: Component[Any, Any], cluster: Cluster, name: str, namespace: str, *, is_public: bool
) -> pulumi.Resource:
    """The Gateway `name`: of the class that the settings name, else of Envoy Gateway's, which is scraped too."""
    settings = cluster.settings.gateway
    class_name = settings.class_name or owner.ctx.name(CLUSTER_WIDE, "gateway")
    depends_on: list[pulumi.Resource] = []
    if settings.class_name is None:
        depends_on.append(
            custom.declare(
                owner,
                cluster,
                "GatewayClass",
                "gateway-class",
                class_name,
                spec={"controllerName": GATEWAY_CONTROLLER, "description": f"Endpoints of {owner.ctx.stack}"},
            )
        )
        _reached(owner, cluster, name, namespace)
    return custom.declare(
        owner,
        cluster,
        "Gateway",
        "gateway",
        name,
        namespace,
        spec={
            "gatewayClassName": class_name,
            "infrastructure": {"annotations": PUBLIC if is_public else PRIVATE},
            "listeners": [_listener(cluster)],
        },
        depends_on=depends_on,
    )


def endpoint_url(owner: Component[Any, Any], cluster: Cluster, name: str) -> str:
    """The host that the settings name, else the Service in the cluster."""
    settings = cluster.settings.gateway
    scheme = "https" if settings.tls_secret else "http"
    return f"{scheme}://{settings.host or f'{_service_name(owner, name)}.{GATEWAY_NAMESPACE}.svc'}"


def _listener(cluster: Cluster) -> dict[str, Any]:
    settings = cluster.settings.gateway
    return {
        "name": "requests",
        **({"hostname": settings.host} if settings.host else {}),
        "allowedRoutes": {"namespaces": {"from": "Same"}},
        **(
            {
                "port": TLS_PORT,
                "protocol": "HTTPS",
                "tls": {"mode": "Terminate", "certificateRefs": [{"name": settings.tls_secret}]},
            }
            if settings.tls_secret
            else {"port": PLAIN_PORT, "protocol": "HTTP"}
        ),
    }


def _reached(owner: Component[Any, Any], cluster: Cluster, name: str, namespace: str) -> None:
    """Envoy Gateway ends the names of its Services in a digest, and runs all proxies in its own namespace."""
    proxies = {f"{_OWNER}-name": name, f"{_OWNER}-namespace": namespace}
    is_tls = cluster.settings.gateway.tls_secret is not None
    k8s.core.v1.Service(
        owner.child_name("gateway-service"),
        metadata=metadata(
            owner, _service_name(owner, name), GATEWAY_NAMESPACE, annotations={"pulumi.com/skipAwait": "true"}
        ),
        spec=k8s.core.v1.ServiceSpecArgs(
            type="ClusterIP",
            selector=proxies,
            ports=[
                k8s.core.v1.ServicePortArgs(
                    name="requests", port=443 if is_tls else 80, target_port=TLS_PORT if is_tls else PLAIN_PORT
                )
            ],
        ),
        opts=cluster.child(owner, after=("gateway",), depends_on=cluster.namespaces.get(GATEWAY_NAMESPACE, [])),
    )
    custom.declare(
        owner,
        cluster,
        "PodMonitor",
        "gateway-monitor",
        _service_name(owner, name),
        GATEWAY_NAMESPACE,
        spec={
            "selector": {"matchLabels": proxies},
            "podTargetLabels": list(proxies),
            "podMetricsEndpoints": [{"port": "metrics", "path": "/stats/prometheus", "interval": "15s"}],
        },
        labels=cluster.settings.prometheus_labels,
        depends_on=[cluster.operators["gateway"]] if "gateway" in cluster.operators else [],
    )


def _service_name(owner: Component[Any, Any], name: str) -> str:
    return name_for(LABEL, owner.ctx.project, owner.ctx.stack, name)
