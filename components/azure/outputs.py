"""What the Azure components hand each other beside the outputs that every cloud promises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi

from components.azure.grants import Principal
from components.contract import (
    EndpointOutputs,
    IdentityOutputs,
    MonitoringOutputs,
    NetworkOutputs,
    RegistryOutputs,
    StorageOutputs,
)
from components.kubernetes.cluster import ClusterTraining
from components.specs import PoolSpec


@dataclass(frozen=True)
class AzureNetwork(NetworkOutputs):
    """`group`: the resource group's name, `group_id` its id. `zones`: private DNS zone ids by the subresource that they
    resolve (blob, dfs, file, vault, registry, amlworkspace, notebooks); empty where the network is brought with its
    own. `logs_id`: the Log Analytics workspace."""

    group: pulumi.Output[str]
    group_id: pulumi.Output[str]
    subscription_id: pulumi.Output[str]
    tenant_id: pulumi.Output[str]
    deployer_id: pulumi.Output[str]
    endpoint_subnet: pulumi.Output[str]
    node_subnets: tuple[pulumi.Output[str], ...]
    control_subnet: pulumi.Output[str]
    actor_subnet: pulumi.Output[str]
    zones: Mapping[str, pulumi.Output[str]]
    logs_id: pulumi.Output[str]
    has_nat: bool
    is_brought: bool
    is_api_public: bool


@dataclass(frozen=True)
class AzureIdentity(IdentityOutputs):
    """By use: training, serving, pipeline, approver, viewer, admin. `principals`: the managed identity first, then who
    was brought. Nothing is granted yet: whoever owns a thing grants on it (`grants.grant`)."""

    principals: Mapping[str, tuple[Principal, ...]]
    ids: Mapping[str, pulumi.Output[str]]
    client_ids: Mapping[str, pulumi.Output[str]]
    names: Mapping[str, pulumi.Output[str]]


@dataclass(frozen=True)
class AzureStorage(StorageOutputs):
    """`key_ref`: the key's URL with its version. `encryption_id`: the identity that may use the key; `key_grants`: what
    must be there before anything can be encrypted with it."""

    account: pulumi.Output[str]
    account_id: pulumi.Output[str]
    containers: Mapping[str, pulumi.Output[str]]
    vault_id: pulumi.Output[str]
    vault_url: pulumi.Output[str]
    key_name: pulumi.Output[str]
    key_id: pulumi.Output[str]
    encryption_id: pulumi.Output[str]
    encryption_client_id: pulumi.Output[str]
    encryption_principal: Principal
    key_grants: tuple[pulumi.Resource, ...] = ()


@dataclass(frozen=True)
class AzureRegistry(RegistryOutputs):
    """`workspace_path`: as the URIs of its datastores have it, `/subscriptions/.../workspaces/<name>`."""

    registry_id: pulumi.Output[str]
    workspace: pulumi.Output[str]
    workspace_id: pulumi.Output[str]
    workspace_path: pulumi.Output[str]
    insights_id: pulumi.Output[str]
    insights_connection: pulumi.Output[str]


@dataclass(frozen=True)
class AzureTraining(ClusterTraining):
    """`bounded`: the pool behind each compute cluster, for managed training. `issuer`: of the cluster's own tokens."""

    bounded: Mapping[str, PoolSpec] = field(default_factory=dict)
    issuer: pulumi.Output[str] | None = None


@dataclass(frozen=True)
class AzureEndpoint(EndpointOutputs):
    """Of the managed service: the endpoint, the name of each release's deployment, the ids of autoscale settings, and
    (least, most) replicas of each release."""

    endpoint_id: pulumi.Output[str]
    endpoint: pulumi.Output[str]
    deployments: Mapping[str, str] = field(default_factory=dict)
    autoscale_ids: pulumi.Output[list[str]] = field(default_factory=lambda: pulumi.Output.from_input([]))
    released: tuple[pulumi.Resource, ...] = ()
    replicas: tuple[int, int] = (1, 1)


@dataclass(frozen=True)
class AzureMonitoring(MonitoringOutputs):
    action_group_id: pulumi.Output[str]
