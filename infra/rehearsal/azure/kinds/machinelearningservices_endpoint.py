"""Azure ML: online endpoints and their deployments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from infra.rehearsal.azure.arm import arm, within
from infra.rehearsal.azure.kinds.machinelearningservices import (
    DATA,
    ENVIRONMENT,
    MODEL,
    MODELS,
    PREFIX,
    UNDER,
    WORKSPACE,
)
from infra.rehearsal.core.kinds import Kind, Ref, Rule

ENDPOINT = "azure-native:machinelearningservices:OnlineEndpoint"
LIMITS = (
    "https://learn.microsoft.com/azure/machine-learning/how-to-manage-quotas#azure-machine-learning-online-endpoints"
)
NAME = r"[a-zA-Z][a-zA-Z0-9-]{1,30}[a-zA-Z0-9]"


def _weights(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if (inputs.get("properties") or {}).get("traffic"):
        yield "properties.traffic", "BadArgument: Traffic can't be set before its deployments exist"


def _capacity(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    count = (inputs.get("sku") or {}).get("capacity")
    if isinstance(count, int | float) and count < 1:
        yield "sku.capacity", "BadArgument: A managed deployment has at least one instance"


KINDS: tuple[Kind, ...] = (
    arm(
        ENDPOINT,
        f"{PREFIX}/onlineEndpoints",
        f"{MODELS}:OnlineEndpoint",
        name="endpointName",
        pattern=NAME,
        under=UNDER,
        has_identity=True,
        outputs={
            "properties": lambda known: {
                **known["properties"],
                "scoringUri": f"https://{known['endpointName']}.{known['region']}.inference.ml.azure.com/score",
                "swaggerUri": f"https://{known['endpointName']}.{known['region']}.inference.ml.azure.com/swagger.json",
                "provisioningState": "Succeeded",
            }
        },
        checks=(Rule(LIMITS, _weights, needs=("properties",)),),
        immutable=("properties.authMode", "kind"),
    ),
    arm(
        "azure-native:machinelearningservices:OnlineDeployment",
        f"{PREFIX}/onlineEndpoints/deployments",
        f"{MODELS}:OnlineDeployment",
        name="deploymentName",
        pattern=NAME,
        under={"workspaceName": WORKSPACE, "endpointName": ENDPOINT},
        references={
            "properties.model": Ref(MODEL, by=()),
            "properties.environmentId": Ref(ENVIRONMENT, by=()),
            "properties.dataCollector.collections.dataId": Ref(DATA, by=()),
        },
        checks=(
            Rule(LIMITS, _capacity, needs=("sku",)),
            within("properties.requestSettings.maxConcurrentRequestsPerInstance", 1, 1000, LIMITS),
        ),
        immutable=("kind", "properties.endpointComputeType"),
    ),
)
