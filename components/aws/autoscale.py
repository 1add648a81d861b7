"""How many instances a release has, by its requests."""

from __future__ import annotations

from typing import Any

import pulumi_aws as aws

from components.aws.serving import PER_MINUTE, SCALE_IN_S, SCALE_OUT_S, variant_name
from components.contract import Component
from components.specs import EndpointSpec


def declare_autoscale(
    owner: Component[Any, Any], spec: EndpointSpec, name: str, endpoint: aws.sagemaker.Endpoint, *, least: int
) -> None:
    """Of a release's variant, by its requests per replica."""
    tracking = aws.appautoscaling.PolicyTargetTrackingScalingPolicyConfigurationArgs
    metric = aws.appautoscaling.PolicyTargetTrackingScalingPolicyConfigurationPredefinedMetricSpecificationArgs
    target = aws.appautoscaling.Target(
        owner.child_name(f"release-{name}-capacity"),
        service_namespace="sagemaker",
        scalable_dimension="sagemaker:variant:DesiredInstanceCount",
        resource_id=endpoint.name.apply(lambda made: f"endpoint/{made}/variant/{variant_name(name)}"),
        min_capacity=least,
        max_capacity=spec.max_replicas,
        tags=owner.tags(),
        opts=owner.child(),
    )
    aws.appautoscaling.Policy(
        owner.child_name(f"release-{name}-scaling"),
        name="requests-per-replica",
        policy_type="TargetTrackingScaling",
        service_namespace=target.service_namespace,
        scalable_dimension=target.scalable_dimension,
        resource_id=target.resource_id,
        target_tracking_scaling_policy_configuration=tracking(
            target_value=spec.requests_per_replica * PER_MINUTE,
            predefined_metric_specification=metric(predefined_metric_type="SageMakerVariantInvocationsPerInstance"),
            scale_in_cooldown=SCALE_IN_S,
            scale_out_cooldown=SCALE_OUT_S,
        ),
        opts=owner.child(),
    )
