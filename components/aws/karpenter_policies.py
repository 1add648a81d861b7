"""What Karpenter may do, and who may write into its queue. Plain data.

After https://karpenter.sh/docs/reference/cloudformation/: it creates instances for its own cluster only, changes and
ends only what carries the cluster's tag, and hands nodes one role.
"""

from __future__ import annotations

from typing import Any

from components.aws.iam import Conditions, Document, allow, policy, tls_only

EVENTS: dict[str, dict[str, Any]] = {
    "spot-interruption": {"source": ["aws.ec2"], "detail-type": ["EC2 Spot Instance Interruption Warning"]},
    "rebalance": {"source": ["aws.ec2"], "detail-type": ["EC2 Instance Rebalance Recommendation"]},
    "state-change": {"source": ["aws.ec2"], "detail-type": ["EC2 Instance State-change Notification"]},
    "health": {"source": ["aws.health"], "detail-type": ["AWS Health Event"]},
}


def controller(account: str, region: str, cluster: str, node_role_arn: str, queue_arn: str) -> list[Document]:
    ec2 = f"arn:aws:ec2:{region}"
    owned = f"aws:RequestTag/kubernetes.io/cluster/{cluster}"
    held = f"aws:ResourceTag/kubernetes.io/cluster/{cluster}"
    of_ours: Conditions = {
        "StringEquals": {held: "owned"},
        "StringLike": {"aws:ResourceTag/karpenter.sh/nodepool": "*"},
    }
    made: Conditions = {"StringEquals": {owned: "owned"}, "StringLike": {"aws:RequestTag/karpenter.sh/nodepool": "*"}}
    things = [
        f"{ec2}:{account}:{kind}/*"
        for kind in ("fleet", "instance", "launch-template", "network-interface", "spot-instances-request", "volume")
    ]
    profile = f"arn:aws:iam::{account}:instance-profile/*"
    return [
        allow(
            "UseToLaunch",
            ["ec2:CreateFleet", "ec2:RunInstances"],
            [f"{ec2}::image/*", f"{ec2}::snapshot/*", *(f"{ec2}:{account}:{kind}/*" for kind in
             ("capacity-reservation", "security-group", "subnet"))],
        ),
        allow(
            "UseTemplates", ["ec2:CreateFleet", "ec2:RunInstances"], f"{ec2}:{account}:launch-template/*", when=of_ours
        ),
        allow("Launch", ["ec2:CreateFleet", "ec2:CreateLaunchTemplate", "ec2:RunInstances"], things, when=made),
        allow(
            "TagAtLaunch",
            ["ec2:CreateTags"],
            things,
            when={
                "StringEquals": {
                    owned: "owned",
                    "ec2:CreateAction": ["CreateFleet", "CreateLaunchTemplate", "RunInstances"],
                }
            },
        ),
        allow("TagLater", ["ec2:CreateTags"], f"{ec2}:{account}:instance/*", when=of_ours),
        allow(
            "End",
            ["ec2:DeleteLaunchTemplate", "ec2:TerminateInstances"],
            [f"{ec2}:{account}:instance/*", f"{ec2}:{account}:launch-template/*"],
            when=of_ours,
        ),
        # The API names no resource for these.
        allow(
            "Look",
            [
                f"ec2:Describe{what}" for what in
                ("AvailabilityZones", "CapacityReservations", "Images", "InstanceTypeOfferings", "InstanceTypes",
                 "Instances", "LaunchTemplates", "SecurityGroups", "SpotPriceHistory", "Subnets")
            ],
            "*",
            when={"StringEquals": {"aws:RequestedRegion": region}},
        ),
        allow("FindImages", ["ssm:GetParameter"], f"arn:aws:ssm:{region}::parameter/aws/service/*"),
        allow("SeePrices", ["pricing:GetProducts"], "*"),
        allow(
            "HearOfInterruptions", ["sqs:DeleteMessage", "sqs:GetQueueUrl", "sqs:ReceiveMessage"], queue_arn
        ),
        allow(
            "HandNodesTheirRole",
            ["iam:PassRole"],
            node_role_arn,
            when={"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}},
        ),
        allow(
            "MakeProfiles",
            ["iam:CreateInstanceProfile", "iam:TagInstanceProfile"],
            profile,
            when={"StringEquals": {owned: "owned", "aws:RequestTag/topology.kubernetes.io/region": region}},
        ),
        allow(
            "KeepProfiles",
            ["iam:AddRoleToInstanceProfile", "iam:DeleteInstanceProfile", "iam:RemoveRoleFromInstanceProfile"],
            profile,
            when={"StringEquals": {held: "owned"}},
        ),
        allow("SeeProfiles", ["iam:GetInstanceProfile"], profile),
        allow("FindCluster", ["eks:DescribeCluster"], f"arn:aws:eks:{region}:{account}:cluster/{cluster}"),
    ]  # fmt: skip


def queue(queue_arn: str, rule_arns: list[str]) -> Document:
    """EventBridge writes what its four rules catch; nobody comes without TLS."""
    return policy(
        allow(
            "Events",
            ["sqs:SendMessage"],
            queue_arn,
            to={"Service": "events.amazonaws.com"},
            when={"ArnEquals": {"aws:SourceArn": rule_arns}},
        ),
        tls_only("sqs:*", queue_arn),
    )
