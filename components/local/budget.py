"""The local ledger: meters slots and endpoints at the configured prices, and acts by holds."""

from __future__ import annotations

from typing import Any

import pulumi

from components import contract
from components.contract import BudgetOutputs, StorageOutputs
from components.local import holds
from components.local.config import service_config
from components.local.identity import LocalIdentity
from components.local.network import LocalNetwork, local_settings, root_of
from components.local.resources import Service
from components.specs import BudgetSpec


class BudgetAlarm(contract.BudgetAlarm):
    """One process; each step of the ladder acts once in a period."""

    cloud = "local"

    def build(
        self,
        spec: BudgetSpec,
        *,
        network: LocalNetwork,
        identity: LocalIdentity,
        storage: StorageOutputs,
        **below: Any,
    ) -> BudgetOutputs:
        config = service_config(
            self.ctx,
            network,
            identity,
            storage,
            "ledger",
            token_ref=identity.viewer_ref,
            peers=("scheduler", "router"),
            settings={
                "monthly_limit_usd": spec.monthly_limit_usd,
                "steps": [step.model_dump(mode="json") for step in spec.steps],
                "endpoint_usd_per_hour": local_settings(self.ctx).endpoint_usd_per_hour,
                "supervisor_url": network.socket.apply(lambda path: f"unix://{path}"),
            },
        )
        ledger = Service(
            self.child_name("ledger"),
            module="ml_jobs.local.ledger",
            config=config,
            opts=self.child(),
        )
        for hold in holds.standing(root_of(self.ctx)):
            pulumi.log.warn(f"hold {hold['id']} stands: {hold['effect']} on {hold['scope']}, {hold['reason']}", self)
        return BudgetOutputs(state_url=ledger.url)
