"""What model servers and their callers may do on SageMaker. Plain data."""

from __future__ import annotations

from components.aws.iam import Document, allow
from components.aws.training_policies import publish_metrics


def serve(account: str, region: str, endpoint: str, network_arns: list[str]) -> list[Document]:
    """A server writes its logs and metrics and joins the stack's network by interfaces of its own."""
    return [
        allow(
            "Logs",
            ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
            f"arn:aws:logs:{region}:{account}:log-group:/aws/sagemaker/Endpoints/{endpoint}:*",
        ),
        publish_metrics(),
        allow(
            "JoinNetwork",
            ["ec2:CreateNetworkInterface", "ec2:CreateNetworkInterfacePermission", "ec2:DeleteNetworkInterface",
             "ec2:DeleteNetworkInterfacePermission"],
            [f"arn:aws:ec2:{region}:{account}:network-interface/*", *network_arns],
        ),
        # The API names no resource for these.
        allow(
            "SeeNetwork",
            ["ec2:DescribeDhcpOptions", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSecurityGroups",
             "ec2:DescribeSubnets", "ec2:DescribeVpcs"],
            "*",
        ),
    ]  # fmt: skip


def invoke(account: str, region: str, endpoint: str) -> list[Document]:
    arn = f"arn:aws:sagemaker:{region}:{account}:endpoint/{endpoint}"
    return [allow("Ask", ["sagemaker:DescribeEndpoint", "sagemaker:InvokeEndpoint"], arn)]
