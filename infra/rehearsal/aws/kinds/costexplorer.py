"""Unusual spend: what watches it, who is told."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from infra.rehearsal.aws.model import operation
from infra.rehearsal.core.fit import Rule, To
from infra.rehearsal.core.kinds import Kind, Ref, Unique
from infra.rehearsal.core.kinds import Rule as Check
from infra.rehearsal.core.operations import Calls

MONITOR = Ref("aws:costexplorer/anomalyMonitor:AnomalyMonitor", by=("arn",), holds=True)


def _document(text: Any) -> Any:
    """A document as the request's structure; what is none is refused there for its type."""
    try:
        return json.loads(text)
    except ValueError:
        return text


CREATE = "https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_AnomalyMonitor.html"
SUBSCRIBE = "https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_AnomalySubscription.html"
IMPACTS = ("ANOMALY_TOTAL_IMPACT_ABSOLUTE", "ANOMALY_TOTAL_IMPACT_PERCENTAGE")


def _monitor(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    is_custom = inputs.get("monitorType") == "CUSTOM"
    for path, is_wanted in (("monitorSpecification", is_custom), ("monitorDimension", not is_custom)):
        if bool(inputs.get(path)) is not is_wanted:
            word = "needs" if is_wanted else "takes no"
            yield path, f"ValidationException: a monitor of type {inputs.get('monitorType')} {word} {path}"


def _subscription(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    wanted = "SNS" if inputs.get("frequency") == "IMMEDIATE" else "EMAIL"
    if any(item.get("type") != wanted for item in inputs.get("subscribers") or ()):
        yield "subscribers", f"ValidationException: a frequency of {inputs.get('frequency')} needs {wanted} subscribers"


def _threshold(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    path = "thresholdExpression.dimension"
    dimension = (inputs.get("thresholdExpression") or {}).get("dimension")
    if not dimension:
        return
    if dimension.get("key") not in IMPACTS:
        yield f"{path}.key", f"ValidationException: the key is {dimension.get('key')!r}; allowed: {', '.join(IMPACTS)}"
    if dimension.get("matchOptions") != ["GREATER_THAN_OR_EQUAL"]:
        yield f"{path}.matchOptions", "ValidationException: a threshold's only match option is GREATER_THAN_OR_EQUAL"
    if not all(str(value).replace(".", "", 1).isdigit() for value in dimension.get("values") or ()):
        yield f"{path}.values", f"ValidationException: {dimension['values']} are no numbers"


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
        rules=(Check(CREATE, _monitor, needs=("monitorType",)),),
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
        rules=(
            Check(SUBSCRIBE, _subscription, needs=("subscribers", "frequency")),
            Check(SUBSCRIBE, _threshold, needs=("thresholdExpression",)),
        ),
        unique=(Unique(("name",), "ValidationException: Subscription name {value} already exists", scope="account"),),
        immutable=frozenset({"name", "accountId"}),
    ),
)
