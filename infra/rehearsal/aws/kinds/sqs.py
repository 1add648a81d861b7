"""Queues."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from infra.rehearsal.aws import documents
from infra.rehearsal.aws.model import operation
from infra.rehearsal.core.fit import To
from infra.rehearsal.core.kinds import Autoname, Kind, Ref, Rule, Unique
from infra.rehearsal.core.operations import Calls

CREATE = "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html"

ATTRIBUTES = {
    "contentBasedDeduplication": "ContentBasedDeduplication",
    "deduplicationScope": "DeduplicationScope",
    "delaySeconds": "DelaySeconds",
    "fifoQueue": "FifoQueue",
    "fifoThroughputLimit": "FifoThroughputLimit",
    "kmsDataKeyReusePeriodSeconds": "KmsDataKeyReusePeriodSeconds",
    "kmsMasterKeyId": "KmsMasterKeyId",
    "maxMessageSize": "MaximumMessageSize",
    "messageRetentionSeconds": "MessageRetentionPeriod",
    "policy": "Policy",
    "receiveWaitTimeSeconds": "ReceiveMessageWaitTimeSeconds",
    "redriveAllowPolicy": "RedriveAllowPolicy",
    "redrivePolicy": "RedrivePolicy",
    "sqsManagedSseEnabled": "SqsManagedSseEnabled",
    "visibilityTimeoutSeconds": "VisibilityTimeout",
}

BOUNDS = {
    "delaySeconds": (0, 900),
    "kmsDataKeyReusePeriodSeconds": (60, 86_400),
    "maxMessageSize": (1024, 1_048_576),
    "messageRetentionSeconds": (60, 1_209_600),
    "receiveWaitTimeSeconds": (0, 20),
    "visibilityTimeoutSeconds": (0, 43_200),
}
"""The model takes any text: attributes are a map."""


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _queue(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, (least, most) in BOUNDS.items():
        value = inputs.get(key)
        if isinstance(value, int) and not least <= value <= most:
            yield (
                key,
                f"InvalidAttributeValue: Invalid value for the parameter {ATTRIBUTES[key]}: {value}; {least} to {most}",
            )
    if inputs.get("kmsMasterKeyId") and inputs.get("sqsManagedSseEnabled") is True:
        yield (
            "sqsManagedSseEnabled",
            "InvalidAttributeValue: You can use one type of server-side encryption at one time",
        )
    name = inputs.get("name")
    if isinstance(name, str):
        is_fifo = inputs.get("fifoQueue") is True
        if (
            not re.fullmatch(r"[A-Za-z0-9_-]{1,80}(\.fifo)?", name)
            or name.endswith(".fifo") is not is_fifo
            or len(name) > 80
        ):
            yield (
                "name",
                (
                    f"InvalidParameterValue: {name!r} can only have alphanumeric characters, hyphens, underscores, "
                    "1 to 80 in length; a FIFO queue's ends in .fifo"
                ),
            )


KINDS: tuple[Kind, ...] = (
    Kind(
        "aws:sqs/queue:Queue",
        judge=Calls(
            "botocore sqs",
            operation(
                "sqs",
                "CreateQueue",
                {
                    "name": "QueueName",
                    "tags": "tags",
                    **{key: To(f"Attributes.{name}", by=_text) for key, name in ATTRIBUTES.items()},
                },
            ),
        ),
        id="https://sqs.{region}.amazonaws.com/{account}/{name}",
        outputs={"arn": "arn:{partition}:sqs:{region}:{account}:{name}", "url": "{id}"},
        defaults={
            "fifoQueue": False,
            "messageRetentionSeconds": 345_600,
            "visibilityTimeoutSeconds": 30,
            "maxMessageSize": 1_048_576,
            "delaySeconds": 0,
            "receiveWaitTimeSeconds": 0,
        },
        references={"kmsMasterKeyId": Ref("aws:kms/key:Key", by=("arn", "keyId"), skips="alias/aws/")},
        rules=(Rule(CREATE, _queue), documents.resource("policy")),
        unique=(Unique(("name",), "QueueAlreadyExists: A queue already exists with the same name: {value}"),),
        immutable=frozenset({"name", "namePrefix", "fifoQueue", "region"}),
        autoname=Autoname("name", max_length=80),
    ),
    Kind(
        "aws:sqs/queuePolicy:QueuePolicy",
        judge=Calls("botocore sqs", operation("sqs", "SetQueueAttributes", {"policy": To("Attributes.Policy")})),
        id="{queueUrl}",
        references={"queueUrl": Ref("aws:sqs/queue:Queue", by=("url",), holds=True)},
        rules=(documents.resource("policy"),),
        unique=(Unique(("queueUrl",), "InvalidAttributeValue: {value} has a policy already, declared elsewhere"),),
        immutable=frozenset({"queueUrl", "region"}),
    ),
)
