"""Managed identities and the key that approvals are signed with."""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi_azure_native import keyvault, managedidentity

from components import contract
from components.azure import names
from components.azure.grants import Principal, grant
from components.azure.outputs import AzureIdentity, AzureNetwork
from components.azure.provider import azure_settings
from components.azure.vault import declare_vault
from components.contract import Component, Context
from components.specs import IdentitySpec

USES = ("training", "serving", "pipeline", "approver", "viewer", "admin")
VERIFIERS = ("serving", "pipeline", "viewer", "admin")


class Identity(contract.Identity):
    """Six managed identities that nothing is granted to yet, and a vault with one key, that only the approver uses."""

    cloud = "azure"

    def build(self, spec: IdentitySpec, *, network: AzureNetwork, **below: Any) -> AzureIdentity:
        made = {use: declare_identity(self, use, network) for use in USES}
        principals = {
            use: (Principal(one.principal_id), *brought_principals(self.ctx, use)) for use, one in made.items()
        }
        key = self._signing_key(network, principals)
        ids = {use: one.id for use, one in made.items()}
        return AzureIdentity(
            training_ref=ids["training"],
            serving_ref=ids["serving"],
            pipeline_ref=ids["pipeline"],
            approver_ref=ids["approver"],
            viewer_ref=ids["viewer"],
            admin_ref=ids["admin"],
            approver_key_ref=key.key_uri_with_version,
            principals=principals,
            ids=ids,
            client_ids={use: one.client_id for use, one in made.items()},
            names={use: one.name for use, one in made.items()},
        )

    def _signing_key(self, network: AzureNetwork, principals: dict[str, tuple[Principal, ...]]) -> keyvault.Key:
        vault = declare_vault(self, "approvals", network)
        key = keyvault.Key(
            self.child_name("approval-key"),
            resource_group_name=network.group,
            vault_name=vault.name,
            key_name="approvals",
            properties=keyvault.KeyPropertiesArgs(
                kty="EC",
                curve_name="P-256",
                key_ops=["sign", "verify"],
                attributes=keyvault.KeyAttributesArgs(enabled=True),
            ),
            tags=self.tags(),
            # Approvals hold only as long as the key does.
            opts=self.child(
                protect=self.ctx.is_production, retain_on_delete=self.ctx.retain_data, delete_before_replace=True
            ),
        )
        scope = pulumi.Output.concat(vault.id, "/keys/", key.name)
        subscription = network.subscription_id
        grant(
            self, "approver", "signs", "Key Vault Crypto User", scope, principals["approver"],
            subscription_id=subscription,
        )  # fmt: skip
        for use in VERIFIERS:
            grant(self, use, "verifies", "Key Vault Reader", scope, principals[use], subscription_id=subscription)
        return key


def declare_identity(
    owner: Component[Any, Any], use: str, network: AzureNetwork
) -> managedidentity.UserAssignedIdentity:
    """A managed identity of the stack, named by its use."""
    return managedidentity.UserAssignedIdentity(
        owner.child_name(f"{use}-identity"),
        resource_group_name=network.group,
        resource_name_=owner.ctx.name(names.IDENTITY, use),
        location=owner.ctx.region,
        tags=owner.tags(),
        opts=owner.child(delete_before_replace=True),
    )


def brought_principals(ctx: Context, use: str) -> list[Principal]:
    access = azure_settings(ctx).access
    brought = {
        "approver": access.approvers,
        "viewer": access.viewers,
        "admin": access.admins,
        "pipeline": access.pipelines,
    }.get(use, ())
    return [Principal(item.id, item.type, key=item.id[:8].lower()) for item in brought]
