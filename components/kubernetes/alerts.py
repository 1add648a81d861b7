"""Alert rules, their receivers and a dashboard on a cluster."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from catalog.names import name_for
from components.contract import Component, MonitoringOutputs
from components.kubernetes import custom
from components.kubernetes.cluster import Cluster, metadata
from components.kubernetes.dashboards import dashboard
from components.kubernetes.names import CLUSTER_WIDE
from components.kubernetes.operators import prometheus_url
from components.kubernetes.promql import Scope
from components.kubernetes.rules import groups
from components.kubernetes.settings import SmtpSettings
from components.specs import MonitoringSpec

TOKEN_SECRET, TOKEN_KEY = "webhook-token", "token"


def scope_of(owner: Component[Any, Any], cluster: Cluster) -> Scope:
    """The series that belong to this stack."""
    ctx = owner.ctx
    return Scope(
        namespace=cluster.settings.namespace,
        queue_prefix=name_for(CLUSTER_WIDE, ctx.project, ctx.stack)[:40],
        stack=ctx.stack,
        is_envoy=cluster.settings.gateway.class_name is None,
    )


def declare_alerts(owner: Component[Any, Any], cluster: Cluster, spec: MonitoringSpec) -> MonitoringOutputs:
    """Declare them; a cloud's own monitoring may add to what is given back or leave it."""
    namespace = cluster.settings.namespace
    scope = scope_of(owner, cluster)
    if found := groups(spec.alerts, spec.slos, scope):
        custom.declare(
            owner,
            cluster,
            "PrometheusRule",
            "alerts",
            "skywright-alerts",
            namespace,
            spec={"groups": found},
            labels=cluster.settings.prometheus_labels,
        )
    if spec.webhook_url or (spec.emails and cluster.settings.smtp):
        _receivers(owner, cluster, spec)
    k8s.core.v1.ConfigMap(
        owner.child_name("dashboard"),
        metadata=metadata(owner, "skywright-dashboard", namespace, labels={"grafana_dashboard": "1"}),
        data={"skywright.json": dashboard(owner.ctx.stack, scope)},
        opts=cluster.child(owner, depends_on=cluster.namespaces.get(namespace, [])),
    )
    url = prometheus_url(cluster)
    return MonitoringOutputs(
        metrics_url=pulumi.Output.from_input(url),
        dashboard_url=pulumi.Output.from_input(dashboard_url(cluster, owner.ctx.stack)),
        otlp_url=pulumi.Output.from_input(None),
    )


def dashboard_url(cluster: Cluster, stack: str) -> str:
    """In the Grafana that comes with Prometheus; where another Prometheus is used, its own address."""
    namespace = cluster.settings.prometheus_namespace
    if cluster.settings.prometheus_url:
        return cluster.settings.prometheus_url
    return f"http://kube-prometheus-stack-grafana.{namespace}.svc/d/skywright-{stack}"


def _receivers(owner: Component[Any, Any], cluster: Cluster, spec: MonitoringSpec) -> None:
    namespace = cluster.settings.namespace
    secret = None
    if spec.webhook_url and (token := owner.ctx.secrets.get("webhookToken")):
        secret = k8s.core.v1.Secret(
            owner.child_name(TOKEN_SECRET),
            metadata=metadata(owner, TOKEN_SECRET, namespace),
            type="Opaque",
            string_data={TOKEN_KEY: token},
            opts=cluster.child(owner, depends_on=cluster.namespaces.get(namespace, [])),
        )
    custom.declare(
        owner,
        cluster,
        "AlertmanagerConfig",
        "receivers",
        "skywright",
        namespace,
        spec=receivers(spec, cluster.settings.smtp, stack=owner.ctx.stack, has_token=secret is not None),
        labels=cluster.settings.prometheus_labels,
        depends_on=[secret] if secret else [],
    )


def receivers(spec: MonitoringSpec, smtp: SmtpSettings | None, *, stack: str, has_token: bool) -> dict[str, Any]:
    """The AlertmanagerConfig: everything of this stack to everybody that is named. Pure."""
    receiver: dict[str, Any] = {"name": "team"}
    if spec.webhook_url:
        authorization = {"authorization": {"type": "Bearer", "credentials": {"name": TOKEN_SECRET, "key": TOKEN_KEY}}}
        receiver["webhookConfigs"] = [
            {"url": spec.webhook_url, "sendResolved": True, **({"httpConfig": authorization} if has_token else {})}
        ]
    if spec.emails and smtp:
        password = {"authPassword": {"name": smtp.password_secret, "key": "password"}} if smtp.password_secret else {}
        receiver["emailConfigs"] = [
            {
                "to": address,
                "from": smtp.sender,
                "smarthost": smtp.smarthost,
                "requireTLS": True,
                "sendResolved": True,
                **({"authUsername": smtp.username} if smtp.username else {}),
                **password,
            }
            for address in spec.emails
        ]
    return {
        "route": {
            "receiver": "team",
            "matchers": [{"name": "skywright_stack", "value": stack, "matchType": "="}],
            "groupBy": ["alertname"],
            "groupWait": "30s",
            "groupInterval": "5m",
            "repeatInterval": "12h",
        },
        "receivers": [receiver],
    }
