"""Storage accounts: no keys, no public blobs, encrypted twice, closed to the internet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pulumi
from pulumi_azure_native import storage as st

from components.azure.outputs import AzureNetwork
from components.azure.provider import azure_settings
from components.contract import Component


def declare_account(
    owner: Component[Any, Any],
    what: str,
    network: AzureNetwork,
    *,
    name: pulumi.Output[str],
    encryption_id: pulumi.Output[str],
    vault_url: pulumi.Output[str],
    key_name: pulumi.Output[str],
    depends_on: Sequence[pulumi.Resource],
) -> st.StorageAccount:
    ranges = azure_settings(owner.ctx).access.ip_ranges
    return st.StorageAccount(
        owner.child_name(f"{what}-account"),
        resource_group_name=network.group,
        account_name=name,
        location=owner.ctx.region,
        kind="StorageV2",
        sku=st.SkuArgs(name="Standard_ZRS" if owner.ctx.is_production and what == "data" else "Standard_LRS"),
        access_tier=st.AccessTier.HOT,
        allow_blob_public_access=False,
        allow_shared_key_access=False,
        allow_cross_tenant_replication=False,
        default_to_o_auth_authentication=True,
        enable_https_traffic_only=True,
        minimum_tls_version="TLS1_2",
        is_local_user_enabled=False,
        is_hns_enabled=False,  # no versions with a hierarchical namespace
        public_network_access="Enabled" if ranges else "Disabled",
        network_rule_set=st.NetworkRuleSetArgs(
            default_action=st.DefaultAction.DENY,
            bypass="AzureServices",
            ip_rules=[st.IPRuleArgs(i_p_address_or_range=item, action=st.Action.ALLOW) for item in ranges],
        ),
        identity=st.IdentityArgs(type="UserAssigned", user_assigned_identities=[encryption_id]),
        encryption=st.EncryptionArgs(
            key_source="Microsoft.Keyvault",
            require_infrastructure_encryption=True,
            # Without a version: the account follows the key's rotation.
            key_vault_properties=st.KeyVaultPropertiesArgs(key_vault_uri=vault_url, key_name=key_name),
            encryption_identity=st.EncryptionIdentityArgs(encryption_user_assigned_identity=encryption_id),
            services=st.EncryptionServicesArgs(
                blob=st.EncryptionServiceArgs(enabled=True, key_type="Account"),
                file=st.EncryptionServiceArgs(enabled=True, key_type="Account"),
            ),
        ),
        tags=owner.tags(),
        opts=owner.child(
            protect=owner.ctx.is_production,
            retain_on_delete=owner.ctx.retain_data,
            delete_before_replace=True,
            depends_on=list(depends_on),
        ),
    )
