"""What only the local stack has: where it lies, its ports, its prices and its spot market."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from components.specs import Spec

Port = Annotated[int, Field(ge=0, le=65535, description="0: a free one is chosen and kept")]


class Ports(Spec):
    registry: Port = 0
    scheduler: Port = 0
    router: Port = 0
    monitor: Port = 0
    ledger: Port = 0


class AlwaysMarket(Spec):
    """Spot is always there, until somebody preempts a slot by hand."""

    kind: Literal["always"] = "always"
    notice_s: float = Field(5, ge=0, le=120)


class TraceMarket(Spec):
    """Spot comes and goes as a recorded series says: one character a step, 1 = available."""

    kind: Literal["trace"]
    available: str = Field(pattern=r"^[01]+$")
    gap_s: float = Field(gt=0, le=3600)
    notice_s: float = Field(5, ge=0, le=120, description="0: slots go without notice")


class ModelMarket(Spec):
    """Spot comes and goes by a seeded random model."""

    kind: Literal["model"]
    seed: int = 0
    mean_up_s: float = Field(gt=0)
    mean_down_s: float = Field(gt=0)
    notice_s: float = Field(5, ge=0, le=120)


class LocalSettings(Spec):
    root: str | None = Field(None, description="the stack's folder; .skywright/<stack> in the project if not set")
    ports: Ports = Ports()
    on_demand_usd_per_hour: float = Field(3.06, ge=0)
    spot_usd_per_hour: float = Field(0.9731, ge=0)
    endpoint_usd_per_hour: float = Field(0.10, ge=0, description="of each model server")
    spot_market: Annotated[AlwaysMarket | TraceMarket | ModelMarket, Field(discriminator="kind")] = AlwaysMarket()
    scrape_s: float = Field(2, ge=0.2, le=300)
