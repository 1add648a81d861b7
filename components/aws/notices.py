"""The topic that alarms, AWS Budgets and cost anomaly detection tell, and who hears it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pulumi_aws as aws

from components.aws import names
from components.aws.iam import Document, allow, of_account, policy, tls_only
from components.aws.outputs import AwsNetwork
from components.aws.roles import rendered
from components.contract import Component

PUBLISHERS = {
    "Alarms": "cloudwatch.amazonaws.com",
    "Budgets": "budgets.amazonaws.com",
    "CostAnomalies": "costalerts.amazonaws.com",
}


def declare_notices(owner: Component[Any, Any], network: AwsNetwork, emails: Sequence[str]) -> aws.sns.Topic:
    """An encrypted topic. An address hears nothing before it has confirmed, once, by the mail that SNS sends it."""
    topic = aws.sns.Topic(
        owner.child_name("notices"),
        name=owner.ctx.name(names.TOPIC, "notices"),
        kms_master_key_id=network.logs_key_arn,
        tags=owner.tags(),
        opts=owner.child(delete_before_replace=True),
    )
    aws.sns.TopicPolicy(
        owner.child_name("notices-policy"),
        arn=topic.arn,
        policy=rendered(notices_policy, topic.arn, network.account_id),
        opts=owner.child(),
    )
    for address in emails:
        aws.sns.TopicSubscription(
            owner.child_name(f"notices-{address}"),
            topic=topic.arn,
            protocol="email",
            endpoint=address,
            opts=owner.child(),
        )
    return topic


def notices_policy(topic_arn: str, account_id: str) -> Document:
    """Each service publishes for this account alone.

    https://docs.aws.amazon.com/cost-management/latest/userguide/budgets-sns-policy.html
    https://docs.aws.amazon.com/cost-management/latest/userguide/ad-SNS.html
    """
    return policy(
        *(
            allow(sid, ["sns:Publish"], topic_arn, to={"Service": service}, when=of_account(account_id))
            for sid, service in PUBLISHERS.items()
        ),
        tls_only("sns:Publish", topic_arn),
    )
