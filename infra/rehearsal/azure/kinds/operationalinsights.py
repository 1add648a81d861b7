"""Log Analytics."""

from __future__ import annotations

from infra.rehearsal.azure.arm import arm, within
from infra.rehearsal.core.kinds import Kind

KINDS: tuple[Kind, ...] = (
    arm(
        "azure-native:operationalinsights:Workspace",
        "Microsoft.OperationalInsights/workspaces",
        "azure.mgmt.loganalytics.models:Workspace",
        name="workspaceName",
        pattern=r"[a-zA-Z0-9][a-zA-Z0-9-]{2,61}[a-zA-Z0-9]",
        outputs={"customerId": "{uuid}"},
        checks=(
            within(
                "retentionInDays",
                30,
                730,
                "https://learn.microsoft.com/azure/azure-monitor/logs/data-retention-configure",
            ),
        ),
    ),
)
