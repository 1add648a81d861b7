"""What the AWS components hand each other beside the outputs that every cloud promises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from components.contract import IdentityOutputs, NetworkOutputs, RegistryOutputs, StorageOutputs


@dataclass(frozen=True)
class AwsNetwork(NetworkOutputs):
    """`network_ref` is the VPC's id; `private_refs` and `public_refs` are subnet ids.

    `logs_key_arn`: the key of log groups and of notification topics; CloudWatch, EventBridge, Budgets and cost anomaly
    detection may use it. `training_group_id` and `endpoint_group_id`: security groups; members of the first reach each
    other on every port. Nobody may come in from outside. `ways_group_id`: of the interface endpoints; None where there
    are none, since there is NAT or the network is brought. A cluster in a network without NAT adds its own endpoints
    (`private_ways.declare_interface_ways`).
    """

    account_id: pulumi.Output[str]
    vpc_id: pulumi.Output[str]
    private_subnet_ids: pulumi.Output[Sequence[str]]
    public_subnet_ids: pulumi.Output[Sequence[str]]
    training_group_id: pulumi.Output[str]
    endpoint_group_id: pulumi.Output[str]
    logs_key_arn: pulumi.Output[str]
    ways_group_id: pulumi.Output[str] | None = None


@dataclass(frozen=True)
class AwsIdentity(IdentityOutputs):
    """Roles by use: training, serving, pipeline, approver, viewer, admin. They come with trust alone; whoever owns a
    thing grants on it, by an inline policy of its own (`aws.iam.RolePolicy`) on the role's name."""

    role_names: Mapping[str, pulumi.Output[str]]
    role_arns: Mapping[str, pulumi.Output[str]]


@dataclass(frozen=True)
class AwsStorage(StorageOutputs):
    """By use: data, artifacts, checkpoints. `key_ref` is the ARN of the key that encrypts all of them.

    Granted here, on buckets and key: training reads data and artifacts, writes artifacts and checkpoints; serving reads
    artifacts and writes below `capture/` there; pipeline reads and writes all; approver and viewer read artifacts.
    """

    bucket_names: Mapping[str, pulumi.Output[str]]
    bucket_arns: Mapping[str, pulumi.Output[str]]


@dataclass(frozen=True)
class AwsRegistry(RegistryOutputs):
    """`approvals_topic_arn`: told of every approval and rejection. The registry grants pulling images to training,
    serving and pipeline, pushing and new versions to pipeline, judging versions to approver."""

    repository_arn: pulumi.Output[str]
    repository_name: pulumi.Output[str]
    group_name: pulumi.Output[str]
    group_arn: pulumi.Output[str]
    approvals_topic_arn: pulumi.Output[str]
