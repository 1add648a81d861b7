"""What every cloud's components promise: the same eight classes, the same inputs, the same outputs.

A cloud's package exports `Network`, `Identity`, `Storage`, `TrainingCluster`, `ModelRegistry`, `ModelEndpoint`,
`Monitoring` and `BudgetAlarm`, each a subclass of the base class of that name here. The base class owns the order of
work: what the cloud can't do is refused (`features`, `check`), then `build` places the resources, then the outputs are
registered. An output record may be subclassed by a cloud for what only its own components need of each other.
"""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

import pulumi
from pydantic import BaseModel

from catalog.errors import UserError
from catalog.names import NameRule, name_for, unique_name_for
from components import features
from components.specs import (
    BudgetSpec,
    EndpointSpec,
    IdentitySpec,
    MonitoringSpec,
    NetworkSpec,
    RegistrySpec,
    Spec,
    StorageSpec,
    TrainingSpec,
)
from ml_jobs.contract import Pool, Queue

O = TypeVar("O")  # noqa: E741
S = TypeVar("S", bound=Spec)


class Unsupported(UserError):
    """This cloud can't do what the spec asks. Raised before anything is created."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason, remedy)
        self.reason = reason


@dataclass(frozen=True)
class Context:
    """What all components of a stack share.

    `tags` go onto everything that can carry them; `settings` are the selected cloud's own settings (None where it has
    none). `project_dir` is the folder of Pulumi.yaml. `log_retention_days` holds for every log of the stack;
    `is_api_public`, as the network's spec has it, for every API server and endpoint.
    """

    project: str
    stack: str
    environment: str
    region: str | None
    tags: Mapping[str, str]
    is_production: bool
    project_dir: str = "."
    retain_data: bool = True
    log_retention_days: int = 30
    is_api_public: bool = False
    settings: BaseModel | None = None
    secrets: Mapping[str, pulumi.Output[str]] = field(default_factory=dict)

    def name(self, rule: NameRule, *parts: str) -> str:
        """The cloud's name for a thing of this stack: project, stack and parts, within the rule."""
        return name_for(rule, self.project, self.stack, *parts)

    def unique_name(self, rule: NameRule, *parts: str, scope: str = "") -> str:
        """The same for names that the whole cloud shares: ends in a digest of `scope` (an account), region, stack."""
        return unique_name_for(rule, self.project, self.stack, *parts, scope=f"{scope}/{self.region or ''}")


@dataclass(frozen=True)
class NetworkOutputs:
    """`network_ref`: the network's id. `private_refs`: where workloads run. `firewall_refs`: the security groups that
    a managed job's instances join, where the cloud places them in this network."""

    network_ref: pulumi.Output[str]
    private_refs: pulumi.Output[Sequence[str]]
    public_refs: pulumi.Output[Sequence[str]]
    firewall_refs: pulumi.Output[Sequence[str]] | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class IdentityOutputs:
    """References to the roles. `approver_key_ref`: the public key that approvals are verified with."""

    training_ref: pulumi.Output[str]
    serving_ref: pulumi.Output[str]
    pipeline_ref: pulumi.Output[str]
    approver_ref: pulumi.Output[str]
    viewer_ref: pulumi.Output[str]
    admin_ref: pulumi.Output[str]
    approver_key_ref: pulumi.Output[str]


@dataclass(frozen=True)
class StorageOutputs:
    """fsspec URLs, and the key that encrypts them (empty where there is none)."""

    data_url: pulumi.Output[str]
    artifacts_url: pulumi.Output[str]
    checkpoints_url: pulumi.Output[str]
    key_ref: pulumi.Output[str]


@dataclass(frozen=True)
class RegistryOutputs:
    """`tracking_url`: MLflow's protocol; empty where the stack has no such server, and versions with their lineage lie
    in `models_ref`, the group of versions, alone. `image_url`: empty if there is none."""

    tracking_url: pulumi.Output[str]
    models_ref: pulumi.Output[str]
    image_url: pulumi.Output[str]


@dataclass(frozen=True)
class TrainingOutputs:
    """`pools` and `queues` as the stack contract carries them. `tensorboard_ref`: where jobs log to, where there is
    one of the cloud's."""

    cluster_ref: pulumi.Output[str]
    pools: pulumi.Output[Sequence[Pool]]
    queues: pulumi.Output[Sequence[Queue]]
    tensorboard_ref: pulumi.Output[str] | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class EndpointOutputs:
    """`url` is None where an endpoint can't exist without a release and there is none yet."""

    name: str
    url: pulumi.Output[str | None]
    protocol: str


