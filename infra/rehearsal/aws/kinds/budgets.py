"""Budgets and what they do by themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from infra.rehearsal.aws.model import operation
from infra.rehearsal.core.fit import To
from infra.rehearsal.core.kinds import Autoname, Kind, Ref, Rule, Unique
from infra.rehearsal.core.operations import Calls

LIMITS = "https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/management-limits.html"

NOTIFICATIONS, SUBSCRIBERS, EMAILS = 10, 11, 10


def _notified(notifications: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    made = []
    for item in notifications:
        facts = {f"{key[0].upper()}{key[1:]}": value for key, value in item.items() if not key.startswith("subscriber")}
        to = [{"SubscriptionType": "EMAIL", "Address": address} for address in item.get("subscriberEmailAddresses", ())]
        to += [{"SubscriptionType": "SNS", "Address": arn} for arn in item.get("subscriberSnsTopicArns", ())]
        made.append({"Notification": facts, "Subscribers": to})
    return made


def _filtered(filters: list[Mapping[str, Any]]) -> dict[str, Any]:
    return {item["name"]: item["values"] for item in filters}


def _budget(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    amount = inputs.get("limitAmount")
    if isinstance(amount, str) and not re.fullmatch(r"\d+(\.\d{1,2})?", amount):
        yield "limitAmount", f"InvalidParameterException: the amount {amount!r} is no positive number of two decimals"
    notifications = inputs.get("notifications")
    if isinstance(notifications, list):
        if len(notifications) > NOTIFICATIONS:
            yield (
                "notifications",
                (f"CreationLimitExceededException: {len(notifications)} notifications; at most {NOTIFICATIONS}"),
            )
        told = [tuple(item.get(key) for key in ("notificationType", "comparisonOperator", "threshold", "thresholdType"))
                for item in notifications if isinstance(item, Mapping)]  # fmt: skip
        if len(told) != len(set(map(str, told))):
            yield "notifications", "DuplicateRecordException: the same notification is there twice"


FILTERS = (
    "AZ", "BillingEntity", "CostCategory", "InstanceType", "InvoicingEntity", "LegalEntityName", "LinkedAccount",
    "Operation", "PurchaseType", "RecordType", "Region", "Service", "TagKeyValue", "UsageType", "UsageTypeGroup",
)  # fmt: skip
DEFINITIONS = {
    "APPLY_IAM_POLICY": "iamActionDefinition",
    "APPLY_SCP_POLICY": "scpActionDefinition",
    "RUN_SSM_DOCUMENTS": "ssmActionDefinition",
}


def _filters(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for index, item in enumerate(inputs.get("costFilters") or ()):
        if item.get("name") not in FILTERS:
            yield f"costFilters[{index}].name", f"InvalidParameterException: no cost filter {item.get('name')!r}"
        elif item["name"] == "TagKeyValue" and not all("$" in str(value) for value in item.get("values", ())):
            yield f"costFilters[{index}].values", "InvalidParameterException: a TagKeyValue is user:KEY$VALUE"


def _told(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for index, item in enumerate(inputs.get("notifications") or ()):
        emails, topics = (item.get(key) or () for key in ("subscriberEmailAddresses", "subscriberSnsTopicArns"))
        if len(topics) > 1 or len(emails) > EMAILS:
            yield (
                f"notifications[{index}]",
                f"CreationLimitExceededException: a notification tells 1 topic and {EMAILS} addresses at most",
            )


def _acts(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    wanted = DEFINITIONS.get(str(inputs.get("actionType")))
    definition = inputs.get("definition")
    if wanted is None or not isinstance(definition, Mapping):
        return
    if set(definition) != {wanted}:
        yield "definition", f"InvalidParameterException: an action of type {inputs['actionType']} has {wanted} alone"
    iam = definition.get("iamActionDefinition")
    if isinstance(iam, Mapping) and not any(iam.get(key) for key in ("roles", "groups", "users")):
        yield "definition", "InvalidParameterException: the policy needs roles, groups or users"


CREATE = "https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_Budget.html"
ACTION = "https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_Definition.html"
ACCOUNT = {"AccountId": "{account}"}
TOPIC = Ref("aws:sns/topic:Topic", by=("arn",), skips=r"[^@]+@")

KINDS: tuple[Kind, ...] = (
    Kind(
        "aws:budgets/budget:Budget",
        judge=Calls(
            "botocore budgets",
            operation(
                "budgets",
                "CreateBudget",
                {
                    "name": "Budget.BudgetName",
                    "budgetType": "Budget.BudgetType",
                    "limitAmount": "Budget.BudgetLimit.Amount",
                    "limitUnit": "Budget.BudgetLimit.Unit",
                    "timeUnit": "Budget.TimeUnit",
                    "timePeriodStart": "Budget.TimePeriod.Start",
                    "timePeriodEnd": "Budget.TimePeriod.End",
                    "costFilters": To("Budget.CostFilters", by=_filtered),
                    "costTypes": "Budget.CostTypes",
                    "autoAdjustData": "Budget.AutoAdjustData",
                    "billingViewArn": "Budget.BillingViewArn",
                    "filterExpression": "Budget.FilterExpression",
                    "metrics": "Budget.Metrics",
                    "plannedLimits": To(
                        "Budget.PlannedBudgetLimits",
                        by=lambda limits: {
                            item["startTime"]: {"Amount": item["amount"], "Unit": item["unit"]} for item in limits
                        },
                    ),
                    "notifications": To("NotificationsWithSubscribers", by=_notified),
                    "tags": "ResourceTags",
                },
                fixed=ACCOUNT,
            ),
        ),
        id="{account}:{name}",
        outputs={"arn": "arn:{partition}:budgets::{account}:budget/{name}", "accountId": "{account}"},
        defaults={"timePeriodStart": "2026-01-01_00:00", "timePeriodEnd": "2087-06-15_00:00"},
        references={"notifications.subscriberSnsTopicArns": TOPIC},
        rules=(
            Rule(LIMITS, _budget),
            Rule(LIMITS, _told, needs=("notifications",)),
            Rule(CREATE, _filters, needs=("costFilters",)),
        ),
        unique=(Unique(("name",), "DuplicateRecordException: the budget {value} already exists", scope="account"),),
        immutable=frozenset({"name", "namePrefix", "budgetType", "accountId"}),
        autoname=Autoname("name", max_length=100),
    ),
    Kind(
        "aws:budgets/budgetAction:BudgetAction",
        judge=Calls(
            "botocore budgets", operation("budgets", "CreateBudgetAction", {"tags": "ResourceTags"}, fixed=ACCOUNT)
        ),
        id="{account}:{uuid}:{budgetName}",
        outputs={
            "actionId": "{uuid}",
            "arn": "arn:{partition}:budgets::{account}:budget/{budgetName}/action/{actionId}",
            "status": "STANDBY",
            "accountId": "{account}",
        },
        references={
            "budgetName": Ref("aws:budgets/budget:Budget", by=("name",), holds=True),
            "executionRoleArn": Ref("aws:iam/role:Role", by=("arn",)),
            "definition.iamActionDefinition.policyArn": Ref(
                "aws:iam/policy:Policy", by=("arn",), skips="arn:[^:]+:iam::aws:"
            ),
            "definition.iamActionDefinition.roles": Ref("aws:iam/role:Role", by=("name",)),
            "subscribers.address": TOPIC,
        },
        rules=(Rule(ACTION, _acts, needs=("definition",)),),
        immutable=frozenset({"budgetName", "actionType", "accountId"}),
    ),
)
