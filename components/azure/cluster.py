"""The AKS cluster, or the one that is brought."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s
from pulumi_azure_native import containerservice as aks

from catalog.errors import UserError
from catalog.zones import azure_zones
from components.azure import names
from components.azure.grants import Principal, grant
from components.azure.identity import declare_identity
from components.azure.logs import declare_diagnostics
from components.azure.outputs import AzureNetwork, AzureRegistry, AzureStorage
from components.azure.provider import azure_settings
from components.contract import Component, Context
from components.kubernetes.cluster import Cluster
from components.kubernetes.settings import PlatformSettings

STORAGE_CLASS = "managed-csi"
SYSTEM_SIZE, SYSTEM_MAX = "Standard_D4ds_v5", 5
POD_CIDR, SERVICE_CIDR, DNS_IP = "192.168.0.0/16", "172.16.0.0/16", "172.16.0.10"
"""Of the overlay: outside of 10.0.0.0/8."""


@dataclass(frozen=True)
class Made:
    """`needed`: what must be there before anything runs on it. `issuer`: of the cluster's own tokens."""

    cluster: Cluster
    name: pulumi.Output[str]
    ref: pulumi.Output[str]
    issuer: pulumi.Output[str]
    needed: Sequence[pulumi.Resource]
    is_brought: bool


def declare_cluster(
    owner: Component[Any, Any], *, network: AzureNetwork, storage: AzureStorage, registry: AzureRegistry
) -> Made:
    """Private, Entra ID alone, Cilium's data plane, secrets under the stack's key; and the provider for it."""
    brought = azure_settings(owner.ctx).existing.cluster_name
    needed: list[pulumi.Resource] = []
    if brought:
        there = aks.get_managed_cluster_output(
            resource_group_name=network.group, resource_name=brought, opts=pulumi.InvokeOutputOptions(parent=owner)
        )
        name, ref = pulumi.Output.from_input(brought), there.id
        issuer = there.oidc_issuer_profile.apply(lambda profile: str(profile.issuer_url) if profile else "")
    else:
        made, granted = _own(owner, network, storage, registry)
        needed += [made, *granted]
        name, ref = made.name, made.id
        issuer = made.oidc_issuer_profile.apply(lambda profile: str(profile.issuer_url) if profile else "")
    credentials = aks.list_managed_cluster_user_credentials_output(
        resource_group_name=network.group,
        resource_name=name,
        opts=pulumi.InvokeOutputOptions(parent=owner, depends_on=needed),
    )
    kubeconfig: pulumi.Output[str] = pulumi.Output.secret(
        credentials.kubeconfigs.apply(lambda found: kubeconfig_of(found[0].value))
    )
    provider = k8s.Provider(
        owner.child_name("cluster"), kubeconfig=kubeconfig, enable_server_side_apply=True, opts=owner.child()
    )
    cluster = Cluster(
        name=brought or owner.ctx.name(names.CLUSTER),
        kubeconfig=kubeconfig,
        provider=provider,
        storage_class=STORAGE_CLASS,
        is_gpu_operator_needed=True,
        settings=platform_settings(owner.ctx),
    )
    return Made(cluster, name, ref, issuer, needed, bool(brought))


def platform_settings(ctx: Context) -> PlatformSettings:
    """What the platform on the cluster is told."""
    return azure_settings(ctx).kubernetes.platform


def kubeconfig_of(encoded: str) -> str:
    """It holds no credentials: kubelogin gets them from whoever is logged in to the Azure CLI.

    https://learn.microsoft.com/azure/aks/kubelogin-authentication
    """
    return base64.b64decode(encoded).decode().replace("devicecode", "azurecli")


