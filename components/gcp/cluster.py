"""The GKE cluster, or the one that is brought."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_gcp as gcp
import pulumi_kubernetes as k8s

from components.contract import Component, Context
from components.gcp import names
from components.gcp.grants import grant_key
from components.gcp.outputs import GcpNetwork, GcpStorage
from components.gcp.provider import gcp_settings, labels_of
from components.gcp.services import after, declare_services
from components.kubernetes.cluster import Cluster
from components.kubernetes.settings import PlatformSettings

MASTER_CIDR = "172.16.255.240/28"
"""Of the control plane, outside of 10.0.0.0/8. https://cloud.google.com/kubernetes-engine/docs/how-to/private-clusters"""

STORAGE_CLASS = "standard-rwo"


@dataclass(frozen=True)
class Made:
    """`ref`: the cluster's full name. `needed`: what must be there before anything runs on it."""

    cluster: Cluster
    name: pulumi.Output[str]
    ref: pulumi.Output[str]
    needed: Sequence[pulumi.Resource]
    is_brought: bool


def declare_cluster(owner: Component[Any, Any], *, network: GcpNetwork, storage: GcpStorage) -> Made:
    """Regional, private, shielded, on Dataplane V2, its secrets under the stack's key; and the provider for it."""
    brought = gcp_settings(owner.ctx).existing.cluster_name
    needed: list[pulumi.Resource] = []
    if brought:
        there = gcp.container.get_cluster_output(
            name=brought,
            location=owner.ctx.region,
            project=network.project_id,
            opts=pulumi.InvokeOutputOptions(parent=owner),
        )
        name, ref, endpoint = pulumi.Output.from_input(brought), there.id, there.endpoint
        authority = there.master_auths.apply(lambda found: found[0]["cluster_ca_certificate"] if found else "")
    else:
        made = _own(owner, network, storage)
        needed.append(made)
        name, ref, endpoint = made.name, made.id, made.endpoint
        authority = made.master_auth.apply(lambda found: (found.cluster_ca_certificate if found else "") or "")
    known: pulumi.Output[list[str]] = pulumi.Output.all(name, endpoint, authority)
    kubeconfig: pulumi.Output[str] = pulumi.Output.secret(known.apply(lambda found: kubeconfig_of(*found)))
    provider = k8s.Provider(
        owner.child_name("cluster"), kubeconfig=kubeconfig, enable_server_side_apply=True, opts=owner.child()
    )
    cluster = Cluster(
        name=brought or owner.ctx.name(names.CLUSTER),
        kubeconfig=kubeconfig,
        provider=provider,
        storage_class=STORAGE_CLASS,
        is_gpu_operator_needed=False,  # GKE installs the driver, see node_pools
        settings=platform_settings(owner.ctx),
    )
    return Made(cluster, name, ref, needed, bool(brought))


def platform_settings(ctx: Context) -> PlatformSettings:
    """What the platform on the cluster is told."""
    return gcp_settings(ctx).kubernetes.platform


def kubeconfig_of(name: str, endpoint: str, authority: str) -> str:
    """It holds no credentials: whoever uses it gets them by the plugin.

    https://cloud.google.com/kubernetes-engine/docs/how-to/cluster-access-for-kubectl
    """
    user = {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1beta1",
            "command": "gke-gcloud-auth-plugin",
            "installHint": "Install gke-gcloud-auth-plugin: gcloud components install gke-gcloud-auth-plugin",
            "interactiveMode": "IfAvailable",
            "provideClusterInfo": True,
        }
    }
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": name,
                    "cluster": {"server": f"https://{endpoint}", "certificate-authority-data": authority},
                }
            ],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "current-context": name,
        }
    )


