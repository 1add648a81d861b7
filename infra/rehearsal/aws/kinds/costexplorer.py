"""Unusual spend: what watches it, who is told."""

from __future__ import annotations

import json
from typing import Any

from infra.rehearsal.aws.model import operation
from infra.rehearsal.core.fit import Rule, To
from infra.rehearsal.core.kinds import Kind, Ref
from infra.rehearsal.core.operations import Calls

MONITOR = Ref("aws:costexplorer/anomalyMonitor:AnomalyMonitor", by=("arn",), holds=True)


def _document(text: Any) -> Any:
    """A document as the request's structure; what is none is refused there for its type."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _expression() -> dict[str, Rule]:
    """Three levels, as deep as the SDK goes."""
    found: dict[str, Rule] = {}
    for path in ("", ".ands", ".ors", ".not"):
        found[f"thresholdExpression{path}.dimension"] = "Dimensions"
        found[f"thresholdExpression{path}.costCategory"] = "CostCategories"
        found[f"thresholdExpression{path}.tags"] = "Tags"
    return {
        **found,
        "thresholdExpression.ands": "And",
        "thresholdExpression.ors": "Or",
        "thresholdExpression.not": "Not",
    }


KINDS: tuple[Kind, ...] = (
    Kind(
        "aws:costexplorer/anomalyMonitor:AnomalyMonitor",
        judge=Calls(
            "botocore ce",
            operation(
                "ce",
                "CreateAnomalyMonitor",
                {
                    "name": "AnomalyMonitor.MonitorName",
                    "monitorType": "AnomalyMonitor.MonitorType",
                    "monitorDimension": "AnomalyMonitor.MonitorDimension",
                    "monitorSpecification": To("AnomalyMonitor.MonitorSpecification", by=_document),
                    "tags": "ResourceTags",
                },
            ),
        ),
        id="arn:{partition}:ce::{account}:anomalymonitor/{uuid}",
        outputs={"arn": "{id}"},
        immutable=frozenset({"monitorType", "monitorDimension", "monitorSpecification"}),
    ),
    Kind(
        "aws:costexplorer/anomalySubscription:AnomalySubscription",
        judge=Calls(
            "botocore ce",
            operation(
                "ce",
                "CreateAnomalySubscription",
                {
                    "name": "AnomalySubscription.SubscriptionName",
                    "accountId": "AnomalySubscription.AccountId",
                    "frequency": "AnomalySubscription.Frequency",
                    "monitorArnLists": "AnomalySubscription.MonitorArnList",
                    "subscribers": "AnomalySubscription.Subscribers",
                    "thresholdExpression": "AnomalySubscription.ThresholdExpression",
                    "tags": "ResourceTags",
                    **_expression(),
                },
            ),
        ),
        id="arn:{partition}:ce::{account}:anomalysubscription/{uuid}",
        outputs={"arn": "{id}", "accountId": "{account}"},
        references={
            "monitorArnLists": MONITOR,
            "subscribers.address": Ref("aws:sns/topic:Topic", by=("arn",), skips=r"[^@]+@"),
        },
        immutable=frozenset({"name", "accountId"}),
    ),
)
