"""Log groups: how long CloudWatch keeps, and the key that encrypts."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

import pulumi
import pulumi_aws as aws

from components.contract import Component

RETENTIONS = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
)  # fmt: skip
"""Days that CloudWatch takes. https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html"""


def retention_days(wanted: int) -> int:
    """The shortest time that CloudWatch takes and that is no shorter than `wanted`; at most ten years."""
    return RETENTIONS[min(bisect_left(RETENTIONS, wanted), len(RETENTIONS) - 1)]


def declare_log_group(
    owner: Component[Any, Any], use: str, name: str, key_arn: pulumi.Input[str]
) -> aws.cloudwatch.LogGroup:
    return aws.cloudwatch.LogGroup(
        owner.child_name(f"{use}-logs"),
        name=name,
        retention_in_days=retention_days(owner.ctx.log_retention_days),
        kms_key_id=key_arn,
        tags=owner.tags(),
        opts=owner.child(delete_before_replace=True),
    )
