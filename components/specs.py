"""Cloud-neutral specs: what the user wants, never how a cloud does it.

Every field has a safe default. What only one cloud knows lives in that cloud's own settings class.
"""

from __future__ import annotations

from enum import Enum
from ipaddress import IPv4Network
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ml_jobs.contract import AlertRule, Name, Release, check_weights


class Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class NetworkSpec(Spec):
    """Private by default; `zones` subnets pairs are cut from `cidr`."""

    cidr: str = Field("10.0.0.0/16", description="IPv4 network of the platform")
    zones: int = Field(2, ge=1, le=6)
    nat: Literal["per_zone", "single", "none"] = "single"
    is_api_public: bool = Field(False, description="whether API servers and endpoints may have public addresses")

    @field_validator("cidr")
    @classmethod
    def _cidr_is_a_network(cls, value: str) -> str:
        try:
            network = IPv4Network(value)
        except ValueError as error:
            raise ValueError(f"is {value!r}; allowed: an IPv4 network such as 10.0.0.0/16 ({error})") from None
        if not 8 <= network.prefixlen <= 24:
            raise ValueError(f"is {value!r}; allowed: a prefix from /8 to /24, so that every zone gets its subnets")
        return value


class IdentitySpec(Spec):
    requires_second_person: bool = Field(
        False, description="whether a version must be approved by somebody other than who submitted its job"
    )


class StorageSpec(Spec):
    """Buckets (folders on the local stack) for data, artifacts and checkpoints."""

    retain_data: bool = Field(True, description="whether destroy keeps what is stored")
    keep_checkpoints_days: int = Field(14, ge=1, le=3650)
    noncurrent_days: int = Field(30, ge=1, le=3650, description="how long overwritten objects are kept")


class AcceleratorSpec(Spec):
    kind: str = Field(description="neutral name, such as L4 or A100-80")
    count: int = Field(1, ge=1, le=16, description="per instance")


CpuClass = Literal["general", "compute", "memory"]
"""About 4, 2 and 8 GiB of memory for each vCPU."""


class PoolSpec(Spec):
    """Instances of one kind. Without an accelerator an instance has `ranks` CPU ranks, a vCPU each at least."""

    accelerator: AcceleratorSpec | None = None
    ranks: int = Field(2, ge=1, le=128, description="CPU ranks of an instance that has no accelerator")
    cpu_class: CpuClass = Field("general", description="of an instance that has no accelerator")
    is_spot: bool = False
    max_count: int = Field(1, ge=1, le=1000, description="instances at the most; pools scale to zero")

    @property
    def ranks_per_instance(self) -> int:
        return self.accelerator.count if self.accelerator else self.ranks


class TeamSpec(Spec):
    """What a team may hold at once on a cluster. Empty: no limit but the pools' own."""

    max_accelerators: dict[str, Annotated[int, Field(ge=0, le=100_000)]] = Field(
        default_factory=dict, description="accelerator kind -> devices"
    )
    max_cpus: int | None = Field(None, ge=1, le=1_000_000)
    max_memory_gib: int | None = Field(None, ge=1, le=10_000_000)
    can_borrow: bool = Field(True, description="whether it may take what other teams leave idle")


Runtime = Literal["managed", "kubernetes"]


class TrainingSpec(Spec):
    runtime: Runtime | None = Field(
        None, description="default: the cloud's managed service; on kubernetes the cluster itself"
    )
    pools: dict[Name, PoolSpec] = Field(
        default_factory=lambda: {"spot": PoolSpec(is_spot=True), "on-demand": PoolSpec()}, min_length=1
    )
    spot_fallback_s: float = Field(
        300, ge=0, le=86_400, description="a job that prefers spot takes on-demand after waiting this long"
    )
    teams: dict[Name, TeamSpec] = Field(
        default_factory=dict, description="a queue with its quota for each team; default: one queue for all"
    )


class RegistrySpec(Spec):
    keep_images: int = Field(50, ge=1, le=10_000)
    untagged_days: int = Field(14, ge=1, le=365)


class RoutingSpec(Spec):
    """How a request finds its release: by weight, or by the value of a header that sticks to one release."""

    mode: Literal["weighted", "sticky"] = "weighted"
    key_header: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,60}$")] = "x-skywright-key"


