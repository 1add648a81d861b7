"""The month's limit in AWS Budgets, and what happens on the way there."""

from __future__ import annotations

import json
from typing import Any

import pulumi_aws as aws

from catalog.errors import UserError
from components import contract
from components.aws import names
from components.aws.actor import STATE_KEY, declare_actor
from components.aws.actor_policies import attaches, denies_new_training
from components.aws.iam import trusts_service
from components.aws.monitoring import AwsMonitoring
from components.aws.outputs import AwsIdentity, AwsNetwork, AwsStorage
from components.aws.provider import aws_settings
from components.aws.roles import declare_role, grant
from components.contract import BudgetOutputs, Context, EndpointOutputs
from components.kubernetes.cluster import ClusterTraining
from components.specs import BudgetEffect, BudgetSpec

DENIED = ("training", "pipeline")
"""Uses of the roles that a spent budget keeps from starting jobs."""
MOST_NOTICES = 10
"""Of one budget. https://docs.aws.amazon.com/cost-management/latest/userguide/management-limits.html"""
FORECAST_PERCENT = 100
COST_TAG = "stack"
"""Counts only once the account's owner has activated it as a cost allocation tag, which no stack can do for itself.

https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/activating-tags.html
"""


class BudgetAlarm(contract.BudgetAlarm):
    """A notice for each step and for the forecast, an action of the budget's own that denies new training, a function
    that carries out every step and takes it back, and a monitor of unusual spend.

    Jobs on EKS are held by the cluster's own budget besides, from what OpenCost says is spent there.
    """

    cloud = "aws"

    @classmethod
    def check(cls, spec: BudgetSpec, ctx: Context) -> None:
        if len(spec.steps) > MOST_NOTICES - 1:
            raise UserError(
                f"skywright:budget.steps has {len(spec.steps)} entries; allowed on aws: {MOST_NOTICES - 1}, beside the "
                "notice of the forecast",
                "Leave out some that only notify.",
            )

    def build(
        self,
        spec: BudgetSpec,
        *,
        network: AwsNetwork,
        identity: AwsIdentity,
        storage: AwsStorage,
        training: ClusterTraining,
        endpoint: EndpointOutputs,
        monitoring: AwsMonitoring,
        **below: Any,
    ) -> BudgetOutputs:
        budget = self._budget(spec, monitoring)
        blocks = next((step for step in spec.steps if step.effect is BudgetEffect.BLOCK_NEW), None)
        deny = self._deny() if blocks else None
        if blocks and deny:
            self._action(blocks.percent, budget, deny, network, identity, monitoring)
        declare_actor(
            self,
            spec,
            budget=self.ctx.name(names.BUDGET),
            deny_policy=deny.arn if deny else None,
            denied=DENIED if deny else (),
            notices_arn=monitoring.notices_arn,
            network=network,
            identity=identity,
            storage=storage,
            endpoint=endpoint,
        )
        self._anomalies(monitoring)
        if training.cluster is not None:
            from components.kubernetes.costs import declare_budget

            declare_budget(self, training.cluster, spec)
        return BudgetOutputs(state_url=storage.artifacts_url.apply(lambda url: f"{url}/{STATE_KEY}"))

    def _budget(self, spec: BudgetSpec, monitoring: AwsMonitoring) -> aws.budgets.Budget:
        def notice(sort: str, percent: float) -> aws.budgets.BudgetNotificationArgs:
            return aws.budgets.BudgetNotificationArgs(
                notification_type=sort,
                comparison_operator="GREATER_THAN",
                threshold=percent,
                threshold_type="PERCENTAGE",
                subscriber_sns_topic_arns=[monitoring.notices_arn],
            )

        return aws.budgets.Budget(
            self.child_name("month"),
            name=self.ctx.name(names.BUDGET),
            budget_type="COST",
            time_unit="MONTHLY",
            limit_amount=f"{spec.monthly_limit_usd:.2f}",
            limit_unit="USD",
            cost_filters=[
                aws.budgets.BudgetCostFilterArgs(name="TagKeyValue", values=[f"user:{COST_TAG}${self.ctx.stack}"])
            ],
            notifications=[
                *(notice("ACTUAL", step.percent) for step in spec.steps),
                notice("FORECASTED", FORECAST_PERCENT),
            ],
            tags=self.tags(),
            opts=self.child(delete_before_replace=True),
        )

    def _deny(self) -> aws.iam.Policy:
        return aws.iam.Policy(
            self.child_name("deny"),
            name=self.ctx.name(names.POLICY, "budget-is-spent"),
            description="Attached to the stack's roles while a step of the budget denies new training",
            policy=json.dumps(denies_new_training()),
            tags=self.tags(),
            opts=self.child(delete_before_replace=True),
        )

    def _action(
        self,
        percent: float,
        budget: aws.budgets.Budget,
        deny: aws.iam.Policy,
        network: AwsNetwork,
        identity: AwsIdentity,
        monitoring: AwsMonitoring,
    ) -> None:
        """AWS Budgets attaches the policy by itself, also while the function is broken."""
        action = aws.budgets
        role = declare_role(
            self,
            "budget-action",
            trust=lambda account: [trusts_service("budgets.amazonaws.com", account)],
            account_id=network.account_id,
            description="AWS Budgets: denies new training when the budget's step is reached",
        )
        granted = grant(
            self, "budget-action", "deny", role.name,
            lambda deny_arn, *roles: attaches(roles, deny_arn), deny.arn, *(identity.role_arns[use] for use in DENIED),
        )  # fmt: skip
        action.BudgetAction(
            self.child_name("action"),
            budget_name=budget.name,
            action_type="APPLY_IAM_POLICY",
            approval_model="AUTOMATIC",
            notification_type="ACTUAL",
            action_threshold=action.BudgetActionActionThresholdArgs(
                action_threshold_type="PERCENTAGE", action_threshold_value=percent
            ),
            definition=action.BudgetActionDefinitionArgs(
                iam_action_definition=action.BudgetActionDefinitionIamActionDefinitionArgs(
                    policy_arn=deny.arn, roles=[identity.role_names[use] for use in DENIED]
                )
            ),
            execution_role_arn=role.arn,
            subscribers=[action.BudgetActionSubscriberArgs(address=monitoring.notices_arn, subscription_type="SNS")],
            tags=self.tags(),
            opts=self.child(depends_on=[granted]),
        )

    def _anomalies(self, monitoring: AwsMonitoring) -> None:
        """Told at once, which only a topic can be: mails come daily."""
        monitor = aws.costexplorer.AnomalyMonitor(
            self.child_name("anomalies"),
            name=self.ctx.name(names.MONITOR, "anomalies"),
            monitor_type="CUSTOM",
            monitor_specification=json.dumps(tagged_spend(self.ctx.stack)),
            tags=self.tags(),
            opts=self.child(),
        )
        expression = aws.costexplorer.AnomalySubscriptionThresholdExpressionArgs
        dimension = aws.costexplorer.AnomalySubscriptionThresholdExpressionDimensionArgs
        subscriber = aws.costexplorer.AnomalySubscriptionSubscriberArgs
        aws.costexplorer.AnomalySubscription(
            self.child_name("anomalies-notice"),
            name=self.ctx.name(names.MONITOR, "anomalies"),
            frequency="IMMEDIATE",
            monitor_arn_lists=[monitor.arn],
            subscribers=[subscriber(type="SNS", address=monitoring.notices_arn)],
            threshold_expression=expression(
                dimension=dimension(
                    key="ANOMALY_TOTAL_IMPACT_ABSOLUTE",
                    match_options=["GREATER_THAN_OR_EQUAL"],
                    values=[f"{aws_settings(self.ctx).anomaly_usd:.2f}"],
                )
            ),
            tags=self.tags(),
            opts=self.child(),
        )


def tagged_spend(stack: str) -> dict[str, Any]:
    """Cost Explorer's expression for what carries the stack's tag."""
    return {"Tags": {"Key": f"user:{COST_TAG}", "Values": [stack]}}
