"""More replicas under load, none while nobody asks: a release's scaler in KEDA's words. Pure."""

from __future__ import annotations

from typing import Any

from components.kubernetes import promql
from components.specs import EndpointSpec

WINDOW_S = 120
COOL_S = 300


def scaled_object(
    name: str, deployment: str, spec: EndpointSpec, *, namespace: str, prometheus_url: str
) -> dict[str, Any]:
    """Scales by the requests per second that the release's servers answer; from zero by those at the gateway, since a
    server that is not there counts nothing."""
    load = promql.over_window(
        promql.server_requests(namespace, {"skywright_endpoint": spec.name, "release": name}), WINDOW_S
    )
    triggers = [_trigger(f"sum({load}) or vector(0)", f"{spec.requests_per_replica:g}", prometheus_url)]
    if spec.min_replicas == 0:
        asked = promql.over_window(promql.gateway_requests(namespace, spec.name), WINDOW_S)
        triggers.append(_trigger(f"clamp_max(sum({asked}), 1) or vector(0)", "1", prometheus_url))
    return {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment},
        "minReplicaCount": spec.min_replicas,
        "maxReplicaCount": spec.max_replicas,
        "pollingInterval": 15,
        "cooldownPeriod": COOL_S,
        "advanced": {
            "horizontalPodAutoscalerConfig": {
                "behavior": {
                    "scaleDown": {"stabilizationWindowSeconds": COOL_S},
                    "scaleUp": {"stabilizationWindowSeconds": 0},
                }
            }
        },
        "triggers": triggers,
    }


def _trigger(query: str, threshold: str, url: str) -> dict[str, Any]:
    return {
        "type": "prometheus",
        "metricType": "AverageValue",
        "metadata": {"serverAddress": url, "query": query, "threshold": threshold, "activationThreshold": "0"},
    }
