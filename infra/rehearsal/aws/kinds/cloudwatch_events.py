"""Rules of EventBridge and what they tell."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from infra.rehearsal.aws.model import operation
from infra.rehearsal.core.kinds import Autoname, Kind, Ref, Rule, Unique
from infra.rehearsal.core.operations import Calls

RULE = "aws:cloudwatch/eventRule:EventRule"
PATTERNS = "https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html"
PUT_RULE = "https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html"


def _pattern(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "eventPattern" not in inputs:
        return
    try:
        pattern = json.loads(inputs["eventPattern"])
    except ValueError as error:
        yield "eventPattern", f"InvalidEventPatternException: Event pattern is not valid. Reason: {error}"
        return
    for path in _not_lists(pattern):
        reason = f"{path!r} must be an object or an array"
        yield "eventPattern", f"InvalidEventPatternException: Event pattern is not valid. Reason: {reason}"


def _not_lists(pattern: Any, path: str = "") -> Iterator[str]:
    if isinstance(pattern, Mapping) and (pattern or not path):
        for key, value in pattern.items():
            yield from _not_lists(value, f"{path}.{key}" if path else key)
    elif not isinstance(pattern, list) or not pattern:
        yield path


def _asked(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if not inputs.get("eventPattern") and not inputs.get("scheduleExpression"):
        yield "eventPattern", "ValidationException: Parameter(s) EventPattern or ScheduleExpression must be specified."


KINDS: tuple[Kind, ...] = (
    Kind(
        RULE,
        judge=Calls("botocore events", operation("events", "PutRule")),
        outputs={"arn": "arn:aws:events:{region}:{account}:rule/{name}"},
        defaults={"eventBusName": "default", "forceDestroy": False, "state": "ENABLED"},
        references={"roleArn": Ref("aws:iam/role:Role")},
        unique=(Unique(("name",), "ResourceAlreadyExistsException: rule {name} exists already"),),
        rules=(Rule(PATTERNS, _pattern, needs=("eventPattern",)), Rule(PUT_RULE, _asked)),
        immutable=frozenset({"name", "namePrefix", "eventBusName"}),
        autoname=Autoname(max_length=64),
    ),
    Kind(
        "aws:cloudwatch/eventTarget:EventTarget",
        judge=Calls(
            "botocore events",
            operation(
                "events", "PutTargets",
                {
                    "targetId": "Targets[].Id",
                    "arn": "Targets[].Arn",
                    "roleArn": "Targets[].RoleArn",
                    "input": "Targets[].Input",
                    "inputPath": "Targets[].InputPath",
                    "inputTransformer": "Targets[].InputTransformer",
                    "deadLetterConfig": "Targets[].DeadLetterConfig",
                    "retryPolicy": "Targets[].RetryPolicy",
                },
            ),
        ),
        id="{rule}-{targetId}",
        defaults={"eventBusName": "default", "forceDestroy": False},
        references={
            "rule": Ref(RULE, by=("name",), holds=True),
            "arn": Ref(
                (
                    "aws:sns/topic:Topic",
                    "aws:sqs/queue:Queue",
                    "aws:lambda/function:Function",
                    "aws:cloudwatch/logGroup:LogGroup",
                ),
                by=("arn",),
            ),
            "roleArn": Ref("aws:iam/role:Role"),
        },
        unique=(Unique(("rule", "targetId"), "rule {rule} has a target {targetId} already, declared elsewhere"),),
        immutable=frozenset({"rule", "targetId", "eventBusName"}),
        autoname=Autoname("targetId", max_length=64),
    ),
)  # fmt: skip
