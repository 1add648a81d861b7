"""Private endpoints, and the zones in which the network finds them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi_azure_native import network as net
from pulumi_azure_native import privatedns

from components.azure import names
from components.contract import Component

if TYPE_CHECKING:
    from components.azure.outputs import AzureNetwork

ZONES = {
    "blob": "privatelink.blob.core.windows.net",
    "dfs": "privatelink.dfs.core.windows.net",
    "file": "privatelink.file.core.windows.net",
    "vault": "privatelink.vaultcore.azure.net",
    "registry": "privatelink.azurecr.io",
    "amlworkspace": "privatelink.api.azureml.ms",
    "notebooks": "privatelink.notebooks.azure.net",
}
"""By subresource. https://learn.microsoft.com/azure/private-link/private-endpoint-dns"""


def declare_zones(
    owner: Component[Any, Any], group: pulumi.Input[str], network_id: pulumi.Input[str]
) -> dict[str, pulumi.Output[str]]:
    made = {}
    for use, domain in ZONES.items():
        zone = privatedns.PrivateZone(
            owner.child_name(f"{use}-zone"),
            resource_group_name=group,
            private_zone_name=domain,
            location="global",
            tags=owner.tags(),
            opts=owner.child(delete_before_replace=True),
        )
        privatedns.VirtualNetworkLink(
            owner.child_name(f"{use}-zone-link"),
            resource_group_name=group,
            private_zone_name=zone.name,
            virtual_network_link_name=owner.ctx.name(names.NETWORK_PART),
            location="global",
            registration_enabled=False,
            virtual_network=privatedns.SubResourceArgs(id=network_id),
            tags=owner.tags(),
            opts=owner.child(delete_before_replace=True),
        )
        made[use] = zone.id
    return made


def declare_private_way(
    owner: Component[Any, Any],
    what: str,
    network: AzureNetwork,
    target: pulumi.Input[str],
    subresource: str,
    zones: Sequence[str] | None = None,
) -> net.PrivateEndpoint:
    """A private endpoint to one subresource of `target`, found by its usual name in the stack's network."""
    way = net.PrivateEndpoint(
        owner.child_name(f"{what}-way"),
        resource_group_name=network.group,
        private_endpoint_name=owner.ctx.name(names.NETWORK_PART, what),
        location=owner.ctx.region,
        subnet=net.SubnetArgs(id=network.endpoint_subnet),
        private_link_service_connections=[
            net.PrivateLinkServiceConnectionArgs(name=what, private_link_service_id=target, group_ids=[subresource])
        ],
        tags=owner.tags(),
        opts=owner.child(delete_before_replace=True),
    )
    known = [zone for zone in zones or [subresource] if zone in network.zones]
    if known:
        net.PrivateDnsZoneGroup(
            owner.child_name(f"{what}-way-names"),
            resource_group_name=network.group,
            private_endpoint_name=way.name,
            private_dns_zone_group_name="default",
            private_dns_zone_configs=[
                net.PrivateDnsZoneConfigArgs(name=zone, private_dns_zone_id=network.zones[zone]) for zone in known
            ],
            opts=owner.child(delete_before_replace=True),
        )
    return way
