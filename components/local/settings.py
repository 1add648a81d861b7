"""What only the local stack has: where it lies, its ports, its prices and its spot market."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from components.specs import Spec

Port = Annotated[int, Field(ge=0, le=65535, description="0: a free one is chosen")]
Seconds = Annotated[float, Field(ge=0, le=86_400)]
Price = Annotated[float, Field(ge=0, le=1000, description="USD per instance hour")]


class Ports(Spec):
    """Loopback ports of the local services."""

    registry: Port = 0
    scheduler: Port = 0
    router: Port = 0
    monitor: Port = 0
    ledger: Port = 0

    @model_validator(mode="after")
    def _ports_differ(self) -> Self:
        fixed = [port for port in self.model_dump().values() if port]
        if doubled := sorted({port for port in fixed if fixed.count(port) > 1}):
            raise ValueError(f"two services can't share a port; given twice: {', '.join(map(str, doubled))}")
        return self


class AlwaysMarket(Spec):
    """Spot capacity is always there."""

    kind: Literal["always"] = "always"
    notice_s: Seconds = Field(5, description="of a preemption by hand")


class TraceMarket(Spec):
    """Spot capacity replays a trace: one character, 1 (there) or 0 (away), for each `gap_s`."""

    kind: Literal["trace"]
    available: Annotated[str, Field(pattern=r"^[01]+$", max_length=100_000)] = Field(
        description="a quoted text of 1 (there) and 0 (away)"
    )
    gap_s: float = Field(600, gt=0, le=86_400)
    start_s: float = Field(0, ge=0, description="where in the trace to begin")
    notice_s: Seconds = 30


class ModelMarket(Spec):
    """Spot capacity comes and goes at random: exponential times with these means, the same for the same seed."""

    kind: Literal["model"]
    seed: int = Field(0, ge=0, le=2**31 - 1)
    mean_up_s: float = Field(gt=0, le=10_000_000)
    mean_down_s: float = Field(gt=0, le=10_000_000)
    notice_s: Seconds = 30


SpotMarket = Annotated[AlwaysMarket | TraceMarket | ModelMarket, Field(discriminator="kind")]


class LocalSettings(Spec):
    """This machine as a small cloud. The prices are those of one V100 instance (p3.2xlarge), so that budgets act."""

    root: str | None = Field(None, min_length=1, description="folder of the stack; default: .skywright/<stack>")
    ports: Ports = Field(default_factory=Ports)
    on_demand_usd_per_hour: Price = 3.06
    spot_usd_per_hour: Price = 0.9731
    endpoint_usd_per_hour: Price = 0.05
    spot_market: SpotMarket = Field(default_factory=AlwaysMarket)
    scrape_s: float = Field(2, ge=0.1, le=3600, description="seconds between two looks of the monitor")
