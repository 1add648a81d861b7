"""Who is told of what a topic hears."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from infra.rehearsal.aws.model import operation
from infra.rehearsal.core.fit import To
from infra.rehearsal.core.kinds import Kind, Ref, Rule
from infra.rehearsal.core.operations import Calls

SUBSCRIBE = "https://docs.aws.amazon.com/sns/latest/api/API_Subscribe.html"

ENDPOINTS = {
    "http": r"http://.+",
    "https": r"https://.+",
    "email": r"[^@\s]+@[^@\s]+\.[^@\s]+",
    "email-json": r"[^@\s]+@[^@\s]+\.[^@\s]+",
    "sms": r"\+\d{5,15}",
    "sqs": r"arn:[^:]+:sqs:.+",
    "application": r"arn:[^:]+:sns:.+",
    "lambda": r"arn:[^:]+:lambda:.+",
    "firehose": r"arn:[^:]+:firehose:.+",
}

ATTRIBUTES = ("deliveryPolicy", "filterPolicy", "filterPolicyScope", "rawMessageDelivery", "redrivePolicy",
              "replayPolicy", "subscriptionRoleArn")  # fmt: skip


def _endpoint(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    pattern = ENDPOINTS.get(inputs["protocol"])
    if pattern is None:
        yield (
            "protocol",
            (
                f"InvalidParameter: Invalid parameter: Does not support this protocol string: {inputs['protocol']}; "
                f"allowed: {', '.join(ENDPOINTS)}"
            ),
        )
    elif isinstance(inputs.get("endpoint"), str) and not re.fullmatch(pattern, inputs["endpoint"]):
        yield "endpoint", f"InvalidParameter: Invalid parameter: Endpoint of {inputs['protocol']}: {inputs['endpoint']}"


KINDS: tuple[Kind, ...] = (
    Kind(
        "aws:sns/topicSubscription:TopicSubscription",
        judge=Calls(
            "botocore sns",
            operation(
                "sns",
                "Subscribe",
                {
                    "topic": "TopicArn",
                    **{
                        key: To(
                            f"Attributes.{key[0].upper()}{key[1:]}",
                            by=lambda value: str(value).lower() if value in (True, False) else value,
                        )
                        for key in ATTRIBUTES
                    },
                },
            ),
            local={
                "endpointAutoConfirms": "the provider's own: whether it waits for a confirmation",
                "confirmationTimeoutInMinutes": "the provider's own: how long it waits for a confirmation",
            },
        ),
        id="{topic}:{uuid}",
        outputs={
            "arn": "{id}",
            "ownerId": "{account}",
            "confirmationWasAuthenticated": True,
            "pendingConfirmation": False,
        },
        references={"topic": Ref("aws:sns/topic:Topic", by=("arn",))},
        rules=(Rule(SUBSCRIBE, _endpoint, needs=("protocol",)),),
        immutable=frozenset({"topic", "protocol", "endpoint", "region"}),
    ),
)
