"""The operators, each a pinned chart: what they bring is what the objects declared here were judged by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components.contract import Component
from components.kubernetes.cluster import Cluster, metadata
from components.kubernetes.traffic import GATEWAY_NAMESPACE

PROMETHEUS_RELEASE = "kube-prometheus-stack"
MONITORING_NAMESPACE = "monitoring"
GATEWAY_CONTROLLER = "gateway.envoyproxy.io/gatewayclass-controller"
RETENTION_DAYS = 45
"""A month's spend is summed over what Prometheus keeps."""


@dataclass(frozen=True)
class Chart:
    """`crds`: a chart that has to come first, with the types alone. `after`: operators that it needs.
    `pod_security`: the standard that its namespace enforces."""

    chart: str
    version: str
    namespace: str
    repository: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    crds: str | None = None
    after: tuple[str, ...] = ()
    pod_security: str = "baseline"


CHARTS: dict[str, Chart] = {
    "cert_manager": Chart(
        "cert-manager",
        "v1.21.2",
        "cert-manager",
        "https://charts.jetstack.io",
        {"crds": {"enabled": True, "keep": True}},
    ),
    "prometheus": Chart(  # 77.6.0 carries prometheus-operator v0.85.0
        PROMETHEUS_RELEASE,
        "77.6.0",
        MONITORING_NAMESPACE,
        "https://prometheus-community.github.io/helm-charts",
        {
            "fullnameOverride": PROMETHEUS_RELEASE,
            "prometheus": {
                "prometheusSpec": {
                    "retention": f"{RETENTION_DAYS}d",
                    # Whatever is declared here is taken, also what the chart did not make.
                    "ruleSelectorNilUsesHelmValues": False,
                    "serviceMonitorSelectorNilUsesHelmValues": False,
                    "podMonitorSelectorNilUsesHelmValues": False,
                    "storageSpec": {
                        "volumeClaimTemplate": {
                            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "50Gi"}}}
                        }
                    },
                }
            },
            # Without it a receiver hears of alerts from its own namespace only.
            "alertmanager": {"alertmanagerSpec": {"alertmanagerConfigMatcherStrategy": {"type": "None"}}},
            "grafana": {
                "defaultDashboardsEnabled": False,
                "sidecar": {"dashboards": {"searchNamespace": "ALL", "label": "grafana_dashboard"}},
            },
        },
        pod_security="privileged",  # the node exporter reads the node
    ),
    "kueue": Chart(
        "oci://registry.k8s.io/kueue/charts/kueue",
        "0.14.0",
        "kueue-system",
        values={"enablePrometheus": True},
        after=("prometheus",),
    ),
    "jobset": Chart("oci://registry.k8s.io/jobset/charts/jobset", "0.10.1", "jobset-system"),
    "gateway": Chart(  # judged by Gateway API v1.3.0, whose standard channel later ones keep
        "oci://docker.io/envoyproxy/gateway-helm", "v1.8.2", GATEWAY_NAMESPACE
    ),
    "keda": Chart("keda", "2.17.2", "keda", "https://kedacore.github.io/charts"),
    "kserve": Chart(
        "oci://ghcr.io/kserve/charts/kserve",
        "v0.15.2",
        "kserve",
        values={
            "kserve": {
                "controller": {
                    "deploymentMode": "RawDeployment",
                    "gateway": {"disableIngressCreation": True},  # routes are declared here, all weights in one
                }
            }
        },
        crds="oci://ghcr.io/kserve/charts/kserve-crd",
        after=("cert_manager",),
    ),
    "opencost": Chart(
        "opencost",
        "2.5.31",
        "opencost",
        "https://opencost.github.io/opencost-helm-chart",
        {"opencost": {"metrics": {"serviceMonitor": {"enabled": True}}, "ui": {"enabled": False}}},
        after=("prometheus",),
    ),
    "gpu": Chart(
        "gpu-operator",
        "v25.3.4",
        "gpu-operator",
        "https://helm.ngc.nvidia.com/nvidia",
        # Images of GPU nodes bring the driver; DCGM is scraped for the accelerators' metrics.
        {"driver": {"enabled": False}, "dcgmExporter": {"serviceMonitor": {"enabled": True}}},
        after=("prometheus",),
        pod_security="privileged",  # drivers and device plugins are parts of the node
    ),
}
"""In the order in which they are installed, by their key in `kubernetes.operators`."""


def declare_operators(
    owner: Component[Any, Any], cluster: Cluster, *, has_accelerators: bool, depends_on: Iterable[Any] = ()
) -> None:
    """Install those that are switched on, and note them on the cluster for whatever uses their types."""
    for name, chart in CHARTS.items():
        wanted = getattr(cluster.settings.operators, name)
        if not wanted.enabled or (name == "gpu" and not (has_accelerators and cluster.is_gpu_operator_needed)):
            continue
        version = wanted.version or chart.version
        needs: list[pulumi.Resource] = [*depends_on, _home(owner, cluster, name, chart)]
        if chart.crds:
            needs.append(_release(owner, cluster, f"{name}-crds", chart.crds, version, chart, (), needs))
        cluster.operators[name] = _release(
            owner, cluster, name, chart.chart, version, chart, chart.after, needs, values=_values(name, chart, cluster)
        )


def _home(owner: Component[Any, Any], cluster: Cluster, name: str, chart: Chart) -> k8s.core.v1.Namespace:
    namespace = _namespace(chart, cluster)
    security = {"pod-security.kubernetes.io/enforce": chart.pod_security}
    made = k8s.core.v1.Namespace(
        owner.child_name(f"{name.replace('_', '-')}-namespace"),
        metadata=metadata(owner, namespace, labels=security),
        opts=cluster.child(owner),
    )
    cluster.namespaces[namespace] = [made]
    return made


def _namespace(chart: Chart, cluster: Cluster) -> str:
    return cluster.settings.prometheus_namespace if chart.chart == PROMETHEUS_RELEASE else chart.namespace


def _values(name: str, chart: Chart, cluster: Cluster) -> Mapping[str, Any]:
    if name != "opencost":
        return chart.values
    asked = {"internal": {"enabled": False}, "external": {"enabled": True, "url": prometheus_url(cluster)}}
    return {"opencost": {**chart.values["opencost"], "prometheus": asked}}


def _release(
    owner: Component[Any, Any],
    cluster: Cluster,
    role: str,
    source: str,
    version: str,
    chart: Chart,
    after: tuple[str, ...],
    depends_on: list[pulumi.Resource],
    *,
    values: Mapping[str, Any] | None = None,
) -> k8s.helm.v3.Release:
    name = role.replace("_", "-")
    repository = chart.repository if not source.startswith("oci://") else None
    return k8s.helm.v3.Release(
        owner.child_name(name),
        name=PROMETHEUS_RELEASE if role == "prometheus" else name,
        chart=source,
        version=version,
        namespace=_namespace(chart, cluster),
        repository_opts=k8s.helm.v3.RepositoryOptsArgs(repo=repository) if repository else None,
        values=dict(values) if values else None,
        atomic=True,
        timeout=600,
        opts=cluster.child(owner, after=after, depends_on=depends_on),
    )


def prometheus_url(cluster: Cluster) -> str:
    """Where the cluster's pods ask Prometheus."""
    namespace = cluster.settings.prometheus_namespace
    return cluster.settings.prometheus_url or f"http://{PROMETHEUS_RELEASE}-prometheus.{namespace}.svc:9090"
