"""Key vaults: RBAC alone, purge protection, closed to the internet."""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi_azure_native import keyvault

from components.azure import names
from components.azure.logs import declare_diagnostics
from components.azure.outputs import AzureNetwork
from components.azure.private_ways import declare_private_way
from components.azure.provider import azure_settings
from components.contract import Component

SHORTEST_DAYS, LONGEST_DAYS = 7, 90
"""How long a deleted vault, and its name, can be called back."""


def unique(owner: Component[Any, Any], rule: Any, what: str, network: AzureNetwork) -> pulumi.Output[str]:
    """A name that all of Azure shares."""
    suffix = azure_settings(owner.ctx).name_suffix or ""
    return network.subscription_id.apply(
        lambda subscription: owner.ctx.unique_name(rule, what, scope=f"{subscription}{suffix}")
    )


def declare_vault(owner: Component[Any, Any], what: str, network: AzureNetwork) -> keyvault.Vault:
    ranges = azure_settings(owner.ctx).access.ip_ranges
    is_kept = owner.ctx.retain_data or owner.ctx.is_production
    vault = keyvault.Vault(
        owner.child_name(f"{what}-vault"),
        resource_group_name=network.group,
        vault_name=unique(owner, names.VAULT, what, network),
        location=owner.ctx.region,
        properties=keyvault.VaultPropertiesArgs(
            tenant_id=network.tenant_id,
            sku=keyvault.SkuArgs(family="A", name=keyvault.SkuName.PREMIUM if is_kept else keyvault.SkuName.STANDARD),
            enable_rbac_authorization=True,
            enable_soft_delete=True,
            enable_purge_protection=True,
            soft_delete_retention_in_days=LONGEST_DAYS if is_kept else SHORTEST_DAYS,
            public_network_access="Enabled" if ranges else "Disabled",
            network_acls=keyvault.NetworkRuleSetArgs(
                default_action="Deny",
                bypass="AzureServices",
                ip_rules=[keyvault.IPRuleArgs(value=item) for item in ranges],
            ),
        ),
        tags=owner.tags(),
        opts=owner.child(
            protect=owner.ctx.is_production, retain_on_delete=owner.ctx.retain_data, delete_before_replace=True
        ),
    )
    declare_private_way(owner, f"{what}-vault", network, vault.id, "vault")
    declare_diagnostics(owner, f"{what}-vault", vault.id, network.logs_id, groups=("audit",))
    return vault
