"""Resource groups: what they hold goes before them."""

from __future__ import annotations

from infra.rehearsal.azure.arm import arm
from infra.rehearsal.core.kinds import Kind

KINDS: tuple[Kind, ...] = (
    arm(
        "azure-native:resources:ResourceGroup",
        "Microsoft.Resources/resourceGroups",
        "azure.mgmt.resource.resources.models:ResourceGroup",
        name="resourceGroupName",
        pattern=r"[-\w._()]{0,89}[-\w_()]",
        longest=90,
        id="/subscriptions/{account}/resourceGroups/{resourceGroupName}",
        immutable=("managedBy",),
    ),
)
