"""The workbook of a stack, as JSON. Pure. https://learn.microsoft.com/azure/azure-monitor/visualize/workbooks-overview"""

from __future__ import annotations

import json
from typing import Any

from components.azure.alerts import REQUESTS


def workbook(title: str, endpoint: str, logs_id: str) -> str:
    """Requests, errors, latency and jobs of the stack, over the last day."""
    mine = f"{REQUESTS} | where EndpointName == '{endpoint}'"
    charts = {
        "Requests per minute": f"{mine} | summarize Requests = count() by bin(TimeGenerated, 1m), DeploymentName",
        "Errors": f"{mine} | summarize Errors = countif(toint(ResponseCode) >= 500) by bin(TimeGenerated, 5m)",
        "Latency, ms": f"{mine} | summarize percentiles(TotalDurationMs, 50, 99) by bin(TimeGenerated, 5m)",
        "Jobs": "AmlRunStatusChangedEvent | summarize Runs = count() by bin(TimeGenerated, 1h), Status",
        "Preempted nodes": "AmlComputeClusterNodeEvent | where isnotempty(NodePreemptedTime) "
        "| summarize Nodes = count() by bin(TimeGenerated, 1h), ClusterName",
    }
    items: list[dict[str, Any]] = [{"type": 1, "content": {"json": f"## {title}"}, "name": "title"}]
    for name, query in charts.items():
        items.append(
            {
                "type": 3,
                "name": name,
                "content": {
                    "version": "KqlItem/1.0",
                    "query": query,
                    "size": 0,
                    "title": name,
                    "timeContext": {"durationMs": 86_400_000},
                    "queryType": 0,
                    "resourceType": "microsoft.operationalinsights/workspaces",
                    "crossComponentResources": [logs_id],
                    "visualization": "timechart",
                },
            }
        )
    return json.dumps({"version": "Notebook/1.0", "items": items, "isLocked": False}, sort_keys=True)
