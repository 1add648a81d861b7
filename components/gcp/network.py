"""The VPC network, or the one that is brought."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_gcp as gcp

from catalog.errors import mistake
from catalog.zones import gcp_zones
from components import contract
from components.contract import Context
from components.gcp import names
from components.gcp.firewall import declare_firewall
from components.gcp.outputs import GcpNetwork
from components.gcp.provider import gcp_settings, labels_of, region_of
from components.gcp.ranges import ranges_of
from components.gcp.services import BASE, after, declare_services
from components.specs import NetworkSpec

PODS, SERVICES = "pods", "services"


class Network(contract.Network):
    """The APIs; one private subnetwork in the stack's region with ranges for a cluster; NAT as asked; flow logs; a
    peering that Vertex reaches it by."""

    cloud = "gcp"

    @classmethod
    def check(cls, spec: NetworkSpec, ctx: Context) -> None:
        if spec.zones > (there := len(gcp_zones(region_of(ctx)))):
            raise mistake("skywright:network.zones", spec.zones, f"1 to {there} in {ctx.region}")
        if not gcp_settings(ctx).existing.network:
            ranges_of(spec.cidr)

    def build(self, spec: NetworkSpec, **below: Any) -> GcpNetwork:
        existing = gcp_settings(self.ctx).existing
        asked = pulumi.InvokeOutputOptions(parent=self)
        project = gcp.organizations.get_project_output(project_id=gcp_settings(self.ctx).project, opts=asked)
        services = declare_services(self, project.project_id, BASE)
        tag = self.ctx.name(names.NETWORK_TAG, "training")
        if existing.network:
            there = gcp.compute.get_network_output(name=existing.network, project=project.project_id, opts=asked)
            inside = gcp.compute.get_subnetwork_output(
                name=existing.subnetwork, project=project.project_id, region=self.ctx.region, opts=asked
            )
            network, subnetwork, nodes = there.self_link, inside.self_link, inside.ip_cidr_range
        else:
            network, subnetwork, nodes = self._own(spec, project.project_id, services, tag)
        return GcpNetwork(
            network_ref=network,
            private_refs=subnetwork.apply(lambda link: [link]),
            public_refs=subnetwork.apply(lambda _: []),
            project_id=project.project_id,
            project_number=project.number,
            billing_account=project.billing_account,
            services=services,
            subnetwork=subnetwork,
            nodes_cidr=nodes,
            pods_range=(existing.pods_range or "") if existing.network else PODS,
            services_range=(existing.services_range or "") if existing.network else SERVICES,
            zones=gcp_zones(region_of(self.ctx))[: spec.zones],
            training_tag=tag,
            is_api_public=spec.is_api_public,
        )

    def _own(
        self,
        spec: NetworkSpec,
        project: pulumi.Output[str],
        services: dict[str, gcp.projects.Service],
        tag: str,
    ) -> tuple[pulumi.Output[str], pulumi.Output[str], pulumi.Output[str]]:
        """The self links of network and subnetwork, and the range of the nodes."""
        cut = ranges_of(spec.cidr)
        network = gcp.compute.Network(
            self.child_name("vpc"),
            project=project,
            name=self.ctx.name(names.COMPUTE, "vpc"),
            description=f"{self.ctx.project} {self.ctx.stack}",
            auto_create_subnetworks=False,
            routing_mode="REGIONAL",
            opts=after(self, services, "compute", delete_before_replace=True),
        )
        subnetwork = gcp.compute.Subnetwork(
            self.child_name("subnetwork"),
            project=project,
            name=self.ctx.name(names.COMPUTE, "private"),
            region=self.ctx.region,
            network=network.id,
            ip_cidr_range=cut.nodes,
            private_ip_google_access=True,
            secondary_ip_ranges=[
                gcp.compute.SubnetworkSecondaryIpRangeArgs(range_name=PODS, ip_cidr_range=cut.pods),
                gcp.compute.SubnetworkSecondaryIpRangeArgs(range_name=SERVICES, ip_cidr_range=cut.services),
            ],
            log_config=gcp.compute.SubnetworkLogConfigArgs(
                aggregation_interval="INTERVAL_1_MIN", flow_sampling=0.5, metadata="INCLUDE_ALL_METADATA"
            ),
            opts=self.child(delete_before_replace=True),
        )
        # Without NAT the default route stays: it is also the way of private Google access, and addresses that are
        # private get no further by it. https://cloud.google.com/vpc/docs/configure-private-google-access#requirements
        if spec.nat != "none":
            self._nat(project, network)
        declare_firewall(self, project, network, nodes_cidr=cut.nodes, tag=tag)
        self._peering(project, network, services, cut.peering)
        return network.self_link, subnetwork.self_link, subnetwork.ip_cidr_range

    def _nat(self, project: pulumi.Output[str], network: gcp.compute.Network) -> None:
        router = gcp.compute.Router(
            self.child_name("router"),
            project=project,
            name=self.ctx.name(names.COMPUTE, "router"),
            region=self.ctx.region,
            network=network.id,
            opts=self.child(delete_before_replace=True),
        )
        gcp.compute.RouterNat(
            self.child_name("nat"),
            project=project,
            name=self.ctx.name(names.COMPUTE, "nat"),
            region=self.ctx.region,
            router=router.name,
            nat_ip_allocate_option="AUTO_ONLY",
            source_subnetwork_ip_ranges_to_nat="ALL_SUBNETWORKS_ALL_IP_RANGES",
            log_config=gcp.compute.RouterNatLogConfigArgs(enable=True, filter="ERRORS_ONLY"),
            opts=self.child(delete_before_replace=True),
        )

    def _peering(
        self,
        project: pulumi.Output[str],
        network: gcp.compute.Network,
        services: dict[str, gcp.projects.Service],
        cidr: str,
    ) -> None:
        """Private services access: custom jobs that name the network run in Google's own, peered with it.

        https://cloud.google.com/vertex-ai/docs/general/vpc-peering
        """
        address, length = cidr.split("/")
        peering = gcp.compute.GlobalAddress(
            self.child_name("peering-range"),
            project=project,
            name=self.ctx.name(names.COMPUTE, "peering"),
            purpose="VPC_PEERING",
            address_type="INTERNAL",
            address=address,
            prefix_length=int(length),
            network=network.id,
            labels=labels_of(self),
            opts=self.child(delete_before_replace=True),
        )
        gcp.servicenetworking.Connection(
            self.child_name("peering"),
            network=network.id,
            service="servicenetworking.googleapis.com",
            reserved_peering_ranges=[peering.name],
            deletion_policy="ABANDON",  # Google keeps it for days; it goes with the network
            opts=after(self, services, "servicenetworking"),
        )
