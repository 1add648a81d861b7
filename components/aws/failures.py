"""Failed training jobs: the events that SageMaker sends of them, counted and kept."""

from __future__ import annotations

import json
from typing import Any

import pulumi_aws as aws

from components.aws import names
from components.aws.iam import Document, allow, policy
from components.aws.logs import declare_log_group
from components.aws.outputs import AwsIdentity, AwsNetwork
from components.aws.roles import rendered
from components.contract import Component


def declare_failures(
    owner: Component[Any, Any], network: AwsNetwork, identity: AwsIdentity
) -> aws.cloudwatch.EventRule:
    """A rule that matches each failure of a job under the stack's training role; the events lie in a log group."""
    rule = aws.cloudwatch.EventRule(
        owner.child_name("failures-rule"),
        name=owner.ctx.name(names.EVENT_RULE, "job-failures"),
        description="A training job of the stack has failed",
        event_pattern=identity.role_arns["training"].apply(lambda arn: json.dumps(failure_pattern(arn))),
        state="ENABLED",
        tags=owner.tags(),
        opts=owner.child(delete_before_replace=True),
    )
    group = declare_log_group(
        owner, "failures", f"/aws/events/{owner.ctx.name(names.LOG_GROUP, 'job-failures')}", network.logs_key_arn
    )
    written = aws.cloudwatch.LogResourcePolicy(
        owner.child_name("failures-policy"),
        policy_name=owner.ctx.name(names.POLICY, "job-failures"),
        policy_document=rendered(writing_policy, group.arn, rule.arn),
        opts=owner.child(delete_before_replace=True),
    )
    aws.cloudwatch.EventTarget(
        owner.child_name("failures-target"),
        rule=rule.name,
        target_id="log",
        arn=group.arn,
        opts=owner.child(depends_on=[written]),
    )
    return rule


def failure_pattern(role_arn: str) -> dict[str, Any]:
    """https://docs.aws.amazon.com/sagemaker/latest/dg/automating-sagemaker-with-eventbridge.html"""
    return {
        "source": ["aws.sagemaker"],
        "detail-type": ["SageMaker Training Job State Change"],
        "detail": {"TrainingJobStatus": ["Failed"], "RoleArn": [role_arn]},
    }


def writing_policy(group_arn: str, rule_arn: str) -> Document:
    """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html"""
    return policy(
        allow(
            "Events",
            ["logs:CreateLogStream", "logs:PutLogEvents"],
            f"{group_arn}:*",
            to={"Service": ["delivery.logs.amazonaws.com", "events.amazonaws.com"]},
            when={"ArnEquals": {"aws:SourceArn": rule_arn}},
        )
    )
