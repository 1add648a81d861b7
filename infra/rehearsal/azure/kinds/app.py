"""Container Apps: environments and jobs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from infra.rehearsal.azure.arm import arm, one_of, within
from infra.rehearsal.core.kinds import Kind, Ref, Rule

ENVIRONMENT = "azure-native:app:ManagedEnvironment"
JOBS = "https://learn.microsoft.com/azure/container-apps/jobs"
SIZES = "https://learn.microsoft.com/azure/container-apps/containers#allocations"
SECRETS = "https://learn.microsoft.com/azure/container-apps/manage-secrets"


def _schedule(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    configuration = inputs.get("configuration") or {}
    trigger = configuration.get("scheduleTriggerConfig")
    if configuration.get("triggerType") == "Schedule" and not trigger:
        yield "configuration.scheduleTriggerConfig", "InvalidRequest: A schedule needs a cron expression"
    cron = (trigger or {}).get("cronExpression")
    if isinstance(cron, str) and len(cron.split()) != 5:
        yield "configuration.scheduleTriggerConfig.cronExpression", f"InvalidRequest: {cron!r}: five fields"


def _secrets(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    named = set()
    for index, secret in enumerate((inputs.get("configuration") or {}).get("secrets") or ()):
        name = secret.get("name")
        named.add(name)
        if isinstance(name, str) and not re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", name):
            yield f"configuration.secrets[{index}].name", f"InvalidSecretName: {name!r}"
        if secret.get("value") == "":
            yield f"configuration.secrets[{index}].value", f"InvalidRequest: Secret {name!r} is empty"
    for volume in (inputs.get("template") or {}).get("volumes") or ():
        for item in volume.get("secrets") or ():
            if item.get("secretRef") not in named:
                yield "template.volumes", f"SecretRefNotFound: {item.get('secretRef')!r}"


def _sizes(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for index, container in enumerate((inputs.get("template") or {}).get("containers") or ()):
        resources = container.get("resources") or {}
        cpu, memory = resources.get("cpu"), resources.get("memory")
        if isinstance(cpu, int | float) and isinstance(memory, str) and memory != f"{cpu * 2:g}Gi":
            yield (
                f"template.containers[{index}].resources",
                f"ContainerAppInvalidResourceTotal: {cpu}, {memory}",
            )


KINDS: tuple[Kind, ...] = (
    arm(
        ENVIRONMENT,
        "Microsoft.App/managedEnvironments",
        "azure.mgmt.appcontainers.models:ManagedEnvironment",
        name="environmentName",
        pattern=r"[a-zA-Z][a-zA-Z0-9-]{0,58}[a-zA-Z0-9]",
        local={"workloadProfiles.enableFips": "false by itself: of an older version of the API, which the models lack"},
        references={"vnetConfiguration.infrastructureSubnetId": Ref("azure-native:network:Subnet", by=(), holds=True)},
        checks=(one_of("appLogsConfiguration.destination", ("log-analytics", "azure-monitor", "none"), JOBS),),
        immutable=("vnetConfiguration", "zoneRedundant"),
    ),
    arm(
        "azure-native:app:Job",
        "Microsoft.App/jobs",
        "azure.mgmt.appcontainers.models:Job",
        name="jobName",
        pattern=r"[a-z](-?[a-z0-9]){1,31}",
        has_identity=True,
        references={"environmentId": Ref(ENVIRONMENT, by=(), holds=True)},
        checks=(
            Rule(JOBS, _schedule, needs=("configuration",)),
            Rule(SECRETS, _secrets, needs=("configuration", "template")),
            Rule(SIZES, _sizes, needs=("template",)),
            within("configuration.replicaTimeout", 1, 604_800, JOBS),
        ),
        immutable=("environmentId",),
    ),
)
