"""What AWS counts one by one: addresses, networks, clusters, keys, and what lies within one of them at the most."""

from __future__ import annotations

from collections.abc import Iterator

from policies.graph import Graph, Node
from policies.quota.counting import groups, home_of, most_in_one, plain_value, unknown
from policies.quota.model import Combine, Demand, of_quota
from policies.resources import Malformed, UnknownValue

ONE_EACH = (
    ("aws:ec2/eip:Eip", "ec2", "EC2-VPC Elastic IPs"),
    ("aws:ec2/vpc:Vpc", "vpc", "VPCs per Region"),
    ("aws:ec2/internetGateway:InternetGateway", "vpc", "Internet gateways per Region"),
    ("aws:ec2/securityGroup:SecurityGroup", "vpc", "VPC security groups per Region"),
    ("aws:ec2/vpc:Vpc", "vpc", "VPC security groups per Region"),  # its own default group
    ("aws:eks/cluster:Cluster", "eks", "Clusters"),
    ("aws:ecr/repository:Repository", "ecr", "Registered repositories"),
    ("aws:kms/key:Key", "kms", "Customer Master Keys (CMKs)"),
    ("aws:budgets/budget:Budget", "budgets", "Total number of budgets per management account"),
    ("aws:budgets/budgetAction:BudgetAction", "budgets", "Number of budget actions per account"),
    ("aws:cloudwatch/metricAlarm:MetricAlarm", "monitoring", "Alarms"),
    ("aws:sagemaker/modelPackageGroup:ModelPackageGroup", "sagemaker",
     "Maximum number of SageMaker Model Package Groups allowed per account"),
    ("aws:sagemaker/mlflowTrackingServer:MlflowTrackingServer", "sagemaker",
     "Maximum number of MLflow Tracking Servers"),
    ("aws:sagemaker/domain:Domain", "sagemaker", "Total domains"),
)  # fmt: skip
"""(type, service, quota): each resource of the type takes one."""

MOST_IN_ONE = (
    ("aws:ec2/subnet:Subnet", "vpcId", "vpc", "Subnets per VPC"),
    ("aws:eks/nodeGroup:NodeGroup", "clusterName", "eks", "Managed node groups per cluster"),
    ("aws:eks/accessEntry:AccessEntry", "clusterName", "eks", "Access entries per cluster"),
    ("aws:kms/alias:Alias", "targetKeyId", "kms", "Aliases per CMK"),
    ("aws:budgets/budgetAction:BudgetAction", "budgetName", "budgets", "Number of actions per budget"),
)
"""(type, key, service, quota): the most resources of the type that share what `key` is made of."""

RULES = {"ingress": "aws:vpc/securityGroupIngressRule:*", "egress": "aws:vpc/securityGroupEgressRule:*"}
PER_GROUP = "Inbound or outbound rules per security group"
TABLE, MAIN = "aws:ec2/routeTable:RouteTable", "with the network's own main table"
NAT, SUBNET = "aws:ec2/natGateway:NatGateway", "aws:ec2/subnet:Subnet"
GATEWAY, NODE_GROUP = "aws:ec2/vpcEndpoint:VpcEndpoint", "aws:eks/nodeGroup:NodeGroup"


def counted(graph: Graph, region: str | None) -> Iterator[Demand]:
    for kind, service, name in ONE_EACH:
        for node in graph.of(kind):
            yield of_quota("aws", service, name, 1, node.resource.name)
    for kind, key, service, name in MOST_IN_ONE:
        yield from most_in_one("aws", service, name, groups(graph.of(kind), key))
    for kind in RULES.values():
        yield from most_in_one("aws", "vpc", PER_GROUP, groups(graph.of(kind), "securityGroupId"))
    for nodes in groups(graph.of(TABLE), "vpcId").values():
        names = [node.resource.name for node in nodes]
        yield of_quota("aws", "vpc", "Route tables per VPC", len(names) + 1, *names, note=MAIN, combine=Combine.MAX)
    yield from _nat(graph)
    yield from _ways(graph)
    for node in graph.of(NODE_GROUP):
        yield _largest_group(node)


def _nat(graph: Graph) -> Iterator[Demand]:
    """By zone, where the subnets' zones are known; else as if all of them lay in one."""
    zones: dict[str, list[str]] = {}
    for node in graph.of(NAT):
        subnets = node.referred("subnetId", SUBNET)
        zone = plain_value(subnets[0], "availabilityZone") if subnets else None
        zones.setdefault(zone if isinstance(zone, str) else "", []).append(node.resource.name)
    unplaced = zones.pop("", [])
    note = "their zones aren't known yet: counted as if all lay in one" if unplaced else ""
    for names in zones.values() or ([[]] if unplaced else []):
        yield of_quota(
            "aws", "vpc", "NAT gateways per Availability Zone", len(names) + len(unplaced), *names, *unplaced,
            note=note, combine=Combine.MAX,
        )  # fmt: skip


def _ways(graph: Graph) -> Iterator[Demand]:
    inside: dict[str, list[Node]] = {}
    for node in graph.of(GATEWAY):
        name = node.resource.name
        try:
            kind = node.get("vpcEndpointType", "Gateway")
        except UnknownValue as error:
            yield unknown("aws", "vpc", "VPC endpoints of an unknown kind", name, str(error))
            continue
        if kind == "Gateway":
            yield of_quota("aws", "vpc", "Gateway VPC endpoints per Region", 1, name)
        else:
            inside.setdefault(home_of(node, "vpcId"), []).append(node)
    yield from most_in_one("aws", "vpc", "Interface and Gateway Load Balancer endpoints per VPC", inside)


def _largest_group(node: Node) -> Demand:
    needed, note = None, ""
    try:
        needed = node.mapping("scalingConfig").number("maxSize")
    except (UnknownValue, Malformed) as error:
        note = str(error)
    return of_quota(
        "aws", "eks", "Nodes per managed node group", needed, node.resource.name, note=note, combine=Combine.MAX
    )
