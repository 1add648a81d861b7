"""The EKS cluster of the stack: its control plane, a small on-demand group for what runs the platform, add-ons."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from catalog.errors import UserError
from components.aws import names
from components.aws.iam import allow, of_account
from components.aws.logs import declare_log_group
from components.aws.outputs import AwsIdentity, AwsNetwork, AwsStorage
from components.aws.provider import aws_settings
from components.aws.roles import declare_role
from components.contract import Component
from components.kubernetes.roles import group_of

MANAGED = "arn:aws:iam::aws:policy"
CONTROL_PLANE_POLICIES = (f"{MANAGED}/AmazonEKSClusterPolicy",)
NODE_POLICIES = (f"{MANAGED}/AmazonEKSWorkerNodePolicy", f"{MANAGED}/AmazonEC2ContainerRegistryPullOnly")
CNI_POLICY = f"{MANAGED}/AmazonEKS_CNI_Policy"
EBS_POLICY = f"{MANAGED}/service-role/AmazonEBSCSIDriverPolicy"
"""AWS keeps these; they can be bounded by aws.access.permissions_boundary_arn."""

LOGS = ("api", "audit", "authenticator", "controllerManager", "scheduler")
SYSTEM_TYPES = ("m6i.large", "m5.large")
SYSTEM_SIZE = (2, 2, 4)
"""Least, wanted, most: two, so that the platform outlives a node."""
NODE_DISK_GIB = 100
IMDS_HOPS = 1
"""Pods don't reach the node's credentials; what they need they get by pod identity."""
POD_IDENTITY_AGENT = ("169.254.170.23/32", 80)
"""https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html"""


@dataclass(frozen=True)
class Made:
    """`ready`: what must be there before anything runs on the cluster. `node_role_name`: of every node."""

    name: pulumi.Output[str]
    arn: pulumi.Output[str]
    kubeconfig: pulumi.Output[str]
    node_group_id: pulumi.Output[str]
    node_role_name: pulumi.Output[str]
    node_role_arn: pulumi.Output[str]
    ready: tuple[pulumi.Resource, ...]


def declare_cluster(
    owner: Component[Any, Any], *, is_public: bool, network: AwsNetwork, identity: AwsIdentity, storage: AwsStorage
) -> Made:
    settings = aws_settings(owner.ctx).kubernetes
    name = owner.ctx.name(names.CLUSTER)
    role = _role(owner, "cluster", "eks.amazonaws.com", network, "The control plane", CONTROL_PLANE_POLICIES)
    logs = declare_log_group(owner, "cluster", f"/aws/eks/{name}/cluster", network.logs_key_arn)
    if is_public and not settings.public_access_cidrs:
        raise UserError(
            "skywright:network.is_api_public is true, but nobody is named who may reach the API server",
            "Set skywright:aws.kubernetes.public_access_cidrs.",
        )
    cluster = aws.eks.Cluster(
        owner.child_name("cluster"),
        name=name,
        version=settings.version,
        role_arn=role.arn,
        access_config=aws.eks.ClusterAccessConfigArgs(
            authentication_mode="API", bootstrap_cluster_creator_admin_permissions=True
        ),
        bootstrap_self_managed_addons=False,
        enabled_cluster_log_types=list(LOGS),
        encryption_config=aws.eks.ClusterEncryptionConfigArgs(
            provider=aws.eks.ClusterEncryptionConfigProviderArgs(key_arn=storage.key_ref), resources=["secrets"]
        ),
        upgrade_policy=aws.eks.ClusterUpgradePolicyArgs(support_type="STANDARD"),
        vpc_config=aws.eks.ClusterVpcConfigArgs(
            subnet_ids=network.private_subnet_ids,
            endpoint_private_access=True,
            endpoint_public_access=is_public,
            public_access_cidrs=list(settings.public_access_cidrs) if is_public else None,
        ),
        tags=owner.tags(),
        opts=owner.child(depends_on=[logs], protect=owner.ctx.is_production, delete_before_replace=True),
    )
    for use in ("viewer", "approver", "admin", "pipeline"):
        aws.eks.AccessEntry(
            owner.child_name(f"access-{use}"),
            cluster_name=cluster.name,
            principal_arn=identity.role_arns[use],
            kubernetes_groups=[group_of(owner, use)],
            type="STANDARD",
            tags=owner.tags(),
            opts=owner.child(),
        )
    first = [_addon(owner, cluster, addon, network) for addon in ("eks-pod-identity-agent", "vpc-cni", "kube-proxy")]
    nodes, node_role = _system_nodes(owner, cluster, network, storage, first)
    later = [_addon(owner, cluster, addon, network, after=[nodes]) for addon in ("coredns", "aws-ebs-csi-driver")]
    return Made(
        name=cluster.name,
        arn=cluster.arn,
        kubeconfig=kubeconfig_of(cluster, str(owner.ctx.region)),
        node_group_id=cluster.vpc_config.apply(lambda config: str(config.cluster_security_group_id)),
        node_role_name=node_role.name,
        node_role_arn=node_role.arn,
        ready=(nodes, *later),
    )


def kubeconfig_of(cluster: Any, region: str) -> pulumi.Output[str]:
    """A kubeconfig that asks the AWS CLI for a token: it holds no credentials, and is kept secret all the same."""
    parts = pulumi.Output.all(cluster.name, cluster.endpoint, cluster.certificate_authority)
    return pulumi.Output.secret(parts.apply(lambda found: kubeconfig(found[0], found[1], _data_of(found[2]), region)))


def _data_of(authority: Any) -> str:
    return str(authority["data"] if isinstance(authority, dict) else authority.data)


def kubeconfig(name: str, endpoint: str, authority: str, region: str) -> str:
    exec_ = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": "aws",
        "args": ["--region", region, "eks", "get-token", "--cluster-name", name, "--output", "json"],
    }
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": {"server": endpoint, "certificate-authority-data": authority}}],
            "users": [{"name": name, "user": {"exec": exec_}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "current-context": name,
        }
    )


def _role(
    owner: Component[Any, Any],
    use: str,
    service: str,
    network: AwsNetwork,
    description: str,
    policies: Sequence[str],
) -> aws.iam.Role:
    """A role of a service with policies that AWS keeps. EKS and EC2 take it on without naming an account."""
    sid = use.title().replace("-", "")
    role = declare_role(
        owner,
        use,
        trust=lambda account: [
            allow(
                sid,
                ["sts:AssumeRole", "sts:TagSession"] if service.startswith(("eks.", "pods.")) else ["sts:AssumeRole"],
                None,
                to={"Service": service},
                when=of_account(account) if service.startswith("pods.") else None,
            )
        ],
        account_id=network.account_id,
        description=description,
    )
    for arn in policies:
        aws.iam.RolePolicyAttachment(
            owner.child_name(f"{use}-{arn.rpartition('/')[2]}"), role=role.name, policy_arn=arn, opts=owner.child()
        )
    return role


def _addon(
    owner: Component[Any, Any],
    cluster: aws.eks.Cluster,
    name: str,
    network: AwsNetwork,
    after: Sequence[pulumi.Resource] = (),
) -> aws.eks.Addon:
    accounts = {"vpc-cni": ("aws-node", CNI_POLICY), "aws-ebs-csi-driver": ("ebs-csi-controller-sa", EBS_POLICY)}
    identities = None
    if name in accounts:
        account, arn = accounts[name]
        role = _role(owner, name, "pods.eks.amazonaws.com", network, f"The add-on {name}", [arn])
        identities = [aws.eks.AddonPodIdentityAssociationArgs(role_arn=role.arn, service_account=account)]
    return aws.eks.Addon(
        owner.child_name(f"addon-{name}"),
        cluster_name=cluster.name,
        addon_name=name,
        configuration_values=json.dumps({"enableNetworkPolicy": "true"}) if name == "vpc-cni" else None,
        pod_identity_associations=identities,
        resolve_conflicts_on_create="OVERWRITE",
        resolve_conflicts_on_update="OVERWRITE",
        tags=owner.tags(),
        opts=owner.child(depends_on=list(after)),
    )


def _system_nodes(
    owner: Component[Any, Any],
    cluster: aws.eks.Cluster,
    network: AwsNetwork,
    storage: AwsStorage,
    after: Sequence[pulumi.Resource],
) -> tuple[aws.eks.NodeGroup, aws.iam.Role]:
    role = _role(owner, "node", "ec2.amazonaws.com", network, "Nodes of the cluster", NODE_POLICIES)
    disk = aws.ec2.LaunchTemplateBlockDeviceMappingEbsArgs(
        volume_size=NODE_DISK_GIB, volume_type="gp3", encrypted="true", delete_on_termination="true"
    )
    template = aws.ec2.LaunchTemplate(
        owner.child_name("system-template"),
        description=f"System nodes of {owner.ctx.project} {owner.ctx.stack}",
        metadata_options=aws.ec2.LaunchTemplateMetadataOptionsArgs(
            http_endpoint="enabled", http_tokens="required", http_put_response_hop_limit=IMDS_HOPS
        ),
        block_device_mappings=[aws.ec2.LaunchTemplateBlockDeviceMappingArgs(device_name="/dev/xvda", ebs=disk)],
        tag_specifications=[
            aws.ec2.LaunchTemplateTagSpecificationArgs(resource_type=kind, tags=owner.tags())
            for kind in ("instance", "volume")
        ],
        update_default_version=True,
        tags=owner.tags(),
        opts=owner.child(),
    )
    least, wanted, most = SYSTEM_SIZE
    group = aws.eks.NodeGroup(
        owner.child_name("system-nodes"),
        cluster_name=cluster.name,
        node_group_name=owner.ctx.name(names.NODE_GROUP, "system"),
        node_role_arn=role.arn,
        subnet_ids=network.private_subnet_ids,
        ami_type="AL2023_x86_64_STANDARD",
        capacity_type="ON_DEMAND",
        instance_types=list(SYSTEM_TYPES),
        scaling_config=aws.eks.NodeGroupScalingConfigArgs(min_size=least, desired_size=wanted, max_size=most),
        update_config=aws.eks.NodeGroupUpdateConfigArgs(max_unavailable=1),
        launch_template=aws.eks.NodeGroupLaunchTemplateArgs(
            id=template.id, version=template.latest_version.apply(lambda version: str(int(version or 1)))
        ),
        labels={"skywright.dev/role": "system"},
        tags=owner.tags(),
        opts=owner.child(depends_on=list(after), delete_before_replace=True),
    )
    return group, role
