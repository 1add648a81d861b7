"""Virtual networks."""

from __future__ import annotations

from infra.rehearsal.azure.kinds.resources import GROUP
from infra.rehearsal.azure.rest import named, operation
from infra.rehearsal.core.kinds import Autoname, Kind, Unique
from infra.rehearsal.core.operations import Calls

NAME = named(2, 64, r"[A-Za-z0-9][\w.-]*\w")
"""https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules#microsoftnetwork"""

KINDS: tuple[Kind, ...] = (
    Kind(
        "azure-native:network:VirtualNetwork",
        judge=Calls(
            "azure-mgmt-network",
            operation("azure.mgmt.network.models:VirtualNetwork", path={"virtualNetworkName": NAME}),
        ),
        id="/subscriptions/{subscription}/resourceGroups/{resourceGroupName}/providers/Microsoft.Network"
        "/virtualNetworks/{virtualNetworkName}",
        outputs={
            "name": "{virtualNetworkName}",
            "type": "Microsoft.Network/virtualNetworks",
            "provisioningState": "Succeeded",
        },
        references={"resourceGroupName": GROUP},
        unique=(Unique(("name",), "AnotherOperationInProgress: {value} is there already"),),
        immutable=frozenset({"resourceGroupName", "virtualNetworkName", "location"}),
        autoname=Autoname("virtualNetworkName", max_length=64, separator=""),
    ),
)
