"""What only Google Cloud has."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from components.kubernetes.settings import PlatformSettings
from components.specs import Spec

Member = Annotated[str, Field(pattern=r"^(user|group|serviceAccount):[^@\s]+@[^@\s]+\.[^@\s]+$")]
Ipv4Cidr = Annotated[str, Field(pattern=r"^(\d{1,3}\.){3}\d{1,3}/\d{1,2}$")]
BucketName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{1,61}[a-z0-9]$")]
ResourceName = Annotated[str, Field(pattern=r"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$")]


class GcpExisting(Spec):
    """What is brought in place of what would be made; it is referred to, never changed but for grants on it."""

    network: ResourceName | None = Field(None, description="name of a VPC network of the project; needs subnetwork")
    subnetwork: ResourceName | None = Field(None, description="its subnetwork in the stack's region")
    pods_range: ResourceName | None = Field(None, description="secondary range of it, for a cluster's pods")
    services_range: ResourceName | None = Field(None, description="secondary range of it, for a cluster's services")
    kms_key: (
        Annotated[str, Field(pattern=r"^projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+$")] | None
    ) = Field(None, description="a symmetric key in the stack's region")
    data_bucket: BucketName | None = None
    artifacts_bucket: BucketName | None = None
    checkpoints_bucket: BucketName | None = None
    cluster_name: ResourceName | None = Field(None, description="a GKE cluster in the stack's region")

    @model_validator(mode="after")
    def _a_network_comes_whole(self) -> Self:
        if bool(self.network) != bool(self.subnetwork):
            given = "network" if self.network else "subnetwork"
            raise ValueError(f"{given} is given alone; allowed: network and subnetwork, or neither")
        return self


class GcpAccess(Spec):
    """Who may act as the accounts that people use, such as group:ml-leads@example.com. Empty: nobody."""

    approvers: tuple[Member, ...] = ()
    viewers: tuple[Member, ...] = ()
    admins: tuple[Member, ...] = ()
    pipelines: tuple[Member, ...] = Field((), description="machines and people that submit jobs")


class GcpKubernetes(Spec):
    """The GKE cluster that runtime kubernetes makes."""

    release_channel: Literal["RAPID", "REGULAR", "STABLE", "EXTENDED"] = "REGULAR"
    authorized_networks: tuple[Ipv4Cidr, ...] = Field(
        (), max_length=50, description="who else reaches the API server; its address is private unless is_api_public"
    )
    platform: PlatformSettings = Field(default_factory=PlatformSettings, description="what is put onto the cluster")


class GcpSettings(Spec):
    project: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{4,28}[a-z0-9]$")] | None = Field(
        None, description="project id; default: the credentials' own"
    )
    billing_account: Annotated[str, Field(pattern=r"^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$")] | None = Field(
        None, description="default: the one that pays for the project"
    )
    tensorboard: bool = Field(False, description="whether jobs get a Vertex TensorBoard; billed by what is stored")
    existing: GcpExisting = Field(default_factory=GcpExisting)
    access: GcpAccess = Field(default_factory=GcpAccess)
    kubernetes: GcpKubernetes = Field(default_factory=GcpKubernetes)
