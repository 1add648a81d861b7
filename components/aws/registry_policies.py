"""What stands at images and model versions, and what is granted on them, as plain data."""

from __future__ import annotations

from typing import Any

from components.aws.iam import Document, allow, deny, policy, tls_only

PULL = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:DescribeImages", "ecr:GetDownloadUrlForLayer")
PUSH = ("ecr:CompleteLayerUpload", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart")


def image_retention(*, keep_last: int, untagged_days: int) -> Document:
    """ECR judges by priority, lowest first; a rule on `any` must have the highest.

    https://docs.aws.amazon.com/AmazonECR/latest/userguide/LifecyclePolicies.html
    """
    return {
        "rules": [
            {
                "rulePriority": 1,
                "description": f"untagged images go after {untagged_days} days",
                "selection": {
                    "tagStatus": "untagged",
                    "countType": "sinceImagePushed",
                    "countUnit": "days",
                    "countNumber": untagged_days,
                },
                "action": {"type": "expire"},
            },
            {
                "rulePriority": 2,
                "description": f"the last {keep_last} images stay",
                "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": keep_last},
                "action": {"type": "expire"},
            },
        ]
    }


def repository_policy(admin_arn: str) -> Document:
    """An image that a release may need goes by its retention, or by the admin's hand: by nobody else's."""
    return policy(
        deny("KeepImages", ["ecr:BatchDeleteImage"], None, to={"AWS": "*"}, when=_other_than(admin_arn)),
    )


def group_policy(group_arn: str, approver_arn: str) -> Document:
    """A version's approval is changed by the approver alone, whatever other policies allow."""
    return policy(
        deny(
            "ApproverJudges",
            ["sagemaker:UpdateModelPackage"],
            versions_of(group_arn),
            to={"AWS": "*"},
            when=_other_than(approver_arn),
        ),
        allow("ApproverReads", ["sagemaker:DescribeModelPackageGroup"], group_arn, to={"AWS": approver_arn}),
    )


def approvals_pattern(group_name: str) -> Document:
    """https://docs.aws.amazon.com/sagemaker/latest/dg/automating-sagemaker-with-eventbridge.html"""
    return {
        "source": ["aws.sagemaker"],
        "detail-type": ["SageMaker Model Package State Change"],
        "detail": {"ModelPackageGroupName": [group_name], "ModelApprovalStatus": ["Approved", "Rejected"]},
    }


def topic_policy(topic_arn: str, rule_arn: str) -> Document:
    return policy(
        allow(
            "Events",
            ["sns:Publish"],
            topic_arn,
            to={"Service": "events.amazonaws.com"},
            when={"ArnEquals": {"aws:SourceArn": rule_arn}},
        ),
        tls_only("sns:Publish", topic_arn),
    )


def versions_of(group_arn: str) -> str:
    """ARNs of a group's versions."""
    return group_arn.replace(":model-package-group/", ":model-package/") + "/*"


def granted_to(use: str, repository_arn: str, group_arn: str) -> list[Document]:
    """What the role of that use may do with images and versions."""
    versions = versions_of(group_arn)
    # A token for the account's registries: the API names no resource.
    sign_in = allow("SignInToImages", ["ecr:GetAuthorizationToken"], "*")
    pull = allow("PullImages", PULL, repository_arn)
    read = [
        allow("ListVersions", ["sagemaker:DescribeModelPackageGroup", "sagemaker:ListModelPackages"], group_arn),
        allow("ReadVersions", ["sagemaker:DescribeModelPackage"], versions),
    ]
    match use:
        case "training" | "serving":
            return [sign_in, pull, *read]
        case "pipeline":
            return [
                sign_in,
                allow("PushImages", [*PULL, *PUSH], repository_arn),
                *read,
                allow("RegisterVersions", ["sagemaker:AddTags", "sagemaker:CreateModelPackage"], [group_arn, versions]),
            ]
        case "approver":
            return [*read, allow("JudgeVersions", ["sagemaker:UpdateModelPackage"], versions)]
        case "viewer":
            return [*read, allow("ListImages", ["ecr:DescribeImages", "ecr:DescribeRepositories"], repository_arn)]
        case "admin":
            return [
                *read,
                allow("MendImages", [*PULL, "ecr:BatchDeleteImage"], repository_arn),
                sign_in,
            ]
    raise ValueError(f"no role is used for {use!r}")


def _other_than(arn: str) -> dict[str, dict[str, Any]]:
    return {"ArnNotEquals": {"aws:PrincipalArn": arn}}
