"""Ways in and out of a network."""

from __future__ import annotations

from infra.rehearsal.aws.kinds.ec2_network import SUBNET, VPC
from infra.rehearsal.aws.model import operation
from infra.rehearsal.aws.networks import exactly_one, tags_of
from infra.rehearsal.core.kinds import Kind, Ref, Unique
from infra.rehearsal.core.operations import Calls

ROUTES = "https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateRoute.html"
TARGETS = (
    "gatewayId", "natGatewayId", "transitGatewayId", "networkInterfaceId", "vpcPeeringConnectionId", "vpcEndpointId",
)  # fmt: skip

GATEWAY = Ref("aws:ec2/internetGateway:InternetGateway", holds=True)
ADDRESS = Ref("aws:ec2/eip:Eip", by=("allocationId",), holds=True)
NAT = Ref("aws:ec2/natGateway:NatGateway", holds=True)
TABLE = Ref("aws:ec2/routeTable:RouteTable", holds=True)


def _arn(word: str) -> str:
    return f"arn:{{partition}}:ec2:{{region}}:{{account}}:{word}/{{id}}"


KINDS: tuple[Kind, ...] = (
    Kind(
        "aws:ec2/internetGateway:InternetGateway",
        judge=Calls(
            "botocore ec2",
            operation("ec2", "CreateInternetGateway", tags_of("internet-gateway"), omits=("vpcId",)),
            operation(
                "ec2", "AttachInternetGateway", fixed={"InternetGatewayId": "{id}"}, when="vpcId", takes=("vpcId",)
            ),
        ),
        id="igw-{hex:17}",
        outputs={"arn": _arn("internet-gateway"), "ownerId": "{account}"},
        references={"vpcId": VPC},
        unique=(
            Unique(("vpcId",), "Resource.AlreadyAssociated: network {vpcId} already has an internet gateway attached"),
        ),
    ),
    Kind(
        "aws:ec2/eip:Eip",
        judge=Calls("botocore ec2", operation("ec2", "AllocateAddress", tags_of("elastic-ip"))),
        id="eipalloc-{hex:17}",
        outputs={
            "arn": _arn("elastic-ip"),
            "allocationId": "{id}",
            "publicIp": "203.0.113.{digits:2}",
            "publicDns": "ec2-203-0-113-{digits:2}.compute.amazonaws.com",
        },
        immutable=frozenset({"domain"}),
    ),
    Kind(
        "aws:ec2/natGateway:NatGateway",
        judge=Calls("botocore ec2", operation("ec2", "CreateNatGateway", tags_of("natgateway"))),
        id="nat-{hex:17}",
        outputs={
            "publicIp": "203.0.113.{digits:2}",
            "privateIp": "10.0.0.{digits:2}",
            "networkInterfaceId": "eni-{hex:17}",
            "associationId": "eipassoc-{hex:17}",
        },
        defaults={"connectivityType": "public"},
        references={"subnetId": SUBNET, "allocationId": ADDRESS},
        unique=(Unique(("allocationId",), "Resource.AlreadyAssociated: address {allocationId} is already associated"),),
        immutable=frozenset({"subnetId", "allocationId", "connectivityType"}),
        is_replaced_after_delete=True,
    ),
    Kind(
        "aws:ec2/routeTable:RouteTable",
        judge=Calls("botocore ec2", operation("ec2", "CreateRouteTable", tags_of("route-table"))),
        id="rtb-{hex:17}",
        outputs={"arn": _arn("route-table"), "ownerId": "{account}"},
        references={"vpcId": VPC},
        immutable=frozenset({"vpcId"}),
    ),
    Kind(
        "aws:ec2/route:Route",
        judge=Calls("botocore ec2", operation("ec2", "CreateRoute")),
        id="r-{routeTableId}{digits:10}",
        outputs={"origin": "CreateRoute", "state": "active"},
        references={"routeTableId": TABLE, "gatewayId": GATEWAY, "natGatewayId": NAT},
        unique=(
            Unique(
                ("routeTableId", "destinationCidrBlock"),
                "RouteAlreadyExists: The route identified by {destinationCidrBlock} already exists.",
            ),
        ),
        rules=(exactly_one(TARGETS, "InvalidParameterCombination: one target must be named", ROUTES),),
        immutable=frozenset({"routeTableId", "destinationCidrBlock"}),
        is_replaced_after_delete=True,
    ),
    Kind(
        "aws:ec2/routeTableAssociation:RouteTableAssociation",
        judge=Calls("botocore ec2", operation("ec2", "AssociateRouteTable")),
        id="rtbassoc-{hex:17}",
        references={"routeTableId": TABLE, "subnetId": SUBNET},
        unique=(Unique(("subnetId",), "Resource.AlreadyAssociated: subnet {subnetId} is already associated"),),
        immutable=frozenset({"subnetId"}),
        is_replaced_after_delete=True,
    ),
)
