"""Alert policies, channels, a dashboard, and where the stack's logs are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_gcp as gcp

from components import contract
from components.contract import Context, EndpointOutputs, MonitoringOutputs
from components.gcp import alerts, names
from components.gcp.conditions import burning, conditions_of
from components.gcp.dashboards import dashboard
from components.gcp.grants import grant_key
from components.gcp.outputs import GcpEndpoint, GcpNetwork, GcpStorage, GcpTraining
from components.gcp.provider import labels_of
from components.gcp.services import after
from components.slo import BURNS
from components.specs import MonitoringSpec, SloSpec
from ml_jobs.contract import AlertRule, Metric

SEVERITIES = {"info": "WARNING", "warning": "ERROR", "critical": "CRITICAL"}
WEBHOOK_USER = "skywright"
_UNITS = {
    Metric.QUEUE_WAIT: "s", Metric.STEP_TIME: "s", Metric.GOODPUT: "1", Metric.ACCELERATOR_UTILISATION: "1",
    Metric.ACCELERATOR_MEMORY: "1", Metric.ACCELERATOR_ERRORS: "1", Metric.SPEND_RATIO: "1",
}  # fmt: skip


class Monitoring(contract.Monitoring):
    """A policy for each rule that Vertex or the stack's own metrics answer; what runs on a cluster is watched there."""

    cloud = "gcp"

    @classmethod
    def check(cls, spec: MonitoringSpec, ctx: Context) -> None:
        for index, rule in enumerate(spec.alerts):
            alerts.check(rule, f"skywright:monitoring.alerts[{index}]")

    def build(
        self,
        spec: MonitoringSpec,
        *,
        network: GcpNetwork,
        storage: GcpStorage,
        training: GcpTraining,
        endpoint: EndpointOutputs,
        **below: Any,
    ) -> MonitoringOutputs:
        endpoint_id = endpoint.endpoint_id if isinstance(endpoint, GcpEndpoint) else None
        scope = scope_of(self.ctx, endpoint_id or "")
        self._logs(network, storage)
        watched = self._metrics(network, scope)
        channels = self._channels(spec, network)
        here = [rule for rule in spec.alerts if not _is_on_cluster(rule, training, endpoint_id)]
        for rule in here:
            self._policy(rule, scope, network, channels, watched)
        if endpoint_id:
            for slo in spec.slos:
                self._burning(slo, scope, network, channels)
        there = tuple(rule for rule in spec.alerts if rule not in here)
        if training.cluster is not None:
            from components.kubernetes.alerts import declare_alerts

            slos = () if endpoint_id else spec.slos
            # Google tells people; the cluster's own receivers would need a mail server.
            declare_alerts(
                self, training.cluster, spec.model_copy(update={"alerts": there, "slos": slos, "emails": ()})
            )
        board = gcp.monitoring.Dashboard(
            self.child_name("dashboard"),
            project=network.project_id,
            dashboard_json=dashboard(f"{self.ctx.project} {self.ctx.stack}", scope),
            opts=after(self, network.services, "monitoring", depends_on=watched),
        )
        return MonitoringOutputs(
            metrics_url=network.project_id.apply(
                lambda project: f"https://monitoring.googleapis.com/v1/projects/{project}/location/global/prometheus"
            ),
            dashboard_url=pulumi.Output.all(board.id, network.project_id).apply(
                lambda both: (
                    f"https://console.cloud.google.com/monitoring/dashboards/builder/{both[0].rsplit('/', 1)[-1]}"
                    f"?project={both[1]}"
                )
            ),
            otlp_url=pulumi.Output.from_input(None),
        )

    def _logs(self, network: GcpNetwork, storage: GcpStorage) -> None:
        """The stack's logs in a bucket of their own.

        https://cloud.google.com/logging/docs/routing/managed-encryption-storage
        """
        granted = grant_key(
            self,
            "logs",
            storage.key_ref,
            network.project_number.apply(
                lambda number: f"serviceAccount:cmek-p{number}@gcp-sa-logging.iam.gserviceaccount.com"
            ),
        )
        bucket = gcp.logging.ProjectBucketConfig(
            self.child_name("logs"),
            project=network.project_id,
            location=str(self.ctx.region),
            bucket_id=self.ctx.name(names.LOG_BUCKET, "logs"),
            description=f"Logs of {self.ctx.project} {self.ctx.stack}",
            retention_days=self.ctx.log_retention_days,
            cmek_settings=gcp.logging.ProjectBucketConfigCmekSettingsArgs(kms_key_name=storage.key_ref),
            opts=after(self, network.services, "logging", depends_on=[granted], delete_before_replace=True),
        )
        gcp.logging.ProjectSink(
            self.child_name("logs-route"),
            project=network.project_id,
            name=self.ctx.name(names.LOG_SINK, "logs"),
            description="What jobs, model servers and clusters of the stack write",
            destination=bucket.id.apply(lambda id: f"logging.googleapis.com/{id}"),
            filter=logs_filter(self.ctx),
            unique_writer_identity=True,
            opts=self.child(delete_before_replace=True),
        )

    def _metrics(self, network: GcpNetwork, scope: alerts.Scope) -> list[pulumi.Resource]:
        """What must be known before a policy can name it."""
        made: list[pulumi.Resource] = [
            gcp.logging.Metric(
                self.child_name(f"counts-{event}"),
                project=network.project_id,
                name=f"{scope.logged}-{event}",
                description=f"Jobs of {self.ctx.project} {self.ctx.stack} that {event}",
                filter=f'resource.type="ml_job" AND jsonPayload.skywright_stack="{self.ctx.stack}" '
                f'AND jsonPayload.skywright_event="{event}"',
                metric_descriptor=gcp.logging.MetricMetricDescriptorArgs(
                    metric_kind="DELTA", value_type="INT64", unit="1"
                ),
                opts=after(self, network.services, "logging", delete_before_replace=True),
            )
            for event in alerts.LOGGED.values()
        ]
        made += [
            gcp.monitoring.MetricDescriptor(
                self.child_name(f"metric-{metric.value}"),
                project=network.project_id,
                type=alerts.type_of(metric, scope),
                metric_kind="GAUGE",
                value_type="DOUBLE",
                unit=unit,
                display_name=f"{self.ctx.stack} {metric.value}",
                description=f"{metric.value} of {self.ctx.project} {self.ctx.stack}",
                opts=after(self, network.services, "monitoring"),
            )
            for metric, unit in _UNITS.items()
        ]
        return made

    def _channels(self, spec: MonitoringSpec, network: GcpNetwork) -> list[pulumi.Output[str]]:
        made = [
            gcp.monitoring.NotificationChannel(
                self.child_name(f"mail-{address}"),
                project=network.project_id,
                display_name=f"{self.ctx.stack}: {address}",
                type="email",
                labels={"email_address": address},
                user_labels=labels_of(self),
                opts=after(self, network.services, "monitoring"),
            )
            for address in spec.emails
        ]
        if spec.webhook_url:
            token = self.ctx.secrets.get("webhookToken")
            made.append(
                gcp.monitoring.NotificationChannel(
                    self.child_name("webhook"),
                    project=network.project_id,
                    display_name=f"{self.ctx.stack}: webhook",
                    type="webhook_basicauth" if token else "webhook_tokenauth",
                    labels={"url": spec.webhook_url, **({"username": WEBHOOK_USER} if token else {})},
                    sensitive_labels=gcp.monitoring.NotificationChannelSensitiveLabelsArgs(password=token)
                    if token
                    else None,
                    user_labels=labels_of(self),
                    opts=after(self, network.services, "monitoring"),
                )
            )
        return [channel.id for channel in made]

    def _policy(
        self,
        rule: AlertRule,
        scope: alerts.Scope,
        network: GcpNetwork,
        channels: Sequence[pulumi.Output[str]],
        watched: Sequence[pulumi.Resource],
    ) -> None:
        conditions = conditions_of(rule, scope)
        self._declare(rule.name, rule.severity, conditions, network, channels, watched, rule.labels)

    def _burning(
        self, slo: SloSpec, scope: alerts.Scope, network: GcpNetwork, channels: Sequence[pulumi.Output[str]]
    ) -> None:
        for pair in (burn for burn in BURNS if burn.is_possible(slo)):
            condition = burning(slo, pair, scope)
            name = f"slo-{slo.name}-{pair.long_s // 60}m"
            self._declare(name, pair.severity, [condition], network, channels, [], {})

    def _declare(
        self,
        name: str,
        severity: str,
        conditions: list[gcp.monitoring.AlertPolicyConditionArgs],
        network: GcpNetwork,
        channels: Sequence[pulumi.Output[str]],
        watched: Sequence[pulumi.Resource],
        labels: dict[str, str],
    ) -> None:
        gcp.monitoring.AlertPolicy(
            self.child_name(f"alert-{name}"),
            project=network.project_id,
            display_name=f"{self.ctx.project} {self.ctx.stack} {name}",
            combiner="OR",
            conditions=conditions,
            severity=SEVERITIES[severity],
            notification_channels=list(channels),
            alert_strategy=gcp.monitoring.AlertPolicyAlertStrategyArgs(auto_close="86400s"),
            documentation=gcp.monitoring.AlertPolicyDocumentationArgs(
                content=f"Alert {name} of stack {self.ctx.stack} ({self.ctx.environment}).", mime_type="text/markdown"
            ),
            user_labels=labels_of(self, **labels),
            opts=after(self, network.services, "monitoring", depends_on=watched),
        )


def scope_of(ctx: Context, endpoint_id: str) -> alerts.Scope:
    """The stack's own metrics bear its name: what two stacks of a project report never mixes."""
    own = ctx.name(names.LOG_METRIC)
    return alerts.Scope(endpoint_id=endpoint_id, custom=f"custom.googleapis.com/{own}", logged=own)


def logs_filter(ctx: Context) -> str:
    return (
        f'(resource.type="ml_job" AND jsonPayload.skywright_stack="{ctx.stack}") '
        f'OR (resource.type="aiplatform.googleapis.com/Endpoint" AND resource.labels.location="{ctx.region}") '
        f'OR (resource.type="k8s_container" AND resource.labels.cluster_name="{ctx.name(names.CLUSTER)}")'
    )


def _is_on_cluster(rule: AlertRule, training: GcpTraining, endpoint_id: str | None) -> bool:
    if rule.metric is Metric.SPEND_RATIO or training.cluster is None:
        return False  # told by the budget's actor, whatever runs where
    return endpoint_id is None if rule.metric in alerts.ENDPOINT_METRICS else True
