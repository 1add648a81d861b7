"""The local monitor: scrapes, evaluates the alert rules, keeps the alarms, serves the page."""

from __future__ import annotations

from typing import Any

import pulumi

from components import contract
from components.contract import MonitoringOutputs, StorageOutputs
from components.local.config import service_config
from components.local.identity import LocalIdentity
from components.local.network import LocalNetwork, local_settings
from components.local.resources import SecretFile, Service
from components.specs import MonitoringSpec


class Monitoring(contract.Monitoring):
    """One process over SQLite; alarms go to a log and, where one is set, to a webhook."""

    cloud = "local"

    def build(
        self,
        spec: MonitoringSpec,
        *,
        network: LocalNetwork,
        identity: LocalIdentity,
        storage: StorageOutputs,
        **below: Any,
    ) -> MonitoringOutputs:
        token_file: pulumi.Input[str] | None = None
        if secret := self.ctx.secrets.get("webhookToken"):
            token_file = SecretFile(
                self.child_name("webhook-token"),
                path=network.path("secrets/webhook-token"),
                value=secret,
                opts=self.child(),
            ).path
        config = service_config(
            self.ctx,
            network,
            identity,
            storage,
            "monitor",
            token_ref=identity.viewer_ref,
            peers=("registry", "scheduler", "router", "ledger"),
            settings={
                "alerts": [alert.model_dump(mode="json") for alert in spec.alerts],
                "webhook_url": spec.webhook_url,
                "webhook_token_file": token_file,
                "scrape_s": local_settings(self.ctx).scrape_s,
                "retention_days": spec.log_retention_days,
            },
        )
        monitor = Service(
            self.child_name("monitor"),
            module="ml_jobs.local.monitor",
            config=config,
            opts=self.child(),
        )
        return MonitoringOutputs(
            metrics_url=monitor.url,
            dashboard_url=monitor.url,
            otlp_url=pulumi.Output.from_input(None),
        )