def _own(
    owner: Component[Any, Any], network: AzureNetwork, storage: AzureStorage, registry: AzureRegistry
) -> tuple[aks.ManagedCluster, list[pulumi.Resource]]:
    ctx = owner.ctx
    settings = azure_settings(ctx).kubernetes
    if network.is_api_public and not settings.public_access_cidrs:
        raise UserError(
            "skywright:network.is_api_public is true, but nobody is named who may reach the API server",
            "Set skywright:azure.kubernetes.public_access_cidrs.",
        )
    control, nodes = declare_identity(owner, "control", network), declare_identity(owner, "nodes", network)
    subscription = network.subscription_id
    acts, runs = [Principal(control.principal_id)], [Principal(nodes.principal_id)]
    before: list[pulumi.Resource] = []
    for what, role, scope in (
        ("control-subnet", "Network Contributor", network.control_subnet),
        *((f"subnet-{n}", "Network Contributor", subnet) for n, subnet in enumerate(network.node_subnets, start=1)),
        ("key", "Key Vault Crypto User", storage.key_id),
        ("vault", "Key Vault Contributor", storage.vault_id),
        ("nodes", "Managed Identity Operator", nodes.id),
    ):
        before += grant(owner, "control", what, role, scope, acts, subscription_id=subscription)
    before += grant(owner, "nodes", "images", "AcrPull", registry.registry_id, runs, subscription_id=subscription)
    cluster = aks.ManagedCluster(
        owner.child_name("aks"),
        resource_group_name=network.group,
        resource_name_=ctx.name(names.CLUSTER),
        location=ctx.region,
        kubernetes_version=settings.version,
        dns_prefix=ctx.name(names.DNS_PREFIX),
        sku=aks.ManagedClusterSKUArgs(name="Base", tier="Standard" if ctx.is_production else "Free"),
        node_resource_group=ctx.name(names.NODE_GROUP, "nodes"),
        node_resource_group_profile=aks.ManagedClusterNodeResourceGroupProfileArgs(restriction_level="ReadOnly"),
        identity=aks.ManagedClusterIdentityArgs(
            type=aks.ResourceIdentityType.USER_ASSIGNED, user_assigned_identities=[control.id]
        ),
        identity_profile={
            "kubeletidentity": aks.UserAssignedIdentityArgs(
                resource_id=nodes.id, client_id=nodes.client_id, object_id=nodes.principal_id
            )
        },
        enable_rbac=True,
        disable_local_accounts=True,
        aad_profile=aks.ManagedClusterAADProfileArgs(managed=True, enable_azure_rbac=True, tenant_id=network.tenant_id),
        api_server_access_profile=aks.ManagedClusterAPIServerAccessProfileArgs(
            enable_private_cluster=not network.is_api_public,
            enable_private_cluster_public_fqdn=None if network.is_api_public else False,
            private_dns_zone=None if network.is_api_public else "system",
            authorized_ip_ranges=list(settings.public_access_cidrs) if network.is_api_public else None,
            enable_vnet_integration=True,
            subnet_id=network.control_subnet,
            disable_run_command=True,
        ),
        network_profile=aks.ContainerServiceNetworkProfileArgs(
            network_plugin="azure",
            network_plugin_mode="overlay",
            network_dataplane="cilium",
            network_policy="cilium",
            load_balancer_sku="standard",
            outbound_type="userAssignedNATGateway",
            pod_cidr=POD_CIDR,
            service_cidr=SERVICE_CIDR,
            dns_service_ip=DNS_IP,
        ),
        oidc_issuer_profile=aks.ManagedClusterOIDCIssuerProfileArgs(enabled=True),
        security_profile=aks.ManagedClusterSecurityProfileArgs(
            workload_identity=aks.ManagedClusterSecurityProfileWorkloadIdentityArgs(enabled=True),
            image_cleaner=aks.ManagedClusterSecurityProfileImageCleanerArgs(enabled=True, interval_hours=168),
            azure_key_vault_kms=aks.AzureKeyVaultKmsArgs(
                enabled=True,
                key_id=storage.key_ref,
                key_vault_network_access="Private",
                key_vault_resource_id=storage.vault_id,
            ),
        ),
        auto_upgrade_profile=aks.ManagedClusterAutoUpgradeProfileArgs(
            upgrade_channel="patch", node_os_upgrade_channel="NodeImage"
        ),
        auto_scaler_profile=aks.ManagedClusterPropertiesAutoScalerProfileArgs(
            expander="least-waste", scale_down_unneeded_time="10m", skip_nodes_with_system_pods="true"
        ),
        storage_profile=aks.ManagedClusterStorageProfileArgs(
            disk_csi_driver=aks.ManagedClusterStorageProfileDiskCSIDriverArgs(enabled=True),
            file_csi_driver=aks.ManagedClusterStorageProfileFileCSIDriverArgs(enabled=False),
            snapshot_controller=aks.ManagedClusterStorageProfileSnapshotControllerArgs(enabled=True),
        ),
        agent_pool_profiles=[
            _system_pool(owner, number, subnet, len(network.node_subnets))
            for number, subnet in enumerate(network.node_subnets, start=1)
        ],
        tags=owner.tags(),
        opts=owner.child(
            protect=ctx.is_production,
            delete_before_replace=True,
            depends_on=before,
            # Autoscaled.
            ignore_changes=[f"agentPoolProfiles[{index}].count" for index in range(len(network.node_subnets))],
        ),
    )
    aks.MaintenanceConfiguration(
        owner.child_name("upgrades"),
        resource_group_name=network.group,
        resource_name_=cluster.name,
        config_name="aksManagedAutoUpgradeSchedule",
        maintenance_window=aks.MaintenanceWindowArgs(
            duration_hours=4,
            start_time="02:00",
            utc_offset="+00:00",
            schedule=aks.ScheduleArgs(weekly=aks.WeeklyScheduleArgs(day_of_week="Sunday", interval_weeks=1)),
        ),
        opts=owner.child(delete_before_replace=True),
    )
    declare_diagnostics(
        owner, "aks", cluster.id, network.logs_id, groups=(), categories=("kube-audit-admin", "guard", "kube-apiserver")
    )
    # Who runs the program declares the platform on it.
    deployer = [Principal(network.deployer_id, type=azure_deployer_type())]
    after = grant(
        owner, "deployer", "cluster", "AKS RBAC Cluster Admin", cluster.id, deployer, subscription_id=subscription
    )
    return cluster, list(after)


