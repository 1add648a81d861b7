"""The storage account, and the key that encrypts it."""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi_azure_native import keyvault
from pulumi_azure_native import network as net
from pulumi_azure_native import storage as st

from components import contract
from components.azure import names
from components.azure.account import declare_account
from components.azure.grants import Principal, grant
from components.azure.identity import declare_identity
from components.azure.logs import declare_diagnostics
from components.azure.outputs import AzureIdentity, AzureNetwork, AzureStorage
from components.azure.private_ways import declare_private_way
from components.azure.provider import azure_settings
from components.azure.vault import declare_vault, unique
from components.specs import StorageSpec

USES = ("data", "artifacts", "checkpoints")
LONGEST_DAYS = 365
"""Of soft delete, and of flow logs."""

READ, WRITE = "Storage Blob Data Reader", "Storage Blob Data Contributor"
GRANTS: tuple[tuple[str, str, str, str | None], ...] = (
    ("training", "data", READ, None),
    ("training", "artifacts", WRITE, None),
    ("training", "checkpoints", WRITE, None),
    ("serving", "artifacts", READ, None),
    ("serving", "artifacts", WRITE, "capture"),
    ("pipeline", "data", WRITE, None),
    ("pipeline", "artifacts", WRITE, None),
    ("pipeline", "checkpoints", WRITE, None),
    ("approver", "artifacts", READ, None),
    ("approver", "artifacts", WRITE, "approvals"),
    ("viewer", "artifacts", READ, None),
    ("admin", "data", WRITE, None),
    ("admin", "artifacts", WRITE, None),
    ("admin", "checkpoints", WRITE, None),
)
"""(use, container, role, below which folder alone)."""


