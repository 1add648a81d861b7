"""The key of logs and notices, and the flow logs."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pulumi_aws as aws

from components.aws import names
from components.aws.iam import Document, allow, trusts_service
from components.aws.key_policies import logs_key_policy
from components.aws.logs import declare_log_group
from components.aws.roles import declare_role, grant
from components.contract import Component

KEY_DELETION_DAYS = 30
"""The longest that KMS takes: a key can be called back until then."""


def declare_logs_key(owner: Component[Any, Any], account_id: pulumi.Output[str]) -> aws.kms.Key:
    key = aws.kms.Key(
        owner.child_name("logs-key"),
        description=f"Logs and notices of {owner.ctx.project} {owner.ctx.stack}",
        enable_key_rotation=True,
        deletion_window_in_days=KEY_DELETION_DAYS,
        policy=account_id.apply(lambda account: json.dumps(logs_key_policy(account, str(owner.ctx.region)))),
        tags=owner.tags(),
        opts=owner.child(protect=owner.ctx.is_production),
    )
    aws.kms.Alias(
        owner.child_name("logs-key-alias"),
        name=f"alias/{owner.ctx.name(names.KEY_ALIAS, 'logs')}",
        target_key_id=key.id,
        opts=owner.child(delete_before_replace=True),
    )
    return key


def declare_flow_logs(
    owner: Component[Any, Any],
    vpc_id: pulumi.Input[str],
    key_arn: pulumi.Input[str],
    account_id: pulumi.Output[str],
) -> None:
    """What passed and what was refused, in aggregates of ten minutes."""
    group = declare_log_group(owner, "flow", f"/{owner.ctx.name(names.LOG_GROUP, 'flow')}", key_arn)
    role = declare_role(
        owner,
        "flow-logs",
        trust=lambda account: [trusts_service("vpc-flow-logs.amazonaws.com", account)],
        account_id=account_id,
        description="Writes the network's flow logs",
    )
    written = grant(owner, "flow-logs", "flow-logs", role.name, _writes_to, group.arn)
    aws.ec2.FlowLog(
        owner.child_name("flow-log"),
        vpc_id=vpc_id,
        traffic_type="ALL",
        log_destination_type="cloud-watch-logs",
        log_destination=group.arn,
        iam_role_arn=role.arn,
        max_aggregation_interval=600,
        tags=owner.tags(),
        opts=owner.child(depends_on=[written]),
    )


def _writes_to(group_arn: str) -> list[Document]:
    """https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-iam-role.html, for the one group alone."""
    return [
        allow(
            "WriteFlowLogs",
            ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
            [group_arn, f"{group_arn}:log-stream:*"],
        )
    ]
