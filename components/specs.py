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


class PoolSpec(Spec):
    """Instances of one kind. Without an accelerator an instance has `ranks` CPU ranks."""

    accelerator: AcceleratorSpec | None = None
    ranks: int = Field(2, ge=1, le=128, description="CPU ranks of an instance that has no accelerator")
    is_spot: bool = False
    max_count: int = Field(1, ge=1, le=1000, description="instances at the most; pools scale to zero")

    @property
    def ranks_per_instance(self) -> int:
        return self.accelerator.count if self.accelerator else self.ranks


class TrainingSpec(Spec):
    runtime: Literal["managed", "kubernetes"] = "managed"
    pools: dict[Name, PoolSpec] = Field(
        default_factory=lambda: {"spot": PoolSpec(is_spot=True), "on-demand": PoolSpec()}, min_length=1
    )
    spot_fallback_s: float = Field(
        300, ge=0, le=86_400, description="a job that prefers spot takes on-demand after waiting this long"
    )


class RegistrySpec(Spec):
    keep_images: int = Field(50, ge=1, le=10_000)
    untagged_days: int = Field(14, ge=1, le=365)


class RoutingSpec(Spec):
    """How a request finds its release: by weight, or by the value of a header that sticks to one release."""

    mode: Literal["weighted", "sticky"] = "weighted"
    key_header: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,60}$")] = "x-skywright-key"


class EndpointSpec(Spec):
    name: Name = "predict"
    min_replicas: int = Field(1, ge=1, le=100)
    max_replicas: int = Field(1, ge=1, le=1000)
    routing: RoutingSpec = RoutingSpec()
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


class MonitoringSpec(Spec):
    alerts: tuple[AlertRule, ...] = Field(default_factory=default_alerts)
    log_retention_days: int = Field(30, ge=1, le=3650)
    webhook_url: Annotated[str, Field(pattern=r"^https?://[^\s/]+")] | None = Field(
        None, description="alarms are posted there, with the secret webhookToken"
    )

    @field_validator("alerts")
    @classmethod
    def _names_are_unique(cls, alerts: tuple[AlertRule, ...]) -> tuple[AlertRule, ...]:
        names = [alert.name for alert in alerts]
        if doubled := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"alert names must be unique; doubled: {', '.join(doubled)}")
        return alerts


class BudgetEffect(str, Enum):
    NOTIFY = "notify"
    BLOCK_NEW = "block_new"
    STOP_SPOT = "stop_spot"
    SCALE_TO_ZERO = "scale_to_zero"


class BudgetStep(Spec):
    percent: float = Field(gt=0, le=1000)
    effect: BudgetEffect


class BudgetSpec(Spec):
    """What a month may cost, and what happens on the way there."""

    monthly_limit_usd: float = Field(100.0, gt=0, le=10_000_000)
    steps: tuple[BudgetStep, ...] = (
        BudgetStep(percent=50, effect=BudgetEffect.NOTIFY),
        BudgetStep(percent=80, effect=BudgetEffect.BLOCK_NEW),
        BudgetStep(percent=100, effect=BudgetEffect.STOP_SPOT),
        BudgetStep(percent=120, effect=BudgetEffect.SCALE_TO_ZERO),
    )

    @field_validator("steps")
    @classmethod
    def _steps_rise(cls, steps: tuple[BudgetStep, ...]) -> tuple[BudgetStep, ...]:
        percents = [step.percent for step in steps]
        if percents != sorted(set(percents)):
            raise ValueError(f"steps must rise; given: {', '.join(f'{percent:g}' for percent in percents)}")
        return steps
