"""What only Azure has."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from components.kubernetes.settings import PlatformSettings
from components.specs import Spec

_UUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
Uuid = Annotated[str, Field(pattern=rf"^{_UUID}$")]
_GROUP = rf"^/subscriptions/{_UUID}/resourceGroups/[^/]+/providers"
VnetId = Annotated[str, Field(pattern=rf"{_GROUP}/Microsoft\.Network/virtualNetworks/[^/]+$")]
SubnetId = Annotated[str, Field(pattern=rf"{_GROUP}/Microsoft\.Network/virtualNetworks/[^/]+/subnets/[^/]+$")]
Ipv4Range = Annotated[str, Field(pattern=r"^(\d{1,3}\.){3}\d{1,3}(/\d{1,2})?$")]


class AzureExisting(Spec):
    """What is brought instead of created. Nothing here changes what is brought: its own settings stay yours."""

    virtual_network_id: VnetId | None = None
    endpoint_subnet_id: SubnetId | None = Field(None, description="of virtual_network_id: for private endpoints")
    node_subnet_ids: tuple[SubnetId, ...] = Field((), description="of virtual_network_id: for nodes of clusters")
    control_subnet_id: SubnetId | None = Field(
        None, description="of virtual_network_id, delegated to Microsoft.ContainerService/managedClusters"
    )
    actor_subnet_id: SubnetId | None = Field(
        None, description="of virtual_network_id, delegated to Microsoft.App/environments, at least a /27"
    )
    storage_account: Annotated[str, Field(pattern=r"^[a-z0-9]{3,24}$")] | None = Field(
        None, description="in the stack's resource group, with containers data, artifacts and checkpoints"
    )
    key_vault: Annotated[str, Field(pattern=r"^[a-zA-Z][a-zA-Z0-9-]{1,22}[a-zA-Z0-9]$")] | None = Field(
        None, description="in the stack's resource group; with key_name"
    )
    key_name: Annotated[str, Field(pattern=r"^[0-9a-zA-Z-]{1,127}$")] | None = Field(
        None, description="an RSA key of key_vault"
    )
    cluster_name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9])?$")] | None = Field(
        None, description="an AKS cluster in the stack's resource group, for runtime kubernetes"
    )

    @model_validator(mode="after")
    def _what_belongs_together(self) -> Self:
        parts = (self.endpoint_subnet_id, self.node_subnet_ids, self.control_subnet_id, self.actor_subnet_id)
        if self.virtual_network_id and not all(parts):
            raise ValueError(
                f"virtual_network_id is {self.virtual_network_id!r}; its subnets are needed too: endpoint_subnet_id, "
                "node_subnet_ids, control_subnet_id, actor_subnet_id"
            )
        if not self.virtual_network_id and any(parts):
            raise ValueError("subnets are named but not their network; add virtual_network_id, or remove them")
        if bool(self.key_vault) != bool(self.key_name):
            raise ValueError("key_vault and key_name come together; add the other, or remove it")
        return self


class AzurePrincipal(Spec):
    """Somebody in Entra ID, by object id."""

    id: Uuid
    type: Literal["Group", "User", "ServicePrincipal"] = "Group"


class AzureAccess(Spec):
    """Who has, beside the stack's own managed identities, what each role has."""

    approvers: tuple[AzurePrincipal, ...] = ()
    viewers: tuple[AzurePrincipal, ...] = ()
    admins: tuple[AzurePrincipal, ...] = ()
    pipelines: tuple[AzurePrincipal, ...] = Field((), description="machines that submit jobs, such as a CI's")
    ip_ranges: tuple[Ipv4Range, ...] = Field(
        (), description="public addresses that reach vaults, storage and registry; default: the network alone"
    )


class AzureKubernetes(Spec):
    """The AKS cluster that runtime kubernetes makes."""

    version: Annotated[str, Field(pattern=r"^1\.\d{2}$")] = "1.33"
    public_access_cidrs: tuple[Ipv4Range, ...] = Field(
        (), description="who reaches the API server where network.is_api_public; needed there"
    )
    platform: PlatformSettings = Field(default_factory=PlatformSettings, description="what is put onto the cluster")


class AzureSettings(Spec):
    subscription_id: Uuid | None = Field(None, description="a UUID; default: the credentials' own")
    tenant_id: Uuid | None = Field(None, description="a UUID; default: the credentials' own")
    resource_group: Annotated[str, Field(pattern=r"^[-\w._()]{1,89}[-\w_()]$")] | None = Field(
        None, description="an existing one to use instead of a new one"
    )
    name_suffix: Annotated[str, Field(pattern=r"^[a-z0-9]{1,8}$")] | None = Field(
        None, description="tells names apart from a destroyed stack's: vaults keep theirs until they are purged"
    )
    network_watcher: str = Field(
        "NetworkWatcherRG/NetworkWatcher_{region}", description="resource group and name of the region's own"
    )
    existing: AzureExisting = Field(default_factory=AzureExisting)
    access: AzureAccess = Field(default_factory=AzureAccess)
    kubernetes: AzureKubernetes = Field(default_factory=AzureKubernetes)
