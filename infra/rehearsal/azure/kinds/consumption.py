"""Budgets."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from infra.rehearsal.azure.arm import arm, one_of_ids, within
from infra.rehearsal.core.kinds import Kind, Rule

BUDGETS = "https://learn.microsoft.com/rest/api/consumption/budgets/create-or-update"


def _notices(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    notices = inputs.get("notifications") or {}
    if len(notices) > 5:
        yield "notifications", f"400: A budget takes at most 5 notifications; given {len(notices)}"
    for name, notice in notices.items():
        held = notice if isinstance(notice, Mapping) else {}
        threshold = held.get("threshold", 1)
        if isinstance(threshold, int | float) and not 0 < threshold <= 1000:
            yield f"notifications.{name}.threshold", f"400: The threshold is {threshold}; allowed: above 0 to 1000"
        if isinstance(notice, Mapping) and not any(
            notice.get(key) for key in ("contactEmails", "contactGroups", "contactRoles")
        ):
            yield f"notifications.{name}", "400: A notification needs contactEmails, contactGroups or contactRoles"


def _period(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    period = inputs.get("timePeriod") or {}
    start, end = period.get("startDate"), period.get("endDate")
    if not isinstance(start, str):
        return
    if not re.match(r"\d{4}-\d{2}-01", start) or start < "2017-06":
        yield "timePeriod.startDate", f"400: startDate is {start}; allowed: the first of a month from 2017-06 on"
    if isinstance(end, str) and end <= start:
        yield "timePeriod.endDate", f"400: endDate {end} is not after startDate {start}"


def _current(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """A new budget begins in the current month or in one of the next twelve; one that is there keeps its first."""
    start = str((inputs.get("timePeriod") or {}).get("startDate"))
    now = datetime.now(UTC)
    if not f"{now:%Y-%m}" <= start[:7] <= f"{now.year + 1}-{now:%m}":
        yield "timePeriod.startDate", f"400: startDate is {start}; allowed: this month ({now:%Y-%m}) to a year from it"


KINDS: tuple[Kind, ...] = (
    arm(
        "azure-native:consumption:Budget",
        "Microsoft.Consumption/budgets",
        "azure.mgmt.consumption.models:Budget",
        name="budgetName",
        pattern=r"[a-zA-Z0-9_-]{1,63}",
        longest=63,
        scope="scope",
        references={
            "notifications.contactGroups": one_of_ids("monitor:ActionGroup"),
            "scope": one_of_ids("resources:ResourceGroup", skips=r"/subscriptions/[^/]+$"),
        },
        checks=(
            within("amount", 0.01, 1e12, BUDGETS),
            Rule(BUDGETS, _notices),
            Rule(BUDGETS, _period),
        ),
        immutable=("timePeriod.startDate",),
        begins=_current,
    ),
)  # fmt: skip
