"""Who reaches what in a network: endpoints, security groups, flow logs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from infra.rehearsal.aws.kinds.ec2_network import SUBNET, VPC
from infra.rehearsal.aws.kinds.ec2_routing import TABLE
from infra.rehearsal.aws.model import operation
from infra.rehearsal.aws.networks import group_text, only, tags_of
from infra.rehearsal.core.fit import To
from infra.rehearsal.core.kinds import Autoname, Kind, Ref, Rule, Unique
from infra.rehearsal.core.operations import Calls

ENDPOINTS = "https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpcEndpoint.html"
FLOW_LOGS = "https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateFlowLogs.html"

GROUP = Ref(
    ("aws:ec2/securityGroup:SecurityGroup", "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"), by=(), holds=True
)


def _arn(word: str) -> str:
    return f"arn:{{partition}}:ec2:{{region}}:{{account}}:{word}/{{id}}"


def _endpoint(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    kind = inputs.get("vpcEndpointType", "Gateway")
    if kind == "Gateway":
        for path in ("subnetIds", "securityGroupIds", "privateDnsEnabled"):
            if inputs.get(path):
                yield path, f"InvalidParameter: {path} is not supported for a Gateway endpoint"
        if not str(inputs["serviceName"]).endswith((".s3", ".dynamodb")):
            yield "serviceName", f"InvalidServiceName: the service {inputs['serviceName']} has no Gateway endpoint"
    elif inputs.get("routeTableIds"):
        yield "routeTableIds", f"InvalidParameter: routeTableIds is not supported for an {kind} endpoint"
    elif kind == "Interface" and not inputs.get("subnetIds"):
        yield "subnetIds", "MissingParameter: an Interface endpoint needs subnets"


def _flow_log(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if inputs.get("maxAggregationInterval", 600) not in (60, 600):
        yield "maxAggregationInterval", "InvalidParameter: MaxAggregationInterval must be 60 or 600"
    if inputs.get("logDestinationType") == "cloud-watch-logs" and not inputs.get("iamRoleArn"):
        yield "iamRoleArn", "InvalidParameter: DeliverLogsPermissionArn must be given for cloud-watch-logs"
    if sum(bool(inputs.get(path)) for path in ("vpcId", "subnetId", "eniId", "transitGatewayId")) != 1:
        yield "vpcId", "InvalidParameter: one resource must be named"


KINDS: tuple[Kind, ...] = (
    Kind(
        "aws:ec2/vpcEndpoint:VpcEndpoint",
        judge=Calls("botocore ec2", operation("ec2", "CreateVpcEndpoint", tags_of("vpc-endpoint"))),
        id="vpce-{hex:17}",
        outputs={
            "arn": _arn("vpc-endpoint"),
            "prefixListId": "pl-{hex:8}",
            "ownerId": "{account}",
            "state": "available",
            "requesterManaged": False,
        },
        defaults={"vpcEndpointType": "Gateway"},
        references={"vpcId": VPC, "subnetIds": SUBNET, "routeTableIds": TABLE, "securityGroupIds": GROUP},
        unique=(
            Unique(
                ("vpcId", "serviceName"),
                "InvalidParameter: private-dns-enabled cannot be set because there is already a conflicting DNS domain "
                "for {serviceName} in the VPC {vpcId}",
            ),
        ),
        rules=(Rule(ENDPOINTS, _endpoint, needs=("serviceName", "vpcEndpointType")),),
        immutable=frozenset({"vpcId", "serviceName", "vpcEndpointType"}),
    ),
    Kind(
        "aws:ec2/securityGroup:SecurityGroup",
        judge=Calls(
            "botocore ec2",
            operation("ec2", "CreateSecurityGroup", {"name": "GroupName", **tags_of("security-group")}),
            local={"revokeRulesOnDelete": "the provider's own: what it does before it deletes the group"},
        ),
        id="sg-{hex:17}",
        outputs={"arn": _arn("security-group"), "ownerId": "{account}"},
        references={"vpcId": VPC},
        unique=(
            Unique(
                ("vpcId", "name"),
                "InvalidGroup.Duplicate: The security group '{name}' already exists for VPC '{vpcId}'",
            ),
        ),
        rules=(group_text("name"), group_text("description")),
        immutable=frozenset({"vpcId", "name", "namePrefix", "description"}),
        autoname=Autoname(max_length=255),
        defaults={"revokeRulesOnDelete": False, "description": "Managed by Pulumi"},
    ),
    Kind(
        "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
        # Nothing is created: the network's own group is found, and its rules go.
        judge=Calls(
            "botocore ec2",
            operation(
                "ec2",
                "DescribeSecurityGroups",
                {"vpcId": To("Filters", by=lambda vpc: [{"Name": "vpc-id", "Values": [vpc]}])},
                takes=("vpcId",),
            ),
            operation(
                "ec2", "CreateTags", {"tags": "Tags"}, fixed={"Resources": ["{id}"]}, when="tags", takes=("tags",)
            ),
            operation(
                "ec2",
                "AuthorizeSecurityGroupIngress",
                {"ingress": "IpPermissions"},
                fixed={"GroupId": "{id}"},
                when="ingress",
                takes=("ingress",),
            ),
            operation(
                "ec2",
                "AuthorizeSecurityGroupEgress",
                {"egress": "IpPermissions"},
                fixed={"GroupId": "{id}"},
                when="egress",
                takes=("egress",),
            ),
            local={"revokeRulesOnDelete": "the provider's own: what it does before it lets go of the group"},
        ),
        id="sg-{hex:17}",
        outputs={
            "arn": _arn("security-group"),
            "ownerId": "{account}",
            "name": "default",
            "description": "default VPC security group",
        },
        references={"vpcId": VPC},
        unique=(Unique(("vpcId",), "network {vpcId} has its default group declared already"),),
        immutable=frozenset({"vpcId"}),
    ),
    Kind(
        "aws:ec2/flowLog:FlowLog",
        judge=Calls(
            "botocore ec2",
            operation(
                "ec2",
                "CreateFlowLogs",
                {
                    "vpcId": only("ResourceIds"),
                    "iamRoleArn": "DeliverLogsPermissionArn",
                    **tags_of("vpc-flow-log"),
                },
                fixed={"ResourceType": "VPC"},
            ),
        ),
        id="fl-{hex:17}",
        outputs={"arn": _arn("vpc-flow-log")},
        defaults={"logDestinationType": "cloud-watch-logs", "maxAggregationInterval": 600},
        references={
            "vpcId": VPC,
            "logDestination": Ref("aws:cloudwatch/logGroup:LogGroup", by=("arn",)),
            "iamRoleArn": Ref("aws:iam/role:Role", by=("arn",)),
        },
        rules=(Rule(FLOW_LOGS, _flow_log),),
        immutable=frozenset(
            {"vpcId", "trafficType", "logDestination", "logDestinationType", "iamRoleArn", "maxAggregationInterval"}
        ),
    ),
)