class EndpointSpec(Spec):
    """One URL, its releases, and what each of them runs on. Replicas are counted for each release."""

    name: Name = "predict"
    runtime: Runtime | None = Field(
        None, description="default: the cloud's managed service; on kubernetes the cluster itself"
    )
    min_replicas: int = Field(1, ge=0, le=100, description="0: scales to zero, where the cloud can")
    max_replicas: int = Field(1, ge=1, le=1000)
    requests_per_replica: float = Field(
        10, gt=0, le=100_000, description="requests per second that one replica should carry; more replicas above it"
    )
    accelerator: AcceleratorSpec | None = None
    cpus: int = Field(2, ge=1, le=128, description="vCPUs of a replica that has no accelerator")
    cpu_class: CpuClass = "general"
    is_spot: bool = Field(False, description="whether replicas may be preempted; never in production")
    capture_percent: float = Field(0, ge=0, le=100, description="share of requests and answers kept for drift checks")
    routing: RoutingSpec = Field(default_factory=RoutingSpec)
    requires_approval: bool = Field(True, description="whether only approved versions may be released")
    releases: dict[Name, Release] = Field(default_factory=dict)

    @field_validator("releases")
    @classmethod
    def _weights_sum_to_100(cls, releases: dict[str, Release]) -> dict[str, Release]:
        check_weights(releases)
        return releases

    @model_validator(mode="after")
    def _replica_bounds(self) -> Self:
        if self.min_replicas > self.max_replicas:
            raise ValueError(f"min_replicas ({self.min_replicas}) is above max_replicas ({self.max_replicas})")
        return self


def default_alerts() -> tuple[AlertRule, ...]:
    return (
        AlertRule.model_validate(
            {
                "name": "endpoint-errors",
                "metric": "error_ratio",
                "threshold": 0.01,
                "window_s": 60,
                "severity": "critical",
            }
        ),
        AlertRule.model_validate(
            {"name": "endpoint-slow", "metric": "latency", "aggregation": "p99", "threshold": 1.0, "window_s": 60}
        ),
        AlertRule.model_validate(
            {"name": "jobs-failing", "metric": "job_failures", "aggregation": "sum", "threshold": 0, "window_s": 600}
        ),
        AlertRule.model_validate(
            {"name": "spend-high", "metric": "spend_ratio", "aggregation": "max", "threshold": 0.8, "window_s": 300}
        ),
    )


class SloSpec(Spec):
    """A share of requests that must be answered well over `window_days`; its error budget must not burn too fast."""

    name: Name
    objective: float = Field(gt=0.5, lt=1, description="share of good answers, such as 0.999")
    window_days: int = Field(30, ge=1, le=90)


class MonitoringSpec(Spec):
    alerts: tuple[AlertRule, ...] = Field(default_factory=default_alerts)
    slos: tuple[SloSpec, ...] = ()
    emails: tuple[Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")], ...] = Field(
        (), max_length=20, description="who is told of alarms and of the budget"
    )
    log_retention_days: int = Field(30, ge=1, le=3650)
    webhook_url: Annotated[str, Field(pattern=r"^https?://[^\s/]+")] | None = Field(
        None, description="alarms are posted there, with the secret webhookToken"
    )

    @field_validator("alerts", "slos")
    @classmethod
    def _names_are_unique(cls, items: tuple[AlertRule | SloSpec, ...]) -> tuple[AlertRule | SloSpec, ...]:
        names = [item.name for item in items]
        if doubled := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"names must be unique; doubled: {', '.join(doubled)}")
        return items


class BudgetEffect(str, Enum):
    NOTIFY = "notify"
    BLOCK_NEW = "block_new"
    STOP_SPOT = "stop_spot"
    SCALE_TO_ZERO = "scale_to_zero"


class BudgetStep(Spec):
    percent: float = Field(gt=0, le=1000)
    effect: BudgetEffect


def _ladder() -> tuple[BudgetStep, ...]:
    return (
        BudgetStep(percent=50, effect=BudgetEffect.NOTIFY),
        BudgetStep(percent=80, effect=BudgetEffect.BLOCK_NEW),
        BudgetStep(percent=100, effect=BudgetEffect.STOP_SPOT),
        BudgetStep(percent=120, effect=BudgetEffect.SCALE_TO_ZERO),
    )


class BudgetSpec(Spec):
    """What a month may cost, and what happens on the way there."""

    monthly_limit_usd: float = Field(100.0, gt=0, le=10_000_000)
    steps: tuple[BudgetStep, ...] = Field(default_factory=_ladder)

    @field_validator("steps")
    @classmethod
    def _steps_rise(cls, steps: tuple[BudgetStep, ...]) -> tuple[BudgetStep, ...]:
        percents = [step.percent for step in steps]
        if percents != sorted(set(percents)):
            raise ValueError(f"steps must rise; given: {', '.join(f'{percent:g}' for percent in percents)}")
        return steps
