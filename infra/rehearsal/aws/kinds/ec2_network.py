"""The network: what a VPC holds goes before the VPC."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any

from infra.rehearsal.aws.model import operation
from infra.rehearsal.aws.networks import tags_of
from infra.rehearsal.core.kinds import Find, Kind, Ref, Rule
from infra.rehearsal.core.operations import Calls, Operation

VPC = Ref("aws:ec2/vpc:Vpc", holds=True)
SUBNET = Ref("aws:ec2/subnet:Subnet", holds=True)
SIZES = "https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html"


def _arn(kind: str) -> str:
    return f"arn:{{partition}}:ec2:{{region}}:{{account}}:{kind}/{{id}}"


def _block(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """IPv4 from /16 to /28, no host bits."""
    value = inputs.get("cidrBlock")
    if not isinstance(value, str):
        return
    try:
        block = ipaddress.IPv4Network(value)
    except ValueError as error:
        yield "cidrBlock", f"InvalidParameterValue: Value ({value}) for parameter cidrBlock is invalid: {error}"
        return
    if not 16 <= block.prefixlen <= 28:
        yield "cidrBlock", f"InvalidVpc.Range: The CIDR '{value}' is invalid; allowed: a prefix from /16 to /28"


def _inside(inputs: Mapping[str, Any], find: Find) -> Iterator[tuple[str, str]]:
    """A subnet lies in its VPC and overlaps with no other."""
    own = ipaddress.IPv4Network(inputs["cidrBlock"])
    for id, vpc in find("aws:ec2/vpc:Vpc"):
        if (
            id == inputs["vpcId"]
            and vpc.get("cidrBlock")
            and not own.subnet_of(ipaddress.IPv4Network(vpc["cidrBlock"]))
        ):
            yield "cidrBlock", f"InvalidSubnet.Range: The CIDR '{own}' is invalid; allowed: inside {vpc['cidrBlock']}"
    for id, other in find("aws:ec2/subnet:Subnet"):
        if other.get("vpcId") == inputs["vpcId"] and own.overlaps(ipaddress.IPv4Network(other["cidrBlock"])):
            yield "cidrBlock", f"InvalidSubnet.Conflict: The CIDR '{own}' conflicts with another subnet ({id})"


def _attribute(operation_name: str, subject: str, attribute: str, key: str) -> Operation:
    """One attribute by a request of its own; the API takes no second one in it."""
    return operation(
        "ec2",
        operation_name,
        {key: f"{attribute}.Value"},
        fixed={subject: "{id}"},
        when=lambda inputs: key in inputs,
        takes=(key,),
    )


def _of_vpc(attribute: str, key: str) -> Operation:
    return _attribute("ModifyVpcAttribute", "VpcId", attribute, key)


def _of_subnet(attribute: str, key: str) -> Operation:
    return _attribute("ModifySubnetAttribute", "SubnetId", attribute, key)


KINDS: tuple[Kind, ...] = (
    Kind(
        "aws:ec2/vpc:Vpc",
        judge=Calls(
            "botocore ec2",
            operation(
                "ec2",
                "CreateVpc",
                {"assignGeneratedIpv6CidrBlock": "AmazonProvidedIpv6CidrBlock", **tags_of("vpc")},
            ),
            _of_vpc("EnableDnsSupport", "enableDnsSupport"),
            _of_vpc("EnableDnsHostnames", "enableDnsHostnames"),
            _of_vpc("EnableNetworkAddressUsageMetrics", "enableNetworkAddressUsageMetrics"),
        ),
        id="vpc-{hex:17}",
        outputs={
            "arn": _arn("vpc"),
            "ownerId": "{account}",
            "mainRouteTableId": "rtb-{hex:17}",
            "defaultRouteTableId": "{mainRouteTableId}",
            "defaultNetworkAclId": "acl-{hex:17}",
            "defaultSecurityGroupId": "sg-{hex:17}",
            "dhcpOptionsId": "dopt-{hex:17}",
            "ipv6CidrBlock": "",
            "ipv6AssociationId": "",
            "ipv6CidrBlockNetworkBorderGroup": "",
        },
        defaults={
            "enableDnsSupport": True,
            "enableDnsHostnames": False,
            "instanceTenancy": "default",
            "enableNetworkAddressUsageMetrics": False,
        },
        rules=(Rule(SIZES, _block),),
        immutable=frozenset({"cidrBlock", "ipv4IpamPoolId", "ipv4NetmaskLength", "region"}),
    ),
    Kind(
        "aws:ec2/subnet:Subnet",
        judge=Calls(
            "botocore ec2",
            operation("ec2", "CreateSubnet", tags_of("subnet")),
            _of_subnet("MapPublicIpOnLaunch", "mapPublicIpOnLaunch"),
            _of_subnet("AssignIpv6AddressOnCreation", "assignIpv6AddressOnCreation"),
            _of_subnet("EnableDns64", "enableDns64"),
        ),
        id="subnet-{hex:17}",
        outputs={
            "arn": _arn("subnet"),
            "ownerId": "{account}",
            "availabilityZoneId": lambda facts: f"az-{str(facts.get('availabilityZone', 'a'))[-1]}",
            "ipv6CidrBlockAssociationId": "",
        },
        defaults={"mapPublicIpOnLaunch": False, "assignIpv6AddressOnCreation": False},
        references={"vpcId": VPC},
        rules=(Rule(SIZES, _block),),
        meets=_inside,
        immutable=frozenset(
            {"vpcId", "cidrBlock", "availabilityZone", "availabilityZoneId", "ipv6Native", "outpostArn", "region"}
        ),
    ),
)
