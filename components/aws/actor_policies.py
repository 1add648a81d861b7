"""What the budget's actor, and AWS Budgets itself, may do. Plain data."""

from __future__ import annotations

from collections.abc import Sequence

from components.aws.bucket_policies import uses_key
from components.aws.iam import Document, allow, deny, policy
from components.aws.training_policies import publish_metrics

NEW_TRAINING = (
    "sagemaker:CreateAutoMLJobV2",
    "sagemaker:CreateHyperParameterTuningJob",
    "sagemaker:CreateProcessingJob",
    "sagemaker:CreateTrainingJob",
    "sagemaker:CreateTransformJob",
    "sagemaker:StartPipelineExecution",
)


def denies_new_training() -> Document:
    return policy(deny("BudgetIsSpent", NEW_TRAINING, "*"))


def attaches(role_arns: Sequence[str], policy_arn: str) -> list[Document]:
    """Attach that one policy to these roles, and take it off."""
    when = {"ArnEquals": {"iam:PolicyARN": policy_arn}}
    return [allow("Deny", ["iam:AttachRolePolicy", "iam:DetachRolePolicy"], role_arns, when=when)]


def looks(
    *, account: str, budget: str, bucket_arn: str, state_key: str, key_arn: str, queue_arn: str, group_arn: str
) -> list[Document]:
    """Read the budget, keep the state, report."""
    return [
        allow("ReadBudget", ["budgets:ViewBudget"], f"arn:aws:budgets::{account}:budget/{budget}"),
        publish_metrics(),
        allow("State", ["s3:GetObject", "s3:PutObject"], f"{bucket_arn}/{state_key}"),
        # Without it S3 answers AccessDenied, not NoSuchKey, while there is no state yet.
        allow("FindState", ["s3:ListBucket"], bucket_arn, when={"StringEquals": {"s3:prefix": state_key}}),
        *uses_key(key_arn, can_write=True),
        allow("DeadLetters", ["sqs:SendMessage"], queue_arn),
        allow("Logs", ["logs:CreateLogStream", "logs:PutLogEvents"], f"{group_arn}:*"),
    ]


def stops_jobs(account: str, region: str, prefix: str) -> list[Document]:
    jobs = f"arn:aws:sagemaker:{region}:{account}:training-job/{prefix}-*"
    return [
        allow("FindJobs", ["sagemaker:ListTrainingJobs"], "*"),  # the API names no resource
        allow("StopJobs", ["sagemaker:DescribeTrainingJob", "sagemaker:StopTrainingJob"], jobs),
    ]


def bounds_endpoint(account: str, region: str, endpoint: str) -> list[Document]:
    """Autoscaling acts on SageMaker with the rights of who sets its bounds.

    https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-auto-scaling-prerequisites.html
    """
    return [
        allow(
            "Bounds",
            ["application-autoscaling:RegisterScalableTarget"],
            f"arn:aws:application-autoscaling:{region}:{account}:scalable-target/*",
            when={"StringEquals": {"application-autoscaling:service-namespace": "sagemaker"}},
        ),
        allow(
            "Instances",
            ["sagemaker:DescribeEndpoint", "sagemaker:UpdateEndpointWeightsAndCapacities"],
            f"arn:aws:sagemaker:{region}:{account}:endpoint/{endpoint}",
        ),
    ]
