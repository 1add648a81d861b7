"""Resource groups: what they hold goes before them."""

from __future__ import annotations

from infra.rehearsal.azure.rest import operation
from infra.rehearsal.core.kinds import Autoname, Kind, Ref, Unique
from infra.rehearsal.core.operations import Calls

GROUP = Ref("azure-native:resources:ResourceGroup", by=("name",), holds=True)
"""What a resource names its group by."""

KINDS: tuple[Kind, ...] = (
    Kind(
        "azure-native:resources:ResourceGroup",
        judge=Calls("azure-ai-ml", operation("azure.ai.ml._vendor.azure_resources.models:ResourceGroup", label="PUT")),
        id="/subscriptions/{subscription}/resourceGroups/{resourceGroupName}",
        outputs={"name": "{resourceGroupName}", "type": "Microsoft.Resources/resourceGroups"},
        unique=(Unique(("name",), "ResourceGroupExists: {value} is there already", scope="account"),),
        immutable=frozenset({"resourceGroupName", "location", "managedBy"}),
        autoname=Autoname("resourceGroupName", max_length=90, separator=""),
    ),
)
