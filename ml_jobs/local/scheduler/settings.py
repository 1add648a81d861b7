"""The scheduler's part of its ServiceConfig."""

from __future__ import annotations

from pydantic import Field, model_validator

from ml_jobs.contract import Pool, Record
from ml_jobs.local.scheduler.market import Always, Market

RUNTIME = "ml_jobs.runtime.main:main"


class SchedulerSettings(Record):
    """Times in seconds. `rank_main` is what each rank runs; `preload` is imported once, before ranks are forked."""

    pools: tuple[Pool, ...] = Field(min_length=1)
    market: Market = Always()
    spot_fallback_s: float = Field(30, ge=0, description="how long a spot_preferred job waits before on-demand")
    patience_s: float = Field(30, ge=0, description="how long smaller jobs may pass one that does not fit")
    stop_grace_s: float = Field(15, ge=0, description="from asking a job to stop to ending it")
    drain_s: float = Field(5, ge=0, description="what running jobs get to checkpoint when the scheduler stops")
    heartbeat_s: float = Field(2, gt=0, description="how much metered time a crash can lose")
    retry_delay_s: float = Field(1, ge=0, description="before a failed job's first retry; doubled at each")
    rank_main: str = RUNTIME
    preload: tuple[str, ...] = ("ml_jobs.runtime.preload",)

    @model_validator(mode="after")
    def _pool_names_differ(self) -> SchedulerSettings:
        names = [pool.name for pool in self.pools]
        if len(set(names)) != len(names):
            raise ValueError(f"pools have the same name twice: {', '.join(names)}")
        return self
