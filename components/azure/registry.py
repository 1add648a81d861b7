"""Images, and the Azure ML workspace, which keeps model versions and speaks MLflow's protocol."""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi_azure_native import applicationinsights, containerregistry
from pulumi_azure_native import machinelearningservices as ml

from catalog.zones import azure_zones
from components import contract
from components.azure import names
from components.azure.grants import Principal, grant
from components.azure.identity import declare_identity
from components.azure.logs import declare_diagnostics
from components.azure.outputs import AzureIdentity, AzureNetwork, AzureRegistry, AzureStorage
from components.azure.private_ways import declare_private_way
from components.azure.provider import azure_settings
from components.azure.storage import USES
from components.azure.vault import unique
from components.specs import RegistrySpec

IMAGES = (("training", "AcrPull"), ("serving", "AcrPull"), ("pipeline", "AcrPush"), ("admin", "AcrPush"))
VERSIONS = (
    ("training", "AzureML Data Scientist"),
    ("pipeline", "AzureML Data Scientist"),
    ("admin", "AzureML Data Scientist"),
    ("serving", "Reader"),
    ("approver", "Reader"),
    ("viewer", "Reader"),
)
"""On the workspace. Data scientists run jobs and register versions; they make no compute and change no setting."""


class ModelRegistry(contract.ModelRegistry):
    """Images in a container registry; versions in an Azure ML workspace with a managed network of its own."""

    cloud = "azure"

    def build(
        self, spec: RegistrySpec, *, network: AzureNetwork, identity: AzureIdentity, storage: AzureStorage, **below: Any
    ) -> AzureRegistry:
        images = self._images(spec, network, storage)
        insights = applicationinsights.Component(
            self.child_name("insights"),
            resource_group_name=network.group,
            resource_name_=self.ctx.name(names.INSIGHTS),
            location=self.ctx.region,
            kind="web",
            application_type="web",
            ingestion_mode="LogAnalytics",
            workspace_resource_id=network.logs_id,
            disable_local_auth=False,  # the telemetry of managed endpoints comes by the connection string
            disable_ip_masking=False,
            tags=self.tags(),
            opts=self.child(delete_before_replace=True),
        )
        workspace = self._workspace(network, storage, images, insights)
        for use, role in IMAGES:
            grant(
                self, use, "images", role, images.id, identity.principals[use],
                subscription_id=network.subscription_id,
            )  # fmt: skip
        for use, role in VERSIONS:
            grant(
                self, use, "workspace", role, workspace.id, identity.principals[use],
                subscription_id=network.subscription_id,
            )  # fmt: skip
        for use in USES:
            ml.Datastore(
                self.child_name(f"{use}-store"),
                resource_group_name=network.group,
                workspace_name=workspace.name,
                name=use,
                properties=ml.AzureBlobDatastoreArgs(
                    datastore_type="AzureBlob",
                    credentials=ml.NoneDatastoreCredentialsArgs(credentials_type="None"),
                    account_name=storage.account,
                    container_name=use,
                    endpoint="core.windows.net",
                    protocol="https",
                    service_data_access_auth_identity="None",
                ),
                opts=self.child(delete_before_replace=True),
            )
        return AzureRegistry(
            tracking_url=workspace.ml_flow_tracking_uri,
            models_ref=workspace.id,
            image_url=images.login_server.apply(lambda host: f"{host}/skywright"),
            registry_id=images.id,
            workspace=workspace.name,
            workspace_id=workspace.id,
            workspace_path=workspace.id.apply(
                lambda id: id.replace("/providers/Microsoft.MachineLearningServices", "")
            ),
            insights_id=insights.id,
            insights_connection=insights.connection_string,
        )

    def _images(self, spec: RegistrySpec, network: AzureNetwork, storage: AzureStorage) -> containerregistry.Registry:
        """Tags can move here, so nothing is deployed by tag: jobs and releases name digests."""
        ranges = azure_settings(self.ctx).access.ip_ranges
        images = containerregistry.Registry(
            self.child_name("images"),
            resource_group_name=network.group,
            registry_name=unique(self, names.REGISTRY, "", network),
            location=self.ctx.region,
            sku=containerregistry.SkuArgs(name="Premium"),
            admin_user_enabled=False,
            anonymous_pull_enabled=False,
            data_endpoint_enabled=False,
            public_network_access="Enabled" if ranges else "Disabled",
            network_rule_bypass_options="AzureServices",
            network_rule_set=containerregistry.NetworkRuleSetArgs(
                default_action="Deny",
                ip_rules=[containerregistry.IPRuleArgs(action="Allow", i_p_address_or_range=item) for item in ranges],
            ),
            identity=containerregistry.IdentityPropertiesArgs(
                type=containerregistry.ResourceIdentityType.USER_ASSIGNED,
                user_assigned_identities=storage.encryption_id.apply(lambda id: {id: {}}),
            ),
            encryption=containerregistry.EncryptionPropertyArgs(
                status="enabled",
                key_vault_properties=containerregistry.KeyVaultPropertiesArgs(
                    identity=storage.encryption_client_id,
                    # Without a version: the registry follows the key's rotation.
                    key_identifier=storage.key_ref.apply(lambda url: url.rsplit("/", 1)[0]),
                ),
            ),
            policies=containerregistry.PoliciesArgs(
                export_policy=containerregistry.ExportPolicyArgs(status="enabled" if ranges else "disabled"),
                quarantine_policy=containerregistry.QuarantinePolicyArgs(status="disabled"),
                retention_policy=containerregistry.RetentionPolicyArgs(status="enabled", days=spec.untagged_days),
                azure_ad_authentication_as_arm_policy=containerregistry.AzureADAuthenticationAsArmPolicyArgs(
                    status="enabled"
                ),
            ),
            zone_redundancy="Enabled" if azure_zones(str(self.ctx.region)) else "Disabled",
            tags=self.tags(),
            opts=self.child(
                protect=self.ctx.is_production,
                retain_on_delete=self.ctx.retain_data,
                delete_before_replace=True,
                depends_on=list(storage.key_grants),
            ),
        )
        declare_private_way(self, "images", network, images.id, "registry")
        declare_diagnostics(self, "images", images.id, network.logs_id)
        return images

    def _workspace(
        self,
        network: AzureNetwork,
        storage: AzureStorage,
        images: containerregistry.Registry,
        insights: applicationinsights.Component,
    ) -> ml.Workspace:
        acts = declare_identity(self, "workspace", network)
        principals = [Principal(acts.principal_id)]
        approves = "AI Enterprise Network Connection Approver"
        granted: list[pulumi.Resource] = []
        for what, role, scope in (
            ("blobs", "Storage Blob Data Contributor", storage.account_id),
            ("files", "Storage File Data Privileged Contributor", storage.account_id),
            ("secrets", "Key Vault Secrets Officer", storage.vault_id),
            ("key", "Key Vault Crypto Service Encryption User", storage.key_id),
            ("images", "AcrPush", images.id),
            ("storage-way", approves, storage.account_id),
            ("vault-way", approves, storage.vault_id),
            ("images-way", approves, images.id),
            ("insights", "Reader", insights.id),
        ):
            granted += grant(self, "workspace", what, role, scope, principals, subscription_id=network.subscription_id)
        workspace = ml.Workspace(
            self.child_name("workspace"),
            resource_group_name=network.group,
            workspace_name=self.ctx.name(names.WORKSPACE, *filter(None, [azure_settings(self.ctx).name_suffix])),
            location=self.ctx.region,
            friendly_name=f"{self.ctx.project} {self.ctx.stack}",
            description=f"Jobs and model versions of {self.ctx.project} {self.ctx.stack}",
            kind="Default",
            sku=ml.SkuArgs(name="Basic", tier=ml.SkuTier.BASIC),
            storage_account=storage.account_id,
            key_vault=storage.vault_id,
            application_insights=insights.id,
            container_registry=images.id,
            identity=ml.ManagedServiceIdentityArgs(type="UserAssigned", user_assigned_identities=[acts.id]),
            primary_user_assigned_identity=acts.id,
            encryption=ml.EncryptionPropertyArgs(
                status="Enabled",
                identity=ml.IdentityForCmkArgs(user_assigned_identity=acts.id),
                key_vault_properties=ml.KeyVaultPropertiesArgs(
                    key_identifier=storage.key_ref,
                    key_vault_arm_id=storage.vault_id,
                    identity_client_id=acts.client_id,
                ),
            ),
            enable_service_side_cmk_encryption=True,
            managed_network=ml.ManagedNetworkSettingsArgs(
                isolation_mode="AllowInternetOutbound" if network.has_nat else "AllowOnlyApprovedOutbound",
                firewall_sku=None if network.has_nat else "Basic",
            ),
            provision_network_now=True,
            public_network_access="Enabled" if network.is_api_public else "Disabled",
            system_datastores_auth_mode="identity",
            hbi_workspace=self.ctx.is_production,
            v1_legacy_mode=False,
            tags=self.tags(),
            opts=self.child(
                protect=self.ctx.is_production,
                retain_on_delete=self.ctx.retain_data,
                delete_before_replace=True,
                depends_on=granted,
            ),
        )
        declare_private_way(
            self, "workspace", network, workspace.id, "amlworkspace", zones=["amlworkspace", "notebooks"]
        )
        declare_diagnostics(self, "workspace", workspace.id, network.logs_id)
        return workspace
