"""Private ways to AWS's own APIs: VPC endpoints. They keep AWS's default policy: images and model artifacts of AWS lie
in buckets of AWS's own accounts, and who may do what stands in the roles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_aws as aws

from components.contract import Component

INTERFACES: Mapping[str, str] = {
    "ecr-api": "ecr.api",
    "ecr-dkr": "ecr.dkr",
    "sagemaker-api": "sagemaker.api",
    "sagemaker-runtime": "sagemaker.runtime",
    "logs": "logs",
    "metrics": "monitoring",
    "sts": "sts",
    "kms": "kms",
}
"""Role in logical names -> service. https://docs.aws.amazon.com/vpc/latest/privatelink/aws-services-privatelink-support.html"""


def declare_s3_way(
    owner: Component[Any, Any], vpc_id: pulumi.Input[str], route_table_ids: Sequence[pulumi.Input[str]]
) -> aws.ec2.VpcEndpoint:
    """Free, and checkpoints don't pass through NAT."""
    return aws.ec2.VpcEndpoint(
        owner.child_name("way-s3"),
        vpc_id=vpc_id,
        vpc_endpoint_type="Gateway",
        service_name=f"com.amazonaws.{owner.ctx.region}.s3",
        route_table_ids=list(route_table_ids),
        tags=owner.tags(),
        opts=owner.child(),
    )


def declare_interface_ways(
    owner: Component[Any, Any],
    vpc_id: pulumi.Input[str],
    subnet_ids: Sequence[pulumi.Input[str]],
    group_id: pulumi.Input[str],
    services: Mapping[str, str] = INTERFACES,
) -> list[aws.ec2.VpcEndpoint]:
    """One network interface per subnet and service, under the service's usual name."""
    return [
        aws.ec2.VpcEndpoint(
            owner.child_name(f"way-{role}"),
            vpc_id=vpc_id,
            vpc_endpoint_type="Interface",
            service_name=f"com.amazonaws.{owner.ctx.region}.{service}",
            subnet_ids=list(subnet_ids),
            security_group_ids=[group_id],
            private_dns_enabled=True,
            tags=owner.tags(),
            opts=owner.child(),
        )
        for role, service in services.items()
    ]