def azure_deployer_type() -> str:
    """A person's login or a pipeline's: in a pipeline the variables of a service principal are set."""
    import os

    return "ServicePrincipal" if os.environ.get("ARM_CLIENT_ID") or os.environ.get("AZURE_CLIENT_ID") else "User"


def _system_pool(
    owner: Component[Any, Any], number: int, subnet: pulumi.Output[str], count: int
) -> aks.ManagedClusterAgentPoolProfileArgs:
    """One for each node subnet, in the zone of its NAT gateway; over all zones where there is one subnet."""
    zones = azure_zones(str(owner.ctx.region))
    return aks.ManagedClusterAgentPoolProfileArgs(
        name=f"system{number}",
        mode="System",
        type="VirtualMachineScaleSets",
        vm_size=SYSTEM_SIZE,
        count=1,
        min_count=1,
        max_count=SYSTEM_MAX,
        enable_auto_scaling=True,
        vnet_subnet_id=subnet,
        availability_zones=([zones[number - 1]] if count > 1 else list(zones)) or None,
        os_type="Linux",
        os_sku="AzureLinux",
        os_disk_type="Ephemeral",
        os_disk_size_gb=128,
        max_pods=110,
        enable_encryption_at_host=True,
        enable_node_public_ip=False,
        node_labels={"skywright.dev/pool": "system"},
        tags=owner.tags(),
        upgrade_settings=aks.AgentPoolUpgradeSettingsArgs(max_surge="33%"),
    )
