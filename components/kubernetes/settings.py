"""What only Kubernetes has: what is put onto any cluster, and the one that the user brings."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from components.specs import Spec
from ml_jobs.contract import Name

Version = Annotated[str, Field(pattern=r"^v?\d+\.\d+\.\d+([.+-][0-9A-Za-z.+-]+)?$")]
Image = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9][a-z0-9./:_-]*(:[A-Za-z0-9][A-Za-z0-9._-]*|@sha256:[0-9a-f]{64})$",
        description="image with a tag or, better, a digest",
    ),
]
LabelKey = Annotated[
    str, Field(pattern=r"^([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$")
]
LabelValue = Annotated[str, Field(pattern=r"^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$")]
Host = Annotated[
    str, Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$", max_length=253)
]
Url = Annotated[str, Field(pattern=r"^https?://[^\s/]+")]


class OperatorSettings(Spec):
    """An operator that is switched off is expected to be there already: what it acts on is declared all the same."""

    enabled: bool = Field(True, description="whether its chart is installed; false: the cluster has it")
    version: Version | None = Field(None, description="of the chart; default: the one that this release is tested with")


class OperatorsSettings(Spec):
    cert_manager: OperatorSettings = Field(default_factory=OperatorSettings)
    gateway: OperatorSettings = Field(
        default_factory=OperatorSettings, description="Envoy Gateway, with the Gateway API"
    )
    gpu: OperatorSettings = Field(
        default_factory=OperatorSettings, description="NVIDIA's; installed only where accelerators are"
    )
    jobset: OperatorSettings = Field(default_factory=OperatorSettings)
    keda: OperatorSettings = Field(default_factory=OperatorSettings)
    kserve: OperatorSettings = Field(default_factory=OperatorSettings)
    kueue: OperatorSettings = Field(default_factory=OperatorSettings)
    opencost: OperatorSettings = Field(default_factory=OperatorSettings)
    prometheus: OperatorSettings = Field(default_factory=OperatorSettings, description="with Alertmanager and Grafana")


class TolerationSettings(Spec):
    key: LabelKey
    value: LabelValue | None = Field(None, description="default: whatever the taint's value is")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] = "NoSchedule"


class PoolNodes(Spec):
    """How the nodes of a declared pool are known on a cluster that the user brings."""

    node_labels: dict[LabelKey, LabelValue] = Field(
        default_factory=dict, max_length=8, description="default: skywright.dev/pool with the pool's name"
    )
    tolerations: tuple[TolerationSettings, ...] = Field((), max_length=8, description="of the taints of its nodes")
    cpus: int | None = Field(None, ge=1, le=1024, description="vCPUs of one node; default: 4 for each rank or device")
    memory_gib: int | None = Field(None, ge=1, le=24_576, description="of one node; default: 4 for each vCPU")
    instance_type: str = Field("node", min_length=1, max_length=63)
    usd_per_hour: float | None = Field(None, ge=0, description="what one node costs, where that is known")


class GatewaySettings(Spec):
    """Where requests come in. Without a class of its own the stack uses Envoy Gateway."""

    class_name: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")] | None = Field(
        None, description="an existing GatewayClass; needs host"
    )
    host: Host | None = Field(None, description="the endpoint's name in DNS; default: its address in the cluster")
    tls_secret: Name | None = Field(None, description="a TLS secret in the namespace of the endpoint; default: HTTP")

    @model_validator(mode="after")
    def _a_foreign_class_needs_a_host(self) -> Self:
        if self.class_name and not self.host:
            raise ValueError(f"class_name is {self.class_name!r} without host; allowed: both, or neither")
        return self


class VolumeSettings(Spec):
    """Claims that hold what is stored where no storage_url is given. Data and checkpoints are each team's own."""

    storage_class: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")] | None = Field(
        None, description="default: the cluster's default class"
    )
    access_mode: Literal["ReadWriteMany", "ReadWriteOnce"] = Field(
        "ReadWriteMany", description="ReadWriteOnce: jobs of one node at a time"
    )
    data_gib: int = Field(100, ge=1, le=65_536)
    checkpoints_gib: int = Field(100, ge=1, le=65_536)
    artifacts_gib: int = Field(50, ge=1, le=65_536)


