"""The monitor's part of its config file."""

from __future__ import annotations

from pydantic import Field

from ml_jobs.contract import AlertRule, Record


class MonitorSettings(Record):
    """`webhook_token_file` holds the token itself; alarms are posted with it as a bearer token."""

    alerts: tuple[AlertRule, ...] = ()
    webhook_url: str | None = Field(None, pattern=r"^https?://")
    webhook_token_file: str | None = None
    webhook_retry_s: float = Field(1.0, gt=0, description="wait after a first failure; doubled up to five minutes")
    scrape_s: float = Field(2.0, gt=0)
    retention_days: float = Field(7.0, gt=0)