@dataclass(frozen=True)
class MonitoringOutputs:
    metrics_url: pulumi.Output[str]
    dashboard_url: pulumi.Output[str]
    otlp_url: pulumi.Output[str | None]


@dataclass(frozen=True)
class BudgetOutputs:
    """`state_url`: where the ladder's state and the holds are read."""

    state_url: pulumi.Output[str]


class Component(pulumi.ComponentResource, Generic[S, O]):
    """The base of all components. Subclasses set `cloud`, and override `check` and `build`."""

    cloud: ClassVar[str]
    kind: ClassVar[str]
    outputs: O

    def __init__(
        self, name: str, spec: S, ctx: Context, *, opts: pulumi.ResourceOptions | None = None, **below: Any
    ) -> None:
        self.ctx = ctx
        self.component_name = name
        self.verify(spec, ctx)
        facts = {
            "spec": spec.model_dump(mode="json"),
            "isProduction": ctx.is_production,
            "region": ctx.region,
            "tags": dict(ctx.tags),
        }
        super().__init__(f"skywright:{self.cloud}:{self.kind}", name, facts, opts)
        self.__dict__.pop("tags", None)  # the SDK makes an attribute of every prop; ours is a method
        self.outputs = self.build(spec, **below)
        self.register_outputs({**facts, **{key: _plain(value) for key, value in promised(self.outputs).items()}})

    @classmethod
    def verify(cls, spec: S, ctx: Context) -> None:
        """Raise Unsupported, or UserError, for what this cloud can't do. Declares nothing."""
        for reason, remedy in features.refusals(cls.cloud, cls.kind, spec, ctx):
            raise Unsupported(reason, remedy)
        cls.check(spec, ctx)

    @classmethod
    def check(cls, spec: S, ctx: Context) -> None:
        """Raise Unsupported or UserError for what a table of features can't say. Nothing has been created yet."""

    @abstractmethod
    def build(self, *args: Any, **kwargs: Any) -> O:
        """Place the resources and give back their outputs: `build(spec, *, network, identity, ...)`.

        Each class names the components below it that it needs and takes the rest as `**below`.
        """

    def child_name(self, role: str) -> str:
        return f"{self.component_name}-{role}"

    def child(self, **options: Any) -> pulumi.ResourceOptions:
        """Options of a child: parented, and whatever else is asked."""
        return pulumi.ResourceOptions(parent=self, **options)

    def tags(self) -> dict[str, str]:
        return dict(self.ctx.tags)


class Network(Component[NetworkSpec, NetworkOutputs]):
    """The private network that everything else lies in."""

    kind = "Network"


class Identity(Component[IdentitySpec, IdentityOutputs]):
    """A role each for training, serving, pipelines and approval, with the least that each needs."""

    kind = "Identity"


class Storage(Component[StorageSpec, StorageOutputs]):
    """Where data, artifacts and checkpoints lie."""

    kind = "Storage"


class TrainingCluster(Component[TrainingSpec, TrainingOutputs]):
    """Pools of spot and on-demand capacity, and the queues in front of them."""

    kind = "TrainingCluster"


class ModelRegistry(Component[RegistrySpec, RegistryOutputs]):
    """Model versions with their lineage, and the images."""

    kind = "ModelRegistry"


class ModelEndpoint(Component[EndpointSpec, EndpointOutputs]):
    """The declared releases behind one URL."""

    kind = "ModelEndpoint"


class Monitoring(Component[MonitoringSpec, MonitoringOutputs]):
    """Alerts compiled from AlertRules, dashboards, logs."""

    kind = "Monitoring"


class BudgetAlarm(Component[BudgetSpec, BudgetOutputs]):
    """The month's limit, and a ladder of steps that act."""

    kind = "BudgetAlarm"


KINDS: tuple[type[Component[Any, Any]], ...] = (
    Network,
    Identity,
    Storage,
    TrainingCluster,
    ModelRegistry,
    ModelEndpoint,
    Monitoring,
    BudgetAlarm,
)
"""The eight, in the order in which they are built."""


def promised(outputs: Any) -> dict[str, Any]:
    """The fields that every cloud gives back. What a cloud's subclass adds is for its own components: it may hold
    secrets and providers, and goes nowhere else."""
    record = next(base for base in type(outputs).__mro__ if base.__module__ == __name__)
    return {item.name: getattr(outputs, item.name) for item in dataclasses.fields(record)}


def _plain(value: Any) -> Any:
    """Records inside outputs as plain data, which is all that the engine stores."""
    if isinstance(value, pulumi.Output):
        return value.apply(_plain)
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
