"""The pieces of a SageMaker endpoint as typed arguments; decisions alone, no resources."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import pulumi_aws as aws

from catalog.instances import Instance, choose
from catalog.names import name_for
from components.aws import names
from components.aws.settings import AwsEndpoint
from components.specs import EndpointSpec
from ml_jobs.contract import Release

CAPTURED_TYPES = ("application/json",)
TERMINATION_WAIT_S = 120
"""The old fleet stays this long behind the new one, to come back at once."""
SCALE_IN_S, SCALE_OUT_S = 300, 60
PER_MINUTE = 60
CONTAINER_DIGEST_LENGTH = 12


def instance_for(spec: EndpointSpec, region: str | None) -> Instance:
    """What a replica runs on. Raises UserError with the nearest possible asks."""
    if spec.accelerator:
        return choose(
            "aws", region, runtime="managed", purpose="serving", accelerator=spec.accelerator.kind,
            count=spec.accelerator.count,
        )  # fmt: skip
    return choose("aws", region, runtime="managed", purpose="serving", vcpus=spec.cpus, cpu_class=spec.cpu_class)


def variant_name(release: str) -> str:
    return name_for(names.VARIANT, release)


def model_digest(release: Release) -> str:
    """What tells one model of a release name from the next: SageMaker's models can't be changed."""
    return hashlib.sha256(record(release).encode()).hexdigest()[:CONTAINER_DIGEST_LENGTH]


def record(release: Release) -> str:
    """The record as the server gets it, less its weights: a change of weights must not replace a model."""
    return json.dumps(release.model_dump(mode="json", exclude={"weight_percent", "shadow_percent"}), sort_keys=True)


def split(releases: Mapping[str, Release]) -> tuple[dict[str, Release], dict[str, Release]]:
    """Releases that answer, and those that shadow."""
    shadows = {name: release for name, release in releases.items() if release.shadow_percent}
    return {name: release for name, release in releases.items() if name not in shadows}, shadows


def deployment(settings: AwsEndpoint, instances: int, alarm: str) -> aws.sagemaker.EndpointDeploymentConfigArgs:
    """Blue-green: the new fleet meets a few requests, is watched, and takes all of them or goes.

    https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-blue-green.html. A canary of one instance is
    no canary: SageMaker takes at most half of the fleet, so a fleet of one is changed all at once.
    """
    routing = aws.sagemaker.EndpointDeploymentConfigBlueGreenUpdatePolicyTrafficRoutingConfigurationArgs
    size = aws.sagemaker.EndpointDeploymentConfigBlueGreenUpdatePolicyTrafficRoutingConfigurationCanarySizeArgs
    if instances >= 2:
        how = routing(
            type="CANARY",
            canary_size=size(type="CAPACITY_PERCENT", value=max(settings.canary_percent, -(-100 // instances))),
            wait_interval_in_seconds=settings.bake_s,
        )
    else:
        how = routing(type="ALL_AT_ONCE", wait_interval_in_seconds=settings.bake_s)
    rollback = aws.sagemaker.EndpointDeploymentConfigAutoRollbackConfigurationArgs(
        alarms=[aws.sagemaker.EndpointDeploymentConfigAutoRollbackConfigurationAlarmArgs(alarm_name=alarm)]
    )
    return aws.sagemaker.EndpointDeploymentConfigArgs(
        blue_green_update_policy=aws.sagemaker.EndpointDeploymentConfigBlueGreenUpdatePolicyArgs(
            traffic_routing_configuration=how,
            termination_wait_in_seconds=TERMINATION_WAIT_S,
            maximum_execution_timeout_in_seconds=max(1800, 4 * settings.bake_s + 1200),
        ),
        auto_rollback_configuration=rollback if settings.is_rolled_back_on_alarm else None,
    )