class Storage(contract.Storage):
    """One account with a container each for data, artifacts and checkpoints, versioned, under the stack's key."""

    cloud = "azure"

    def build(self, spec: StorageSpec, *, network: AzureNetwork, identity: AzureIdentity, **below: Any) -> AzureStorage:
        vault_id, vault_url, key_name, key_url = self._key(network)
        encryption = declare_identity(self, "encryption", network)
        principal = Principal(encryption.principal_id)
        key_id = pulumi.Output.concat(vault_id, "/keys/", key_name)
        key_grants = grant(
            self, "encryption", "key", "Key Vault Crypto Service Encryption User", key_id, [principal],
            subscription_id=network.subscription_id,
        )  # fmt: skip
        brought = azure_settings(self.ctx).existing.storage_account
        if brought:
            account = pulumi.Output.from_input(brought)
            account_id = pulumi.Output.concat(
                network.group_id, "/providers/Microsoft.Storage/storageAccounts/", account
            )
            containers = {
                use: pulumi.Output.concat(account_id, "/blobServices/default/containers/", use) for use in USES
            }
        else:
            made = declare_account(
                self, "data", network,
                name=unique(self, names.STORAGE, "", network),
                encryption_id=encryption.id, vault_url=vault_url, key_name=key_name, depends_on=key_grants,
            )  # fmt: skip
            account, account_id = made.name, made.id
            containers = self._contents(spec, network, made)
        for use, container, role, only in GRANTS:
            what = f"{'writes' if role == WRITE else 'reads'}-{only or container}"
            grant(
                self, use, what, role, containers[container], identity.principals[use],
                subscription_id=network.subscription_id, only=only,
            )  # fmt: skip
        urls = {use: pulumi.Output.concat(f"abfss://{use}@", account, ".dfs.core.windows.net") for use in USES}
        if not network.is_brought:
            self._flow_logs(network, encryption.id, vault_url, key_name, key_grants)
        return AzureStorage(
            data_url=urls["data"],
            artifacts_url=urls["artifacts"],
            checkpoints_url=urls["checkpoints"],
            key_ref=key_url,
            account=account,
            account_id=account_id,
            containers=containers,
            vault_id=vault_id,
            vault_url=vault_url,
            key_name=key_name,
            key_id=key_id,
            encryption_id=encryption.id,
            encryption_client_id=encryption.client_id,
            encryption_principal=principal,
            key_grants=tuple(key_grants),
        )

    def _key(self, network: AzureNetwork) -> tuple[pulumi.Output[str], ...]:
        """The vault's id and URL, the key's name and URL with version."""
        brought = azure_settings(self.ctx).existing
        if brought.key_vault and brought.key_name:
            asked = pulumi.InvokeOutputOptions(parent=self)
            there = keyvault.get_vault_output(
                resource_group_name=network.group, vault_name=brought.key_vault, opts=asked
            )
            found = keyvault.get_key_output(
                resource_group_name=network.group,
                vault_name=brought.key_vault,
                key_name=brought.key_name,
                opts=asked,
            )
            url = there.properties.apply(lambda properties: str(properties.vault_uri))
            return there.id, url, pulumi.Output.from_input(brought.key_name), found.key_uri_with_version
        vault = declare_vault(self, "keys", network)
        key = keyvault.Key(
            self.child_name("key"),
            resource_group_name=network.group,
            vault_name=vault.name,
            key_name="data",
            properties=keyvault.KeyPropertiesArgs(
                kty="RSA",
                key_size=3072,
                key_ops=["wrapKey", "unwrapKey", "encrypt", "decrypt"],
                attributes=keyvault.KeyAttributesArgs(enabled=True),
                rotation_policy=keyvault.RotationPolicyArgs(
                    attributes=keyvault.KeyRotationPolicyAttributesArgs(expiry_time="P2Y"),
                    lifetime_actions=[
                        keyvault.LifetimeActionArgs(
                            action=keyvault.ActionArgs(type=keyvault.KeyRotationPolicyActionType.ROTATE),
                            trigger=keyvault.TriggerArgs(time_after_create="P1Y"),
                        )
                    ],
                ),
            ),
            tags=self.tags(),
            opts=self.child(
                protect=self.ctx.is_production, retain_on_delete=self.ctx.retain_data, delete_before_replace=True
            ),
        )
        url = vault.properties.apply(lambda properties: str(properties.vault_uri))
        return vault.id, url, key.name, key.key_uri_with_version

    def _contents(
        self, spec: StorageSpec, network: AzureNetwork, account: st.StorageAccount
    ) -> dict[str, pulumi.Output[str]]:
        blobs = st.BlobServiceProperties(
            self.child_name("blobs"),
            resource_group_name=network.group,
            account_name=account.name,
            blob_services_name="default",
            is_versioning_enabled=True,
            change_feed=st.ChangeFeedArgs(enabled=True, retention_in_days=max(spec.noncurrent_days, 7)),
            delete_retention_policy=st.DeleteRetentionPolicyArgs(
                enabled=True, days=min(spec.noncurrent_days, LONGEST_DAYS)
            ),
            container_delete_retention_policy=st.DeleteRetentionPolicyArgs(
                enabled=True, days=min(spec.noncurrent_days, LONGEST_DAYS)
            ),
            opts=self.child(retain_on_delete=self.ctx.retain_data),
        )
        containers = {
            use: st.BlobContainer(
                self.child_name(use),
                resource_group_name=network.group,
                account_name=account.name,
                container_name=use,
                public_access=st.PublicAccess.NONE,
                opts=self.child(
                    protect=self.ctx.is_production,
                    retain_on_delete=self.ctx.retain_data,
                    delete_before_replace=True,
                    depends_on=[blobs],
                ),
            )
            for use in USES
        }
        st.ManagementPolicy(
            self.child_name("expiry"),
            resource_group_name=network.group,
            account_name=account.name,
            management_policy_name="default",
            policy=st.ManagementPolicySchemaArgs(
                rules=[
                    _rule("checkpoints", ["checkpoints/"], expire_days=spec.keep_checkpoints_days),
                    _rule("noncurrent", [f"{use}/" for use in USES], noncurrent_days=spec.noncurrent_days),
                ]
            ),
            opts=self.child(depends_on=[*containers.values()], retain_on_delete=self.ctx.retain_data),
        )
        for use in ("blob", "dfs", "file"):
            declare_private_way(self, f"data-{use}", network, account.id, use)
        service = pulumi.Output.concat(account.id, "/blobServices/default")
        declare_diagnostics(self, "data", service, network.logs_id)
        return {use: container.id for use, container in containers.items()}

    def _flow_logs(
        self,
        network: AzureNetwork,
        encryption_id: pulumi.Output[str],
        vault_url: pulumi.Output[str],
        key_name: pulumi.Output[str],
        key_grants: list[Any],
    ) -> None:
        """Written by an identity: no account takes keys. https://learn.microsoft.com/azure/network-watcher/vnet-flow-logs-overview"""
        account = declare_account(
            self, "flows", network,
            name=unique(self, names.STORAGE, "flows", network),
            encryption_id=encryption_id, vault_url=vault_url, key_name=key_name, depends_on=key_grants,
        )  # fmt: skip
        writer = declare_identity(self, "flow-logs", network)
        granted = grant(
            self, "flow-logs", "writes", WRITE, account.id, [Principal(writer.principal_id)],
            subscription_id=network.subscription_id,
        )  # fmt: skip
        watcher = azure_settings(self.ctx).network_watcher.format(region=self.ctx.region).split("/")
        net.FlowLog(
            self.child_name("flow-logs"),
            resource_group_name=watcher[0],
            network_watcher_name=watcher[1],
            flow_log_name=self.ctx.name(names.NETWORK_PART, "flows"),
            location=self.ctx.region,
            target_resource_id=network.network_ref,
            storage_id=account.id,
            enabled=True,
            identity=net.ManagedServiceIdentityArgs(type="UserAssigned", user_assigned_identities=[writer.id]),
            format=net.FlowLogFormatParametersArgs(type="JSON", version=2),
            retention_policy=net.RetentionPolicyParametersArgs(
                enabled=True, days=min(self.ctx.log_retention_days, LONGEST_DAYS)
            ),
            tags=self.tags(),
            opts=self.child(depends_on=granted, delete_before_replace=True),
        )


def _rule(
    name: str, prefixes: list[str], *, expire_days: int | None = None, noncurrent_days: int | None = None
) -> st.ManagementPolicyRuleArgs:
    old = st.DateAfterCreationArgs(days_after_creation_greater_than=noncurrent_days) if noncurrent_days else None
    return st.ManagementPolicyRuleArgs(
        name=name,
        type="Lifecycle",
        enabled=True,
        definition=st.ManagementPolicyDefinitionArgs(
            filters=st.ManagementPolicyFilterArgs(blob_types=["blockBlob"], prefix_match=prefixes),
            actions=st.ManagementPolicyActionArgs(
                base_blob=st.ManagementPolicyBaseBlobArgs(
                    delete=st.DateAfterModificationArgs(days_after_modification_greater_than=expire_days)
                )
                if expire_days
                else None,
                version=st.ManagementPolicyVersionArgs(delete=old) if old else None,
                snapshot=st.ManagementPolicySnapShotArgs(delete=old) if old else None,
            ),
        ),
    )
