"""The resource group, and the network in it."""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi_azure_native import authorization, resources
from pulumi_azure_native import network as net

from catalog.cidrs import subnet_cidrs
from catalog.errors import mistake
from catalog.zones import azure_zones, zone_count
from components import contract
from components.azure import names
from components.azure.logs import declare_logs
from components.azure.outputs import AzureNetwork
from components.azure.private_ways import declare_zones
from components.azure.provider import azure_settings
from components.contract import Context
from components.specs import NetworkSpec

LONGEST_PREFIX = 23
"""So that each public part holds the /27 that Container Apps wants, and every node subnet some nodes."""


class Network(contract.Network):
    """A virtual network: node subnets, and one each for private endpoints, AKS's API server and the budget's actor."""

    cloud = "azure"

    @classmethod
    def check(cls, spec: NetworkSpec, ctx: Context) -> None:
        if azure_settings(ctx).existing.virtual_network_id:
            return
        if int(spec.cidr.split("/")[1]) > LONGEST_PREFIX:
            raise mistake("skywright:network.cidr", spec.cidr, f"on azure a prefix from /8 to /{LONGEST_PREFIX}")
        if spec.zones > (there := zone_count("azure", str(ctx.region))):
            raise mistake("skywright:network.zones", spec.zones, f"1 to {there} in {ctx.region}")
        subnet_cidrs(spec.cidr, parts_of(spec))

    def build(self, spec: NetworkSpec, **below: Any) -> AzureNetwork:
        settings = azure_settings(self.ctx)
        brought = settings.existing
        who = authorization.get_client_config_output(opts=pulumi.InvokeOutputOptions(parent=self))
        subscription_id = pulumi.Output.from_input(settings.subscription_id or who.subscription_id)
        group, group_id = self._group(subscription_id)
        logs = declare_logs(self, group)
        zones: dict[str, pulumi.Output[str]] = {}
        if brought.virtual_network_id:
            network_id: pulumi.Output[str] = pulumi.Output.from_input(brought.virtual_network_id)
            nodes = tuple(pulumi.Output.from_input(subnet) for subnet in brought.node_subnet_ids)
            endpoints, control, actor = (
                pulumi.Output.from_input(str(subnet))
                for subnet in (brought.endpoint_subnet_id, brought.control_subnet_id, brought.actor_subnet_id)
            )
        else:
            network = net.VirtualNetwork(
                self.child_name("vnet"),
                resource_group_name=group,
                virtual_network_name=self.ctx.name(names.NETWORK),
                location=self.ctx.region,
                address_space=net.AddressSpaceArgs(address_prefixes=[spec.cidr]),
                # Between machines whose size can; the others speak on as before, until Azure drops this choice.
                encryption=net.VirtualNetworkEncryptionArgs(enabled=True, enforcement="AllowUnencrypted"),
                tags=self.tags(),
                # Subnets are resources of their own.
                opts=self.child(ignore_changes=["subnets"], delete_before_replace=True),
            )
            network_id = network.id
            endpoints, control, actor, nodes = self._subnets(spec, group, network)
            zones = declare_zones(self, group, network.id)
        return AzureNetwork(
            network_ref=network_id,
            private_refs=pulumi.Output.all(*nodes),
            public_refs=pulumi.Output.from_input([]),
            group=group,
            group_id=group_id,
            subscription_id=subscription_id,
            tenant_id=pulumi.Output.from_input(settings.tenant_id or who.tenant_id),
            deployer_id=who.object_id,
            endpoint_subnet=endpoints,
            node_subnets=nodes,
            control_subnet=control,
            actor_subnet=actor,
            zones=zones,
            logs_id=logs.id,
            has_nat=bool(brought.virtual_network_id) or spec.nat != "none",
            is_brought=bool(brought.virtual_network_id),
            is_api_public=spec.is_api_public,
        )

    def _group(self, subscription_id: pulumi.Output[str]) -> tuple[pulumi.Output[str], pulumi.Output[str]]:
        if brought := azure_settings(self.ctx).resource_group:
            return pulumi.Output.from_input(brought), subscription_id.apply(
                lambda subscription: f"/subscriptions/{subscription}/resourceGroups/{brought}"
            )
        made = resources.ResourceGroup(
            self.child_name("group"),
            resource_group_name=self.ctx.name(names.RESOURCE_GROUP),
            location=self.ctx.region,
            tags=self.tags(),
            opts=self.child(
                protect=self.ctx.is_production, retain_on_delete=self.ctx.retain_data, delete_before_replace=True
            ),
        )
        return made.name, made.id

    def _subnets(
        self, spec: NetworkSpec, group: pulumi.Output[str], network: net.VirtualNetwork
    ) -> tuple[pulumi.Output[str], pulumi.Output[str], pulumi.Output[str], tuple[pulumi.Output[str], ...]]:
        """For endpoints, for AKS's control plane, for the budget's actor, for nodes."""
        plan = subnet_cidrs(spec.cidr, parts_of(spec))
        guard = self._guard(group)
        gateways = [self._nat(group, zone) for zone in nat_zones(spec, str(self.ctx.region))]
        made: list[net.Subnet] = []

        def subnet(use: str, cidr: str, nat: int | None = None, delegated: str | None = None) -> pulumi.Output[str]:
            made.append(
                net.Subnet(
                    self.child_name(f"{use}-subnet"),
                    resource_group_name=group,
                    virtual_network_name=network.name,
                    subnet_name=use,
                    address_prefix=cidr,
                    default_outbound_access=False,
                    network_security_group=net.NetworkSecurityGroupArgs(id=guard.id),
                    nat_gateway=net.SubResourceArgs(id=gateways[nat % len(gateways)].id)
                    if nat is not None and gateways
                    else None,
                    delegations=[net.DelegationArgs(name=use, service_name=delegated)] if delegated else None,
                    private_endpoint_network_policies="Enabled",
                    private_link_service_network_policies="Enabled",
                    opts=self.child(
                        delete_before_replace=True,
                        # The network changes for one subnet at a time.
                        depends_on=made[-1:],
                    ),
                )
            )
            id: pulumi.Output[str] = made[-1].id
            return id

        endpoints = subnet("endpoints", plan.public[0])
        actor = subnet("actor", plan.public[1], nat=0, delegated="Microsoft.App/environments")
        control = subnet("control", plan.public[2], delegated="Microsoft.ContainerService/managedClusters")
        nodes = tuple(subnet(f"nodes-{zone + 1}", plan.private[zone], nat=zone) for zone in range(spec.zones))
        return endpoints, control, actor, nodes

    def _guard(self, group: pulumi.Output[str]) -> net.NetworkSecurityGroup:
        """What lies in the network reaches itself; nothing comes in from the internet."""

        def rule(name: str, priority: int, access: str, source: str) -> net.SecurityRuleArgs:
            return net.SecurityRuleArgs(
                name=name,
                priority=priority,
                direction="Inbound",
                access=access,
                protocol="*",
                source_address_prefix=source,
                source_port_range="*",
                destination_address_prefix="*",
                destination_port_range="*",
            )

        return net.NetworkSecurityGroup(
            self.child_name("guard"),
            resource_group_name=group,
            network_security_group_name=self.ctx.name(names.NETWORK_PART, "guard"),
            location=self.ctx.region,
            security_rules=[
                rule("allow-network", 100, "Allow", "VirtualNetwork"),
                rule("allow-load-balancer", 110, "Allow", "AzureLoadBalancer"),
                rule("deny-internet", 4000, "Deny", "Internet"),
            ],
            tags=self.tags(),
            opts=self.child(delete_before_replace=True),
        )

    def _nat(self, group: pulumi.Output[str], zone: str) -> net.NatGateway:
        what = f"nat-{zone}" if zone else "nat"
        address = net.PublicIPAddress(
            self.child_name(f"{what}-address"),
            resource_group_name=group,
            public_ip_address_name=self.ctx.name(names.NETWORK_PART, what),
            location=self.ctx.region,
            sku=net.PublicIPAddressSkuArgs(name="Standard", tier="Regional"),
            public_ip_allocation_method="Static",
            public_ip_address_version="IPv4",
            zones=[zone] if zone else None,
            tags=self.tags(),
            opts=self.child(delete_before_replace=True),
        )
        return net.NatGateway(
            self.child_name(what),
            resource_group_name=group,
            nat_gateway_name=self.ctx.name(names.NETWORK_PART, what),
            location=self.ctx.region,
            sku=net.NatGatewaySkuArgs(name="Standard"),
            public_ip_addresses=[net.SubResourceArgs(id=address.id)],
            zones=[zone] if zone else None,
            tags=self.tags(),
            opts=self.child(delete_before_replace=True),
        )


def parts_of(spec: NetworkSpec) -> int:
    """Subnets of each kind: three for services, one for nodes in every zone."""
    return max(3, spec.zones)


def nat_zones(spec: NetworkSpec, region: str) -> list[str]:
    """The zone of each NAT gateway; an empty one where the region has no zones."""
    there = azure_zones(region) or ("",)
    return {"per_zone": list(there[: spec.zones]), "single": [there[0]], "none": []}[spec.nat]
