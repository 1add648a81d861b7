"""Application Insights and workbooks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from infra.rehearsal.azure.arm import arm
from infra.rehearsal.core.kinds import Kind, Ref, Rule

LOGS = Ref("azure-native:operationalinsights:Workspace", by=())
WORKBOOKS = "https://learn.microsoft.com/azure/azure-monitor/visualize/workbooks-automate"


def _data(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    try:
        told = json.loads(inputs["serializedData"])
    except ValueError as error:
        yield "serializedData", f"BadRequest: serializedData is not JSON: {error}"
        return
    if not isinstance(told, Mapping) or not str(told.get("version", "")).startswith("Notebook/"):
        yield "serializedData", "BadRequest: serializedData has no version Notebook/1.0"


KINDS: tuple[Kind, ...] = (
    arm(
        "azure-native:applicationinsights:Component",
        "Microsoft.Insights/components",
        "azure.mgmt.applicationinsights.v2020_02_02.models:ApplicationInsightsComponent",
        name="resourceName",
        pattern=r"[^%&\\?/]{0,259}[^%&\\?/ .]",
        outputs={
            "connectionString": "InstrumentationKey={uuid};IngestionEndpoint=https://{region}.in.applicationinsights.azure.com/",
            "instrumentationKey": "{uuid}",
        },
        references={"workspaceResourceId": LOGS},
    ),
    arm(
        "azure-native:applicationinsights:Workbook",
        "Microsoft.Insights/workbooks",
        "azure.mgmt.applicationinsights.v2023_06_01.models:Workbook",
        name="resourceName",
        pattern=r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        references={"sourceId": LOGS},
        checks=(Rule(WORKBOOKS, _data, needs=("serializedData",)),),
    ),
)
