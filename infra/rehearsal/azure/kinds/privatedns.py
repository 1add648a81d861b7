"""Zones that only linked networks see."""

from __future__ import annotations

from infra.rehearsal.azure.arm import arm, one_of_ids
from infra.rehearsal.core.kinds import Kind

MODELS = "azure.mgmt.privatedns.models"
ZONE = r"([a-zA-Z0-9_]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9_])?\.)+[a-zA-Z]{2,63}"
"""https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules#microsoftnetwork"""

KINDS: tuple[Kind, ...] = (
    arm(
        "azure-native:privatedns:PrivateZone",
        "Microsoft.Network/privateDnsZones",
        f"{MODELS}:PrivateZone",
        name="privateZoneName",
        pattern=ZONE,
    ),
    arm(
        "azure-native:privatedns:VirtualNetworkLink",
        "Microsoft.Network/privateDnsZones/virtualNetworkLinks",
        f"{MODELS}:VirtualNetworkLink",
        name="virtualNetworkLinkName",
        pattern=r"[A-Za-z0-9]([\w.-]*\w)?",
        longest=80,
        under={"privateZoneName": "azure-native:privatedns:PrivateZone"},
        outputs={"virtualNetworkLinkState": "Completed"},
        references={"virtualNetwork.id": one_of_ids("network:VirtualNetwork", holds=True)},
        immutable=("virtualNetwork",),
    ),
)
