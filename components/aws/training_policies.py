"""What jobs and those who submit them may do on SageMaker. Plain data."""

from __future__ import annotations

from components.aws.iam import Document, allow

JOB_LOGS = "/aws/sagemaker/TrainingJobs"
"""SageMaker writes the logs of every job of the account there; no stack can own that group."""
METRICS = "Skywright"
"""The CloudWatch namespace that our runtime, and the budget's actor, publish to."""


def job(account: str, region: str, subnet_arns: list[str], group_arn: str) -> list[Document]:
    """A training job writes its logs and metrics and joins the stack's network, by the network interfaces that
    SageMaker makes with the job's own role. https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html
    """
    interfaces = f"arn:aws:ec2:{region}:{account}:network-interface/*"
    return [
        allow(
            "Logs",
            ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
            f"arn:aws:logs:{region}:{account}:log-group:{JOB_LOGS}:*",
        ),
        publish_metrics(),
        allow(
            "JoinNetwork",
            ["ec2:CreateNetworkInterface", "ec2:CreateNetworkInterfacePermission", "ec2:DeleteNetworkInterface",
             "ec2:DeleteNetworkInterfacePermission"],
            [interfaces, *subnet_arns, group_arn],
        ),
        # The API names no resource for these.
        allow(
            "SeeNetwork",
            ["ec2:DescribeDhcpOptions", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSecurityGroups",
             "ec2:DescribeSubnets", "ec2:DescribeVpcs"],
            "*",
        ),
    ]  # fmt: skip


def publish_metrics() -> Document:
    """PutMetricData names no resource; the namespace is the bound that it has."""
    return allow("Metrics", ["cloudwatch:PutMetricData"], "*", when={"StringEquals": {"cloudwatch:namespace": METRICS}})


def submit(account: str, region: str, prefix: str, training_role_arn: str) -> list[Document]:
    """The pipeline starts, follows and stops the stack's own jobs, and hands them the training role, nothing else."""
    jobs = f"arn:aws:sagemaker:{region}:{account}:training-job/{prefix}-*"
    return [
        allow(
            "StartJobs",
            ["sagemaker:CreateTrainingJob"],
            jobs,
            when={"Bool": {"sagemaker:InterContainerTrafficEncryption": "true"}},
        ),
        allow(
            "Jobs",
            ["sagemaker:AddTags", "sagemaker:DescribeTrainingJob", "sagemaker:ListTags",
             "sagemaker:StopTrainingJob", "sagemaker:UpdateTrainingJob"],
            jobs,
        ),
        # The API names no resource for these; whoever follows a run asks how likely spot is.
        allow("FindJobs", ["sagemaker:ListTrainingJobs"], "*"),
        allow("SpotOdds", ["ec2:GetSpotPlacementScores"], "*"),
        allow(
            "HandOver",
            ["iam:PassRole"],
            training_role_arn,
            when={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
        ),
        allow(
            "ReadLogs",
            ["logs:DescribeLogStreams", "logs:GetLogEvents"],
            f"arn:aws:logs:{region}:{account}:log-group:{JOB_LOGS}:*",
        ),
    ]  # fmt: skip