class PlatformImages(Spec):
    """Of what the platform itself runs. A tag is pinned; a digest pins for good."""

    python: Image = Field("docker.io/library/python:3.12.11-slim-bookworm", description="of the budget's CronJob")


class ImagesSettings(PlatformImages):
    mlflow: Image = "ghcr.io/mlflow/mlflow:v3.4.0"
    repository: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9./:_-]*[a-z0-9]$")] | None = Field(
        None, description="where the images of releases and jobs lie; a release's digest is looked for there"
    )


class GroupsSettings(Spec):
    """RBAC groups of people that exist already; each is bound to the role of its name."""

    viewer: str | None = Field(None, min_length=1, max_length=253)
    approver: str | None = Field(None, min_length=1, max_length=253)
    admin: str | None = Field(None, min_length=1, max_length=253)


class SmtpSettings(Spec):
    """Who sends monitoring.emails."""

    smarthost: Annotated[str, Field(pattern=r"^[^\s:]+:\d{1,5}$")] = Field(description="host:port")
    sender: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]
    username: str | None = None
    password_secret: Name | None = Field(
        None, description="a secret in the platform's namespace whose key `password` holds it"
    )


class PlatformExisting(Spec):
    """What is brought in place of what would be made."""

    namespaces: tuple[Name, ...] = Field((), description="namespaces that exist: never created or removed")


class ExistingSettings(PlatformExisting):
    tracking_url: Url | None = Field(None, description="an MLflow server that jobs and servers can reach")


class PlatformSettings(Spec):
    """What is put onto a cluster, whoever made it."""

    namespace: Annotated[str, Field(pattern=r"^[a-z]([a-z0-9-]{0,18}[a-z0-9])?$")] = Field(
        "skywright", description="of the platform; those of teams and of the endpoint begin with it"
    )
    existing: PlatformExisting = Field(default_factory=PlatformExisting)
    operators: OperatorsSettings = Field(default_factory=OperatorsSettings)
    gateway: GatewaySettings = Field(default_factory=GatewaySettings)
    images: PlatformImages = Field(default_factory=PlatformImages)
    groups: GroupsSettings = Field(default_factory=GroupsSettings)
    capture_url: Url | None = Field(None, description="where captured requests and answers are sent, as CloudEvents")
    prometheus_url: Url | None = Field(None, description="as the cluster reaches it; default: the one installed here")
    prometheus_labels: dict[LabelKey, LabelValue] = Field(
        default_factory=dict, description="labels by which an existing Prometheus selects rules and monitors"
    )
    prometheus_namespace: Name = Field("monitoring", description="where Prometheus and Alertmanager run")
    smtp: SmtpSettings | None = None


class KubernetesSettings(PlatformSettings):
    """What a cluster that the user brings has beyond that."""

    context: str | None = Field(None, description="a context of the kubeconfig; default: its current one")
    storage_url: Annotated[str, Field(pattern=r"^(s3|gs|abfs|abfss|file)://")] | None = Field(
        None, description="fsspec URL that the cluster can reach (s3, gs, abfs, file); default: volumes in the cluster"
    )
    volume: VolumeSettings = Field(default_factory=VolumeSettings)
    existing: ExistingSettings = Field(default_factory=ExistingSettings)
    images: ImagesSettings = Field(default_factory=ImagesSettings)
    pools: dict[Name, PoolNodes] = Field(default_factory=dict, description="the nodes of training.pools, by their name")
    approver_public_key: Annotated[str, Field(pattern=r"^-----BEGIN PUBLIC KEY-----\s")] | None = Field(
        None, description="PEM; approvals are verified with it. Default: ConfigMap approver-key, made by the approver"
    )

    @field_validator("storage_url")
    @classmethod
    def _no_slash_at_the_end(cls, value: str | None) -> str | None:
        return value.rstrip("/") if value else value
