"""The ledger's part of its config file."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from pydantic import Field

from ml_jobs.budget.ladder import Step
from ml_jobs.contract import Record


class StepSetting(Record):
    percent: float = Field(gt=0)
    effect: Literal["notify", "block_new", "stop_spot", "scale_to_zero"]


class LedgerSettings(Record):
    """`supervisor_url` is the path of supervisord's unix socket; None: endpoints can't be metered."""

    monthly_limit_usd: float = Field(gt=0)
    steps: tuple[StepSetting, ...] = ()
    endpoint_usd_per_hour: float = Field(0, ge=0)
    supervisor_url: str | None = None
    poll_s: float = Field(2.0, gt=0)
    proving_s: float = Field(120.0, ge=0, description="what a server that is started under a hold has to get ready")

    @property
    def limit(self) -> Decimal:
        return Decimal(str(self.monthly_limit_usd))

    @property
    def ladder(self) -> tuple[Step, ...]:
        return tuple(Step(step.percent, None if step.effect == "notify" else step.effect) for step in self.steps)
