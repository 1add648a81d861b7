"""Clusters, their nodes, add-ons, and who may enter."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from infra.rehearsal.aws.documents import as_json
from infra.rehearsal.aws.kinds.ec2_network import SUBNET
from infra.rehearsal.aws.kinds.kms import KEY
from infra.rehearsal.aws.model import operation
from infra.rehearsal.core.fit import To
from infra.rehearsal.core.kinds import Kind, Ref, Rule, Unique
from infra.rehearsal.core.operations import Calls

ROLE = Ref("aws:iam/role:Role", by=("arn",), skips=r"arn:aws:iam::\d{12}:role/aws-service-role/")
CLUSTER = Ref("aws:eks/cluster:Cluster", by=("name",), holds=True)
TEMPLATE = Ref("aws:ec2/launchTemplate:LaunchTemplate")

CREATE = "https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateCluster.html"
NODES = "https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateNodegroup.html"
ENTRIES = "https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateAccessEntry.html"


def _two_zones(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if len(inputs["vpcConfig"].get("subnetIds", ())) < 2:
        yield (
            "vpcConfig.subnetIds",
            "InvalidParameterException: Subnets specified must be in at least two different AZs",
        )


def _some_way_in(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    config = inputs["vpcConfig"]
    if config.get("endpointPublicAccess") is False and config.get("endpointPrivateAccess") is False:
        yield "vpcConfig", "InvalidParameterException: Private and public endpoint access cannot both be false"
    if config.get("publicAccessCidrs") and config.get("endpointPublicAccess") is False:
        yield "vpcConfig.publicAccessCidrs", "InvalidParameterException: publicAccessCidrs needs public endpoint access"


def _sizes(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    sizes = inputs["scalingConfig"]
    if not sizes["minSize"] <= sizes["desiredSize"] <= sizes["maxSize"]:
        yield (
            "scalingConfig",
            "InvalidParameterException: desired capacity must be between minimum and maximum size",
        )


def _groups(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if inputs.get("type", "STANDARD") != "STANDARD" and inputs.get("kubernetesGroups"):
        yield "kubernetesGroups", "InvalidRequestException: only entries of type STANDARD have Kubernetes groups"
    for group in inputs.get("kubernetesGroups") or ():
        if re.match(r"system:|eks:|aws:|amazon:|iam:", str(group)):
            yield "kubernetesGroups", f"InvalidParameterException: The Kubernetes group name {group} is reserved"


def _list(block: Any) -> Any:
    return block if isinstance(block, list) else [block]


KINDS: tuple[Kind, ...] = (
    Kind(
        "aws:eks/cluster:Cluster",
        judge=Calls(
            "botocore eks",
            operation(
                "eks",
                "CreateCluster",
                {
                    "vpcConfig": "resourcesVpcConfig",
                    "enabledClusterLogTypes": To(
                        "logging.clusterLogging", by=lambda types: [{"types": list(types), "enabled": True}]
                    ),
                    "encryptionConfig": To("encryptionConfig", by=_list),
                },
            ),
        ),
        outputs={
            "arn": "arn:aws:eks:{region}:{account}:cluster/{name}",
            "endpoint": "https://{upper:32}.gr7.{region}.eks.amazonaws.com",
            "certificateAuthority": {"data": "Y2VydGlmaWNhdGU="},
            "identities": [{"oidcs": [{"issuer": "https://oidc.eks.{region}.amazonaws.com/id/{upper:32}"}]}],
            "status": "ACTIVE",
            "platformVersion": "eks.1",
            "vpcConfig": lambda facts: {
                **facts["vpcConfig"], "clusterSecurityGroupId": f"sg-{_hex(str(facts['name']))}",
            },
        },
        references={
            "roleArn": ROLE,
            "vpcConfig.subnetIds": Ref("aws:ec2/subnet:Subnet", holds=True),
            "encryptionConfig.provider.keyArn": KEY,
        },
        unique=(Unique(("name",), "ResourceInUseException: Cluster already exists with name: {name}"),),
        rules=(
            Rule(CREATE, _two_zones, needs=("vpcConfig.subnetIds",)),
            Rule(CREATE, _some_way_in, needs=("vpcConfig",)),
        ),
        immutable=frozenset({"name", "roleArn", "vpcConfig.subnetIds", "kubernetesNetworkConfig"}),
        refuses_delete=lambda facts: "InvalidRequestException: Cluster deletion protection is enabled"
        if facts.get("deletionProtection")
        else None,
    ),
    Kind(
        "aws:eks/nodeGroup:NodeGroup",
        judge=Calls(
            "botocore eks",
            operation(
                "eks",
                "CreateNodegroup",
                {"nodeGroupName": "nodegroupName", "nodeRoleArn": "nodeRole", "subnetIds": "subnets"},
            ),
        ),
        id="{clusterName}:{nodeGroupName}",
        outputs={
            "arn": "arn:aws:eks:{region}:{account}:nodegroup/{clusterName}/{nodeGroupName}/{uuid}",
            "status": "ACTIVE",
            "resources": [],
        },
        references={"clusterName": CLUSTER, "nodeRoleArn": ROLE, "subnetIds": SUBNET, "launchTemplate.id": TEMPLATE},
        unique=(Unique(("clusterName", "nodeGroupName"), "ResourceInUseException: NodeGroup already exists"),),
        rules=(Rule(NODES, _sizes, needs=("scalingConfig",)),),
        immutable=frozenset(
            {"clusterName", "nodeGroupName", "nodeRoleArn", "subnetIds", "amiType", "capacityType", "instanceTypes",
             "diskSize", "launchTemplate.id"}
        ),
    ),
    Kind(
        "aws:eks/addon:Addon",
        judge=Calls(
            "botocore eks",
            operation(
                "eks", "CreateAddon", {"resolveConflictsOnCreate": "resolveConflicts"},
                omits=("resolveConflictsOnUpdate",),
            ),
            operation(
                "eks", "UpdateAddon", {"resolveConflictsOnUpdate": "resolveConflicts"},
                when="resolveConflictsOnUpdate", takes=("clusterName", "addonName", "resolveConflictsOnUpdate"),
            ),
        ),
        id="{clusterName}:{addonName}",
        outputs={
            "arn": "arn:aws:eks:{region}:{account}:addon/{clusterName}/{addonName}/{uuid}",
            "addonVersion": "v1.0.0-eksbuild.1",
        },
        references={"clusterName": CLUSTER, "podIdentityAssociations.roleArn": ROLE},
        unique=(Unique(("clusterName", "addonName"), "ResourceInUseException: Addon already exists."),),
        rules=(as_json("configurationValues", NODES),),
        immutable=frozenset({"clusterName", "addonName"}),
    ),
    Kind(
        "aws:eks/accessEntry:AccessEntry",
        judge=Calls("botocore eks", operation("eks", "CreateAccessEntry", {"userName": "username"})),
        id="{clusterName}:{principalArn}",
        outputs={
            "accessEntryArn": "arn:aws:eks:{region}:{account}:access-entry/{clusterName}/{uuid}",
        },
        references={"clusterName": CLUSTER, "principalArn": ROLE},
        unique=(
            Unique(
                ("clusterName", "principalArn"),
                "ResourceInUseException: The specified access entry resource is already in use on this cluster.",
            ),
        ),
        rules=(Rule(ENTRIES, _groups),),
        immutable=frozenset({"clusterName", "principalArn", "type"}),
    ),
    Kind(
        "aws:eks/podIdentityAssociation:PodIdentityAssociation",
        judge=Calls("botocore eks", operation("eks", "CreatePodIdentityAssociation")),
        id="a-{hex:17}",
        outputs={
            "associationId": "{id}",
            "associationArn": "arn:aws:eks:{region}:{account}:podidentityassociation/{clusterName}/{id}",
        },
        references={"clusterName": CLUSTER, "roleArn": ROLE},
        unique=(
            Unique(
                ("clusterName", "namespace", "serviceAccount"),
                "ResourceInUseException: Association already exists for {namespace}/{serviceAccount}",
            ),
        ),
        immutable=frozenset({"clusterName", "namespace", "serviceAccount"}),
    ),
)  # fmt: skip


def _hex(seed: str) -> str:
    return hashlib.sha256(seed.encode()).hexdigest()[:17]
