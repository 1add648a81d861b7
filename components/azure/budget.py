"""The month's budget, its notices, and the job that acts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pulumi_azure_native import consumption

from components import contract
from components.azure import names
from components.azure.actor import STATE, declare_actor
from components.azure.outputs import (
    AzureMonitoring,
    AzureNetwork,
    AzureRegistry,
    AzureStorage,
    AzureTraining,
)
from components.azure.provider import azure_settings
from components.contract import BudgetOutputs, EndpointOutputs
from components.specs import BudgetSpec

MAX_NOTICES = 5
"""Of one budget. https://learn.microsoft.com/rest/api/consumption/budgets/create-or-update"""
LAST_MONTH = "2034-12-31T00:00:00Z"


class BudgetAlarm(contract.BudgetAlarm):
    """A consumption budget that tells, and a Container Apps job that looks every half hour and acts."""

    cloud = "azure"

    def build(
        self,
        spec: BudgetSpec,
        *,
        network: AzureNetwork,
        storage: AzureStorage,
        registry: AzureRegistry,
        training: AzureTraining,
        endpoint: EndpointOutputs,
        monitoring: AzureMonitoring,
        **below: Any,
    ) -> BudgetOutputs:
        budgets = [
            self._budget(spec, index, notices, network, monitoring) for index, notices in enumerate(notices_of(spec))
        ]
        declare_actor(self, spec, budgets[0].id, network, storage, registry, training, endpoint)
        if training.cluster is not None:
            from components.kubernetes.costs import declare_budget

            # The job reaches no private cluster: there the same ladder climbs by what its nodes cost.
            declare_budget(self, training.cluster, spec)
        return BudgetOutputs(state_url=storage.artifacts_url.apply(lambda url: f"{url}/{STATE}"))

    def _budget(
        self,
        spec: BudgetSpec,
        index: int,
        notices: dict[str, tuple[float, str]],
        network: AzureNetwork,
        monitoring: AzureMonitoring,
    ) -> consumption.Budget:
        what = "month" if index == 0 else f"month-{index + 1}"
        return consumption.Budget(
            self.child_name(what),
            scope=network.group_id,
            budget_name=self.ctx.name(names.BUDGET, what),
            category="Cost",
            amount=spec.monthly_limit_usd,
            time_grain="Monthly",
            time_period=consumption.BudgetTimePeriodArgs(start_date=month_of(datetime.now(UTC)), end_date=LAST_MONTH),
            filter=self._filter(),
            notifications={
                name: consumption.NotificationArgs(
                    enabled=True,
                    operator="GreaterThanOrEqualTo",
                    threshold=percent,
                    threshold_type=basis,
                    contact_emails=[],
                    contact_groups=[monitoring.action_group_id],
                    locale="en-us",
                )
                for name, (percent, basis) in notices.items()
            },
            # It began in the month that made it, and goes on: only a new budget has to begin in the current one.
            opts=self.child(delete_before_replace=True, ignore_changes=["timePeriod.startDate"]),
        )

    def _filter(self) -> consumption.BudgetFilterArgs | None:
        """In a group of its own, all is the stack's, also what bears no tags."""
        if not azure_settings(self.ctx).resource_group:
            return None
        return consumption.BudgetFilterArgs(
            tags=consumption.BudgetComparisonExpressionArgs(name="stack", operator="In", values=[self.ctx.stack])
        )


def notices_of(spec: BudgetSpec) -> list[dict[str, tuple[float, str]]]:
    """{name: (percent, basis)} for each budget that is needed: every step as spent, and the whole as forecast."""
    every = [
        *((f"{step.effect.value}-{step.percent:g}".replace(".", "-"), (step.percent, "Actual")) for step in spec.steps),
        ("forecast-100", (100.0, "Forecasted")),
    ]
    return [dict(every[start : start + MAX_NOTICES]) for start in range(0, len(every), MAX_NOTICES)]


def month_of(now: datetime) -> str:
    """The first of the month, as Azure wants the start of a monthly budget that is new: none in an earlier month.

    https://learn.microsoft.com/rest/api/consumption/budgets/create-or-update#budgettimeperiod
    """
    return now.astimezone(UTC).strftime("%Y-%m-01T00:00:00Z")
