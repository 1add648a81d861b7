"""What AWS examples declare, held against moto beside botocore's models (tier: another implementation of the API)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from infra.reading import declared
from infra.settings import Settings, from_file
from policies.resources import Resource
from tests.graph.harness import STACKS
from tests.rehearsal.aws_second import sent

UNKNOWN_TO_MOTO = {
    "budgets:CreateBudgetAction",
    "ce:CreateAnomalyMonitor",
    "ce:CreateAnomalySubscription",
    "cloudwatch:PutCompositeAlarm",
    "eks:CreateAccessEntry",
    "eks:AssociateAccessPolicy",
    "eks:CreateAddon",
    "eks:CreatePodIdentityAssociation",
    "eks:UpdateAddon",
    "sagemaker:PutModelPackageGroupPolicy",
}
"""Botocore's models alone judge these."""

RELEASE = {
    "model": "digits", "version": 1, "artifact_url": "s3://models/digits/", "artifact_sha256": "ab" * 32,
    "image_digest": f"sha256:{'1d' * 32}",
}  # fmt: skip
RELEASES = {"v1": {**RELEASE, "weight_percent": 90}, "v2": {**RELEASE, "version": 2, "weight_percent": 10}}


def settings_of(stack: str, *, releases: Any = None) -> Settings:
    settings = from_file(STACKS / f"Pulumi.{stack}.yaml")
    if releases is None:
        return settings
    endpoint = settings.endpoint
    told = {**endpoint.model_dump(exclude_unset=True), "releases": releases}
    return settings.model_copy(update={"endpoint": type(endpoint).model_validate(told)})


@pytest.mark.parametrize(("stack", "releases"), [("aws-dev", None), ("aws-prod", RELEASES), ("aws-cluster", None)])
def test_another_implementation_accepts_what_is_declared(stack: str, releases: Any) -> None:
    settings = settings_of(stack, releases=releases)
    answers = sent(declared(settings), region=str(settings.region))
    refused = [(item.resource, item.operation, item.said) for item in answers if item.said and item.is_known]
    assert refused == []
    assert {item.operation for item in answers if not item.is_known} <= UNKNOWN_TO_MOTO
    assert sum(not item.said for item in answers) > 130


@functools.cache
def foundation() -> tuple[Settings, list[Resource]]:
    """Of a small stack, the network and what lies in buckets."""
    settings = settings_of("aws-dev")
    return settings, [item for item in declared(settings) if item.name.startswith(("network", "storage"))]


def _with(name: str, **changes: Any) -> Callable[[list[Resource]], list[Resource]]:
    """One resource declared otherwise."""
    return lambda resources: [
        replace(item, props={**item.props, **changes}) if item.name == name else item for item in resources
    ]


@pytest.mark.parametrize(
    ("broken", "operation"),
    [
        (_with("network-private-1", cidrBlock="192.168.0.0/24"), "ec2:CreateSubnet"),
        (_with("network-private-1", vpcId="vpc-0123456789abcdef0"), "ec2:CreateSubnet"),
        (_with("network-flow-log", vpcId="vpc-0123456789abcdef0"), "ec2:CreateFlowLogs"),
        (_with("storage-data-versioning", bucket="elsewhere"), "s3:PutBucketVersioning"),
    ],
)
def test_it_would_refuse_what_is_wrong(broken: Callable[[list[Resource]], list[Resource]], operation: str) -> None:
    settings, resources = foundation()
    answers = sent(broken(resources), region=str(settings.region))
    assert operation in {item.operation for item in answers if item.said and item.is_known}
