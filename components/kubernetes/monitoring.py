"""Monitoring of a brought cluster."""

from __future__ import annotations

from typing import Any

from catalog.errors import UserError
from components import contract
from components.contract import Context, MonitoringOutputs, Unsupported
from components.kubernetes.alerts import declare_alerts
from components.kubernetes.network import KubernetesNetwork, own_settings
from components.specs import MonitoringSpec
from ml_jobs.contract import Metric


class Monitoring(contract.Monitoring):
    """Rules for Prometheus, receivers for Alertmanager, a dashboard for Grafana."""

    cloud = "kubernetes"

    @classmethod
    def check(cls, spec: MonitoringSpec, ctx: Context) -> None:
        if spec.emails and own_settings(ctx).smtp is None:
            raise UserError(
                f"skywright:monitoring.emails has {len(spec.emails)} entries, and nobody here sends mail",
                "Set skywright:kubernetes.smtp to {smarthost, sender}, or use webhook_url.",
            )
        for index, rule in enumerate(spec.alerts):
            if rule.aggregation == "sum" and rule.metric in (Metric.REQUEST_RATE, Metric.ERROR_RATIO):
                raise Unsupported(
                    f"skywright:monitoring.alerts[{index}].aggregation is 'sum'; a sum of {rule.metric.value} "
                    "means nothing",
                    "Use avg.",
                )

    def build(self, spec: MonitoringSpec, *, network: KubernetesNetwork, **below: Any) -> MonitoringOutputs:
        return declare_alerts(self, network.cluster, spec)
