"""Security groups: nobody comes in from outside; what goes out is HTTPS."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_aws as aws

from components.contract import Component

HTTPS = 443


def declare_training_group(owner: Component[Any, Any], vpc_id: pulumi.Input[str]) -> aws.ec2.SecurityGroup:
    """Ranks of a job reach each other on every port; EFA needs that in both directions, by the group itself.

    https://docs.aws.amazon.com/sagemaker/latest/dg/train-vpc.html
    """
    group = _group(owner, "training", "Training instances: each other, and HTTPS out", vpc_id)
    aws.vpc.SecurityGroupIngressRule(
        owner.child_name("training-from-each-other"),
        security_group_id=group.id,
        referenced_security_group_id=group.id,
        ip_protocol="-1",
        description="Ranks of a job",
        tags=owner.tags(),
        opts=owner.child(),
    )
    aws.vpc.SecurityGroupEgressRule(
        owner.child_name("training-to-each-other"),
        security_group_id=group.id,
        referenced_security_group_id=group.id,
        ip_protocol="-1",
        description="Ranks of a job",
        tags=owner.tags(),
        opts=owner.child(),
    )
    _https_out(owner, "training", group)
    return group


def declare_endpoint_group(owner: Component[Any, Any], vpc_id: pulumi.Input[str]) -> aws.ec2.SecurityGroup:
    """Requests reach a model through SageMaker, never through the network: nothing comes in."""
    group = _group(owner, "endpoint", "Model servers: HTTPS out", vpc_id)
    _https_out(owner, "endpoint", group)
    return group


def declare_ways_group(
    owner: Component[Any, Any], vpc_id: pulumi.Input[str], cidr: pulumi.Input[str]
) -> aws.ec2.SecurityGroup:
    """Interface endpoints answer HTTPS from inside the network."""
    group = _group(owner, "ways", "Private ways to the APIs of AWS: HTTPS from inside", vpc_id)
    aws.vpc.SecurityGroupIngressRule(
        owner.child_name("ways-from-inside"),
        security_group_id=group.id,
        cidr_ipv4=cidr,
        ip_protocol="tcp",
        from_port=HTTPS,
        to_port=HTTPS,
        description="HTTPS from inside the network",
        tags=owner.tags(),
        opts=owner.child(),
    )
    return group


def _group(owner: Component[Any, Any], use: str, description: str, vpc_id: pulumi.Input[str]) -> aws.ec2.SecurityGroup:
    return aws.ec2.SecurityGroup(
        owner.child_name(f"{use}-group"),
        description=description,  # a change replaces the group
        vpc_id=vpc_id,
        tags=owner.tags(),
        opts=owner.child(),
    )


def _https_out(owner: Component[Any, Any], use: str, group: aws.ec2.SecurityGroup) -> None:
    """Wherever routes lead: without NAT that is S3 and the interface endpoints."""
    aws.vpc.SecurityGroupEgressRule(
        owner.child_name(f"{use}-https-out"),
        security_group_id=group.id,
        cidr_ipv4="0.0.0.0/0",
        ip_protocol="tcp",
        from_port=HTTPS,
        to_port=HTTPS,
        description="HTTPS",
        tags=owner.tags(),
        opts=owner.child(),
    )
