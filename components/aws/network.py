"""The VPC, or the one that is brought."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_aws as aws

from catalog.cidrs import subnet_cidrs
from catalog.errors import UserError, mistake
from catalog.zones import zone_count
from components import contract
from components.aws import names
from components.aws.firewall import declare_endpoint_group, declare_training_group, declare_ways_group
from components.aws.flow_logs import declare_flow_logs, declare_logs_key
from components.aws.outputs import AwsNetwork
from components.aws.private_ways import declare_interface_ways, declare_s3_way
from components.aws.provider import aws_settings
from components.contract import Context
from components.specs import NetworkSpec

UNFIT_ZONES = ("use1-az3", "usw1-az2", "cac1-az3")
"""Zones where EKS places no control plane. https://docs.aws.amazon.com/eks/latest/userguide/network-reqs.html"""

SHORTEST_PREFIX = 16
"""Of a VPC. https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html"""


class Network(contract.Network):
    """A public and a private subnet per zone, NAT as asked, private ways to AWS's APIs, flow logs."""

    cloud = "aws"

    @classmethod
    def check(cls, spec: NetworkSpec, ctx: Context) -> None:
        settings = aws_settings(ctx)
        if settings.existing.vpc_id:
            if settings.interface_endpoints:
                raise UserError(
                    f"skywright:aws.interface_endpoints is true, but network {settings.existing.vpc_id} is brought",
                    "Remove one of them: a network that is brought keeps its own endpoints.",
                )
            return
        if int(spec.cidr.split("/")[1]) < SHORTEST_PREFIX:
            raise mistake("skywright:network.cidr", spec.cidr, f"on aws a prefix from /{SHORTEST_PREFIX} to /24")
        if spec.zones > (there := zone_count("aws", str(ctx.region))):
            raise mistake("skywright:network.zones", spec.zones, f"1 to {there} in {ctx.region}")
        subnet_cidrs(spec.cidr, spec.zones)

    def build(self, spec: NetworkSpec, **below: Any) -> AwsNetwork:
        settings = aws_settings(self.ctx)
        asked = pulumi.InvokeOutputOptions(parent=self)
        account_id = (
            pulumi.Output.from_input(settings.account_id)
            if settings.account_id
            else aws.get_caller_identity_output(opts=asked).account_id
        )
        brought_key = settings.existing.kms_key_arn
        logs_key_arn = pulumi.Output.from_input(brought_key) if brought_key else declare_logs_key(self, account_id).arn
        ways: aws.ec2.SecurityGroup | None = None
        if settings.existing.vpc_id:
            vpc_id: pulumi.Output[str] = pulumi.Output.from_input(settings.existing.vpc_id)
            private_ids: Sequence[pulumi.Input[str]] = settings.existing.private_subnet_ids
            public_ids: Sequence[pulumi.Input[str]] = settings.existing.public_subnet_ids
        else:
            vpc = self._vpc(spec)
            vpc_id = vpc.id
            public_ids, private_ids, tables = self._subnets(spec, vpc)
            declare_s3_way(self, vpc.id, tables)
            if wants_ways(settings.interface_endpoints, spec.nat):
                ways = declare_ways_group(self, vpc.id, spec.cidr)
                declare_interface_ways(self, vpc.id, private_ids, ways.id)
            declare_flow_logs(self, vpc.id, logs_key_arn, account_id)
        training_group_id = declare_training_group(self, vpc_id).id
        return AwsNetwork(
            network_ref=vpc_id,
            private_refs=pulumi.Output.all(*private_ids),
            public_refs=pulumi.Output.all(*public_ids),
            firewall_refs=training_group_id.apply(lambda group: [group]),
            account_id=account_id,
            vpc_id=vpc_id,
            private_subnet_ids=pulumi.Output.all(*private_ids),
            public_subnet_ids=pulumi.Output.all(*public_ids),
            training_group_id=training_group_id,
            endpoint_group_id=declare_endpoint_group(self, vpc_id).id,
            logs_key_arn=logs_key_arn,
            ways_group_id=ways.id if ways else None,
        )

    def _vpc(self, spec: NetworkSpec) -> aws.ec2.Vpc:
        vpc = aws.ec2.Vpc(
            self.child_name("vpc"),
            cidr_block=spec.cidr,
            enable_dns_support=True,
            enable_dns_hostnames=True,  # interface endpoints answer under the services' usual names
            tags=self._named("vpc"),
            opts=self.child(),
        )
        aws.ec2.DefaultSecurityGroup(
            self.child_name("default-group"),
            vpc_id=vpc.id,
            ingress=[],
            egress=[],
            tags=self._named("default-unused"),
            opts=self.child(),
        )
        return vpc

    def _subnets(
        self, spec: NetworkSpec, vpc: aws.ec2.Vpc
    ) -> tuple[list[pulumi.Output[str]], list[pulumi.Output[str]], list[pulumi.Output[str]]]:
        """The ids of public subnets, private subnets, route tables. Without any way out there are no public ones."""
        plan = subnet_cidrs(spec.cidr, spec.zones)
        zones = aws.get_availability_zones_output(
            state="available",
            exclude_zone_ids=list(UNFIT_ZONES),
            filters=[aws.GetAvailabilityZonesFilterArgs(name="opt-in-status", values=["opt-in-not-required"])],
            opts=pulumi.InvokeOutputOptions(parent=self),
        ).names
        cluster = aws_settings(self.ctx).existing.cluster_name or self.ctx.name(names.CLUSTER)
        tables: list[aws.ec2.RouteTable] = []
        public: list[aws.ec2.Subnet] = []
        private: list[aws.ec2.Subnet] = []
        if spec.nat != "none" or spec.is_api_public:
            gateway, table = self._way_out(vpc)
            tables.append(table)
            for number, cidr in enumerate(plan.public, start=1):
                subnet = self._subnet("public", number, cidr, vpc, zones, {"kubernetes.io/role/elb": "1"})
                self._route_through("public", number, subnet, table)
                public.append(subnet)
        nats = [self._nat(number + 1, public[number], gateway) for number in range(nat_count(spec.nat, spec.zones))]
        for number, cidr in enumerate(plan.private, start=1):
            tags = {"kubernetes.io/role/internal-elb": "1", "karpenter.sh/discovery": cluster}
            subnet = self._subnet("private", number, cidr, vpc, zones, tags)
            # A table per zone also where one NAT serves all: going over to one per zone then replaces nothing.
            table = self._table(f"private-{number}", vpc)
            tables.append(table)
            self._route_through("private", number, subnet, table)
            if nats:
                self._route_out(f"private-{number}", table, nat_gateway_id=nats[(number - 1) % len(nats)].id)
            private.append(subnet)
        return [subnet.id for subnet in public], [subnet.id for subnet in private], [table.id for table in tables]

    def _subnet(
        self,
        use: str,
        number: int,
        cidr: str,
        vpc: aws.ec2.Vpc,
        zones: pulumi.Output[Sequence[str]],
        tags: dict[str, str],
    ) -> aws.ec2.Subnet:
        return aws.ec2.Subnet(
            self.child_name(f"{use}-{number}"),
            vpc_id=vpc.id,
            cidr_block=cidr,
            availability_zone=zones.apply(lambda names: names[number - 1]),
            map_public_ip_on_launch=False,
            tags=self._named(use, str(number)) | tags,
            opts=self.child(),
        )

    def _way_out(self, vpc: aws.ec2.Vpc) -> tuple[aws.ec2.InternetGateway, aws.ec2.RouteTable]:
        gateway = aws.ec2.InternetGateway(
            self.child_name("gateway"), vpc_id=vpc.id, tags=self._named("gateway"), opts=self.child()
        )
        table = self._table("public", vpc)
        self._route_out("public", table, gateway_id=gateway.id)
        return gateway, table

    def _nat(self, number: int, subnet: aws.ec2.Subnet, gateway: aws.ec2.InternetGateway) -> aws.ec2.NatGateway:
        address = aws.ec2.Eip(
            self.child_name(f"nat-{number}-address"),
            domain="vpc",
            tags=self._named("nat", str(number)),
            opts=self.child(depends_on=[gateway]),
        )
        return aws.ec2.NatGateway(
            self.child_name(f"nat-{number}"),
            allocation_id=address.id,
            subnet_id=subnet.id,
            tags=self._named("nat", str(number)),
            opts=self.child(depends_on=[gateway]),
        )

    def _table(self, role: str, vpc: aws.ec2.Vpc) -> aws.ec2.RouteTable:
        return aws.ec2.RouteTable(
            self.child_name(f"{role}-routes"), vpc_id=vpc.id, tags=self._named(role), opts=self.child()
        )

    def _route_out(self, role: str, table: aws.ec2.RouteTable, **target: pulumi.Input[str]) -> None:
        aws.ec2.Route(
            self.child_name(f"{role}-out"),
            route_table_id=table.id,
            destination_cidr_block="0.0.0.0/0",
            opts=self.child(),
            **target,
        )

    def _route_through(self, use: str, number: int, subnet: aws.ec2.Subnet, table: aws.ec2.RouteTable) -> None:
        aws.ec2.RouteTableAssociation(
            self.child_name(f"{use}-{number}-routes-here"),
            subnet_id=subnet.id,
            route_table_id=table.id,
            opts=self.child(),
        )

    def _named(self, *parts: str) -> dict[str, str]:
        return self.tags() | {"Name": self.ctx.name(names.NAME_TAG, *parts)}


def nat_count(nat: str, zones: int) -> int:
    return {"per_zone": zones, "single": 1, "none": 0}[nat]


def wants_ways(chosen: bool | None, nat: str) -> bool:
    """Whether there are interface endpoints: as chosen, else only where there is no NAT."""
    return nat == "none" if chosen is None else chosen
