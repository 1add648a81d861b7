"""A budget's first month outlives the month (tier: rehearsed, by the real engine)."""

from __future__ import annotations

import os
import sys
import textwrap
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from infra.engine.events import Outcome
from infra.engine.run import Engine
from infra.rehearsal.core import launch
from infra.rehearsal.core.account import Account

PROGRAM = """
    import os
    import pulumi
    from pulumi_azure_native import consumption

    consumption.Budget(
        "month",
        scope="/subscriptions/00000000-0000-4000-8000-123456789012",
        budget_name=os.environ["BUDGET"],
        category="Cost",
        amount=100,
        time_grain="Monthly",
        time_period=consumption.BudgetTimePeriodArgs(start_date=os.environ["MONTH"], end_date="2034-12-31T00:00:00Z"),
        notifications={
            "all": consumption.NotificationArgs(
                enabled=True, operator="GreaterThanOrEqualTo", threshold=100, contact_emails=["a@example.com"]
            )
        },
        opts=pulumi.ResourceOptions(delete_before_replace=True, ignore_changes=["timePeriod.startDate"]),
    )
"""
"""The options are those of components/azure/budget.py, which tests/graph holds."""


def test_another_month_changes_nothing_and_another_budget_begins_in_it(tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "program").mkdir(parents=True)
    (project / "Pulumi.yaml").write_text(
        "name: scratch\nmain: program\nruntime:\n  name: python\n  options:\n    virtualenv: .venv\n"
    )
    (project / ".venv").symlink_to(sys.prefix)
    (project / "program" / "__main__.py").write_text(textwrap.dedent(PROGRAM))
    account = Account(tmp_path / "account")
    launch.put(tmp_path / "bin", clouds=["azure-native"])
    environ = {**launch.variables(account), "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}

    def up(month: str, budget: str) -> Outcome:
        told = {**environ, "MONTH": month, "BUDGET": budget}
        return Engine(project, "test", environ=told, has_policies=False, is_offline=True).up()

    def first() -> Any:
        (held,) = account.objects("azure-native:consumption:Budget")
        return held.inputs["timePeriod"]["startDate"]

    now = datetime.now(UTC)
    this = f"{now:%Y-%m}-01T00:00:00Z"
    later = f"{now.year + now.month // 12}-{now.month % 12 + 1:02}-01T00:00:00Z"
    up(this, "one")
    assert up(later, "one").is_unchanged and first() == this
    up(later, "two")
    assert first() == later
