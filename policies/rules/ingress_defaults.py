"""What holds where nobody chose a firewall."""

from __future__ import annotations

from collections.abc import Iterator

from policies.examples import Ref, declared
from policies.graph import Node
from policies.resources import UNKNOWN, Props
from policies.rule import Finding, Severity, rule
from policies.rules.demands import needs
from policies.rules.optional import is_given, records, text

VPC = "aws:ec2/vpc:Vpc"
GROUP = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"


@rule(
    "default-group-closed",
    Severity.MEDIUM,
    types=(VPC,),
    title="Where nobody chose a firewall, nothing comes through",
    why="Whatever is made without a group of its own lands in the default one.",
    remedy="Declare the VPC's default group without rules; give each subnet on Azure a security group; let Google "
    "Cloud make no default network.",
    joins=True,
)
def default_group_closed(vpc: Node) -> Finding | None:
    return None if vpc.referrers(GROUP, by="vpcId") else Finding(at="defaultSecurityGroup")


_TWO = [declared(VPC, "a"), declared(VPC, "b"), declared(GROUP, "b-default", vpcId=Ref("b"))]
default_group_closed.examples(
    good=[[declared(VPC, "vpc"), declared(GROUP, "default", vpcId=Ref("vpc"))]],
    bad=[[declared(VPC, "vpc")], _TWO, [declared(VPC, "vpc"), declared(GROUP, "default", vpcId="vpc-brought")]],
)


@default_group_closed.also(GROUP)
def default_groups(group: Props) -> Iterator[Finding]:
    """A rule that isn't written here is taken away: https://www.pulumi.com/registry/packages/aws/api-docs/ec2/defaultsecuritygroup/"""
    for key in ("ingress", "egress"):
        if rules := records(group, key):
            yield Finding(at=group.at(key), found=f"{len(rules)} rules")


default_groups.examples(
    good=[{"vpcId": UNKNOWN}, {"ingress": [], "egress": []}],
    bad=[{"ingress": [{"protocol": "-1", "self": True}]}, {"egress": [{"cidrBlocks": ["0.0.0.0/0"]}]}],
    unknown=[{"ingress": UNKNOWN}],
)

NO_GROUP = frozenset({"GatewaySubnet", "AzureFirewallSubnet", "AzureFirewallManagementSubnet", "RouteServerSubnet"})
"""Names of subnets to which Azure lets no security group.

https://learn.microsoft.com/azure/virtual-network/virtual-network-vnet-plan-design-arm
"""


@default_group_closed.also("azure-native:network:Subnet")
def subnets_have_groups(subnet: Props) -> Finding | None:
    if is_given(subnet, "networkSecurityGroup") or text(subnet, "subnetName") in NO_GROUP:
        return None
    return Finding(at="networkSecurityGroup")


subnets_have_groups.examples(
    good=[{"subnetName": "nodes", "networkSecurityGroup": {"id": UNKNOWN}}, {"subnetName": "GatewaySubnet"}],
    bad=[{"subnetName": "nodes"}, {}],
    unknown=[{"subnetName": UNKNOWN}],
)

needs(default_group_closed, "gcp:organizations/project:Project", "autoCreateNetwork", False, refused=True)
needs(default_group_closed, "gcp:compute/network:Network", "autoCreateSubnetworks", False, refused=True)
