"""The stack's Log Analytics workspace, and what is sent there."""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi_azure_native import monitor, operationalinsights

from components.azure import names
from components.contract import Component

SHORTEST_DAYS, LONGEST_DAYS = 30, 730
"""https://learn.microsoft.com/azure/azure-monitor/logs/data-retention-configure"""


def declare_logs(owner: Component[Any, Any], group: pulumi.Input[str]) -> operationalinsights.Workspace:
    """Logs lie under Microsoft's own key: a key of one's own takes a dedicated cluster.

    https://learn.microsoft.com/azure/azure-monitor/logs/customer-managed-keys
    """
    return operationalinsights.Workspace(
        owner.child_name("logs"),
        resource_group_name=group,
        workspace_name=owner.ctx.name(names.LOGS, "logs"),
        location=owner.ctx.region,
        sku=operationalinsights.WorkspaceSkuArgs(name="PerGB2018"),
        retention_in_days=min(max(owner.ctx.log_retention_days, SHORTEST_DAYS), LONGEST_DAYS),
        features=operationalinsights.WorkspaceFeaturesArgs(
            disable_local_auth=True, enable_log_access_using_only_resource_permissions=True
        ),
        public_network_access_for_ingestion="Enabled",  # the agents of managed services come from outside
        public_network_access_for_query="Enabled",
        tags=owner.tags(),
        opts=owner.child(protect=owner.ctx.is_production, delete_before_replace=True),
    )


def declare_diagnostics(
    owner: Component[Any, Any],
    what: str,
    resource: pulumi.Input[str],
    logs_id: pulumi.Input[str],
    *,
    groups: tuple[str, ...] = ("allLogs",),
    categories: tuple[str, ...] = (),
) -> monitor.DiagnosticSetting:
    """Send a resource's logs to the stack's workspace, which keeps them as long as the stack says."""
    return monitor.DiagnosticSetting(
        owner.child_name(f"{what}-diagnostics"),
        name="skywright",
        resource_uri=resource,
        workspace_id=logs_id,
        log_analytics_destination_type="Dedicated",
        logs=[
            *(monitor.DiagnosticsLogSettingsArgs(category_group=group, enabled=True) for group in groups),
            *(monitor.DiagnosticsLogSettingsArgs(category=category, enabled=True) for category in categories),
        ],
        opts=owner.child(delete_before_replace=True),
    )
