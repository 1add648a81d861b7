"""Application Auto Scaling."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from infra.rehearsal.aws.model import operation
from infra.rehearsal.core.kinds import Kind, Ref, Rule, Unique
from infra.rehearsal.core.operations import Calls

TARGET = "https://docs.aws.amazon.com/autoscaling/application/APIReference/API_RegisterScalableTarget.html"
POLICY = "https://docs.aws.amazon.com/autoscaling/application/APIReference/API_PutScalingPolicy.html"


def _bounds(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if inputs["minCapacity"] > inputs["maxCapacity"]:
        yield "minCapacity", "ValidationException: Maximum capacity cannot be less than minimum capacity"
    if inputs["serviceNamespace"] == "sagemaker" and inputs["minCapacity"] < 1:
        yield "minCapacity", "ValidationException: Minimum capacity of a SageMaker variant must be at least 1"


def _resource(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    id = str(inputs["resourceId"])
    if inputs["serviceNamespace"] == "sagemaker" and not re.fullmatch(r"endpoint/[\w-]+/variant/[\w-]+", id):
        yield "resourceId", f"ValidationException: ResourceId {id} is not endpoint/NAME/variant/NAME"


def _one_kind(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    kind = inputs.get("policyType", "StepScaling")
    wanted = {"TargetTrackingScaling": "targetTrackingScalingPolicyConfiguration",
              "StepScaling": "stepScalingPolicyConfiguration"}.get(kind)  # fmt: skip
    if wanted and not inputs.get(wanted):
        yield wanted, f"ValidationException: a policy of type {kind} needs {wanted}"


def _metric(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    tracking = inputs["targetTrackingScalingPolicyConfiguration"]
    given = [key for key in ("predefinedMetricSpecification", "customizedMetricSpecification") if tracking.get(key)]
    if len(given) != 1:
        yield (
            "targetTrackingScalingPolicyConfiguration",
            "ValidationException: exactly one of predefined and customized metric specification must be given",
        )


KINDS: tuple[Kind, ...] = (
    Kind(
        "aws:appautoscaling/target:Target",
        judge=Calls(
            "botocore application-autoscaling",
            operation("application-autoscaling", "RegisterScalableTarget", {"roleArn": "RoleARN"}),
        ),
        id="{resourceId}",
        outputs={
            "arn": "arn:aws:application-autoscaling:{region}:{account}:scalable-target/{hex:32}",
            "roleArn": "arn:aws:iam::{account}:role/aws-service-role/"
            "sagemaker.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint",
        },
        references={"resourceId": Ref("aws:sagemaker/endpoint:Endpoint", by=("name",))},
        unique=(
            Unique(("serviceNamespace", "resourceId", "scalableDimension"), "ValidationException: exists already"),
        ),
        rules=(
            Rule(TARGET, _bounds, needs=("minCapacity", "maxCapacity", "serviceNamespace")),
            Rule(TARGET, _resource, needs=("resourceId", "serviceNamespace")),
        ),
        immutable=frozenset({"resourceId", "scalableDimension", "serviceNamespace"}),
    ),
    Kind(
        "aws:appautoscaling/policy:Policy",
        judge=Calls(
            "botocore application-autoscaling",
            operation("application-autoscaling", "PutScalingPolicy", {"name": "PolicyName"}),
        ),
        id="{resourceId}/{name}",
        outputs={"arn": "arn:aws:autoscaling:{region}:{account}:scalingPolicy:{uuid}:resource/{resourceId}"},
        references={"resourceId": Ref("aws:appautoscaling/target:Target", by=("resourceId",), holds=True)},
        rules=(
            Rule(POLICY, _one_kind),
            Rule(POLICY, _metric, needs=("targetTrackingScalingPolicyConfiguration",)),
        ),
        immutable=frozenset({"name", "resourceId", "scalableDimension", "serviceNamespace", "policyType"}),
    ),
)