def _own(owner: Component[Any, Any], network: GcpNetwork, storage: GcpStorage) -> gcp.container.Cluster:
    settings = gcp_settings(owner.ctx).kubernetes
    enabled = declare_services(owner, network.project_id, ["container"])
    agents = [
        grant_key(owner, use, storage.key_ref, _agent(network, host), depends_on=[enabled["container"]])
        for use, host in (("secrets", "container-engine-robot"), ("disks", "compute-system"))
    ]
    return gcp.container.Cluster(
        owner.child_name("gke"),
        project=network.project_id,
        name=owner.ctx.name(names.CLUSTER),
        location=owner.ctx.region,
        node_locations=list(network.zones),
        network=network.network_ref,
        subnetwork=network.subnetwork,
        networking_mode="VPC_NATIVE",
        ip_allocation_policy=gcp.container.ClusterIpAllocationPolicyArgs(
            cluster_secondary_range_name=network.pods_range or None,
            services_secondary_range_name=network.services_range or None,
        ),
        private_cluster_config=gcp.container.ClusterPrivateClusterConfigArgs(
            enable_private_nodes=True,
            enable_private_endpoint=not network.is_api_public,
            master_ipv4_cidr_block=MASTER_CIDR,
        ),
        master_authorized_networks_config=gcp.container.ClusterMasterAuthorizedNetworksConfigArgs(
            cidr_blocks=[
                gcp.container.ClusterMasterAuthorizedNetworksConfigCidrBlockArgs(cidr_block=cidr, display_name=display)
                for cidr, display in [
                    (network.nodes_cidr, "nodes"),
                    *((cidr, f"allowed-{index}") for index, cidr in enumerate(settings.authorized_networks)),
                ]
            ],
            gcp_public_cidrs_access_enabled=False,
        ),
        master_auth=gcp.container.ClusterMasterAuthArgs(
            client_certificate_config=gcp.container.ClusterMasterAuthClientCertificateConfigArgs(
                issue_client_certificate=False
            )
        ),
        datapath_provider="ADVANCED_DATAPATH",
        in_transit_encryption_config="IN_TRANSIT_ENCRYPTION_INTER_NODE_TRANSPARENT",
        enable_shielded_nodes=True,
        workload_identity_config=gcp.container.ClusterWorkloadIdentityConfigArgs(
            workload_pool=network.project_id.apply(lambda project: f"{project}.svc.id.goog")
        ),
        database_encryption=gcp.container.ClusterDatabaseEncryptionArgs(state="ENCRYPTED", key_name=storage.key_ref),
        release_channel=gcp.container.ClusterReleaseChannelArgs(channel=settings.release_channel),
        logging_config=gcp.container.ClusterLoggingConfigArgs(
            enable_components=["SYSTEM_COMPONENTS", "WORKLOADS", "APISERVER", "CONTROLLER_MANAGER", "SCHEDULER"]
        ),
        monitoring_config=gcp.container.ClusterMonitoringConfigArgs(
            enable_components=["SYSTEM_COMPONENTS"],
            managed_prometheus=gcp.container.ClusterMonitoringConfigManagedPrometheusArgs(enabled=False),
        ),
        cost_management_config=gcp.container.ClusterCostManagementConfigArgs(enabled=True),
        security_posture_config=gcp.container.ClusterSecurityPostureConfigArgs(
            mode="BASIC", vulnerability_mode="VULNERABILITY_BASIC"
        ),
        addons_config=gcp.container.ClusterAddonsConfigArgs(
            gce_persistent_disk_csi_driver_config=(
                gcp.container.ClusterAddonsConfigGcePersistentDiskCsiDriverConfigArgs(enabled=True)
            ),
            gcs_fuse_csi_driver_config=gcp.container.ClusterAddonsConfigGcsFuseCsiDriverConfigArgs(enabled=True),
        ),
        # A cluster can't be made without a pool: GKE's first one goes, ours come beside it.
        remove_default_node_pool=True,
        initial_node_count=1,
        deletion_protection=False,  # the provider's own switch, on by default: the engine protects what production has
        resource_labels=labels_of(owner),
        opts=after(
            owner,
            enabled,
            "container",
            depends_on=agents,
            protect=owner.ctx.is_production,
            delete_before_replace=True,
        ),
    )


def _agent(network: GcpNetwork, host: str) -> pulumi.Output[str]:
    """One of Google's own accounts in the project. https://cloud.google.com/iam/docs/service-agents"""
    return network.project_number.apply(
        lambda number: f"serviceAccount:service-{number}@{host}.iam.gserviceaccount.com"
    )
