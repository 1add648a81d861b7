"""The job that carries out the budget's steps."""

from __future__ import annotations

import hashlib
import json
import uuid
from pathlib import Path
from typing import Any

import pulumi
from pulumi_azure_native import app, authorization

import ml_jobs.contract
from components.azure import names
from components.azure.grants import Principal, grant
from components.azure.identity import declare_identity
from components.azure.logs import declare_diagnostics
from components.azure.outputs import AzureEndpoint, AzureNetwork, AzureRegistry, AzureStorage, AzureTraining
from components.contract import Component, EndpointOutputs
from components.specs import BudgetSpec

STATE = "skywright/budget/state.json"
"""In the artifact store."""
IMAGE = "mcr.microsoft.com/azurelinux/base/python:3.12"
EVERY = "*/30 * * * *"
FILES = (
    "ml_jobs/__init__.py",
    "ml_jobs/budget/__init__.py",
    "ml_jobs/budget/ladder.py",
    "ml_jobs/budget/actor.py",
    "ml_jobs/budget/azure.py",
)
CODE = "/app"

ACTIONS = (
    "Microsoft.Consumption/budgets/read",
    "Microsoft.MachineLearningServices/workspaces/computes/read",
    "Microsoft.MachineLearningServices/workspaces/computes/write",
    "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments/read",
    "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments/write",
    "Microsoft.Insights/autoscalesettings/read",
    "Microsoft.Insights/autoscalesettings/write",
)
"""All that the actor may do, in the stack's resource group."""


def declare_actor(
    owner: Component[Any, Any],
    spec: BudgetSpec,
    budget_id: pulumi.Output[str],
    network: AzureNetwork,
    storage: AzureStorage,
    registry: AzureRegistry,
    training: AzureTraining,
    endpoint: EndpointOutputs,
) -> None:
    acts = declare_identity(owner, "actor", network)
    granted = _grants(owner, network, storage, acts.principal_id)
    environment = app.ManagedEnvironment(
        owner.child_name("environment"),
        resource_group_name=network.group,
        environment_name=owner.ctx.name(names.ENVIRONMENT, "budget"),
        location=owner.ctx.region,
        vnet_configuration=app.VnetConfigurationArgs(infrastructure_subnet_id=network.actor_subnet, internal=True),
        app_logs_configuration=app.AppLogsConfigurationArgs(destination="azure-monitor"),
        public_network_access="Disabled",
        workload_profiles=[app.WorkloadProfileArgs(name="Consumption", workload_profile_type="Consumption")],
        zone_redundant=False,
        tags=owner.tags(),
        opts=owner.child(delete_before_replace=True),
    )
    declare_diagnostics(owner, "environment", environment.id, network.logs_id)
    sources = source_files()
    app.Job(
        owner.child_name("actor"),
        resource_group_name=network.group,
        job_name=owner.ctx.name(names.JOB, "budget"),
        location=owner.ctx.region,
        environment_id=environment.id,
        workload_profile_name="Consumption",
        identity=app.ManagedServiceIdentityArgs(type="UserAssigned", user_assigned_identities=[acts.id]),
        configuration=app.JobConfigurationArgs(
            trigger_type="Schedule",
            # One look at a time: two would read the same state.
            schedule_trigger_config=app.JobConfigurationScheduleTriggerConfigArgs(
                cron_expression=EVERY, parallelism=1, replica_completion_count=1
            ),
            replica_timeout=600,
            replica_retry_limit=1,
            # Files of a job are its secrets; these hold none.
            secrets=[app.SecretArgs(name=secret_name(path), value=text) for path, text in sources.items()],
        ),
        template=app.JobTemplateArgs(
            containers=[
                app.ContainerArgs(
                    name="actor",
                    image=IMAGE,
                    command=["python3", "-m", "ml_jobs.budget.azure"],
                    env=[
                        app.EnvironmentVarArgs(name=name, value=value)
                        for name, value in {
                            "PYTHONPATH": CODE,
                            "SKYWRIGHT_SOURCE": digest_of(sources),
                            "AZURE_CLIENT_ID": acts.client_id,
                            **_environment(spec, budget_id, storage, registry, training, endpoint),
                        }.items()
                    ],
                    resources=app.ContainerResourcesArgs(cpu=0.25, memory="0.5Gi"),
                    volume_mounts=[app.VolumeMountArgs(volume_name="code", mount_path=CODE)],
                )
            ],
            volumes=[
                app.VolumeArgs(
                    name="code",
                    storage_type="Secret",
                    secrets=[app.SecretVolumeItemArgs(secret_ref=secret_name(path), path=path) for path in sources],
                )
            ],
        ),
        tags=owner.tags(),
        opts=owner.child(delete_before_replace=True, depends_on=granted),
    )


def _grants(
    owner: Component[Any, Any], network: AzureNetwork, storage: AzureStorage, principal_id: pulumi.Output[str]
) -> list[pulumi.Resource]:
    role = authorization.RoleDefinition(
        owner.child_name("actor-role"),
        scope=network.group_id,
        role_definition_id=network.group_id.apply(lambda id: _uuid(f"{id}/budget-actor")),
        role_name=network.group_id.apply(lambda id: f"Skywright budget {owner.ctx.stack} {_uuid(id)[:8]}"),
        role_type="CustomRole",
        description="Bounds compute clusters and deployments of one stack",
        assignable_scopes=[network.group_id],
        permissions=[
            authorization.PermissionArgs(actions=list(ACTIONS), not_actions=[], data_actions=[], not_data_actions=[])
        ],
        opts=owner.child(delete_before_replace=True),
    )
    given = authorization.RoleAssignment(
        owner.child_name("actor-acts"),
        scope=network.group_id,
        role_assignment_name=pulumi.Output.all(network.group_id, principal_id).apply(
            lambda both: _uuid("/".join(both))
        ),
        principal_id=principal_id,
        principal_type="ServicePrincipal",
        role_definition_id=role.id,
        opts=owner.child(delete_before_replace=True),
    )
    state = grant(
        owner, "actor", "state", "Storage Blob Data Contributor", storage.containers["artifacts"],
        [Principal(principal_id)], subscription_id=network.subscription_id, only="skywright/budget",
    )  # fmt: skip
    return [given, *state]


def _environment(
    spec: BudgetSpec,
    budget_id: pulumi.Output[str],
    storage: AzureStorage,
    registry: AzureRegistry,
    training: AzureTraining,
    endpoint: EndpointOutputs,
) -> dict[str, pulumi.Input[str]]:
    """As ml_jobs.budget.azure reads it."""
    managed = endpoint if isinstance(endpoint, AzureEndpoint) else None
    deployments: pulumi.Output[list[str]] = pulumi.Output.from_input([])
    if managed:
        deployments = managed.endpoint_id.apply(
            lambda id: [f"{id}/deployments/{name}" for name in managed.deployments.values()]
        )
    least, most = managed.replicas if managed else (1, 1)
    return {
        "SKYWRIGHT_LIMIT_USD": repr(float(spec.monthly_limit_usd)),
        "SKYWRIGHT_STEPS": json.dumps([step.model_dump(mode="json") for step in spec.steps]),
        "SKYWRIGHT_BUDGET": budget_id,
        "SKYWRIGHT_WORKSPACE": registry.workspace_id,
        "SKYWRIGHT_COMPUTES": json.dumps(
            {name: {"max": pool.max_count, "is_spot": pool.is_spot} for name, pool in training.bounded.items()},
            sort_keys=True,
        ),
        "SKYWRIGHT_DEPLOYMENTS": deployments.apply(json.dumps),
        "SKYWRIGHT_AUTOSCALES": managed.autoscale_ids.apply(json.dumps) if managed else "[]",
        "SKYWRIGHT_REPLICAS": json.dumps({"min": least, "max": most}),
        "SKYWRIGHT_STATE_URL": storage.account.apply(
            lambda account: f"https://{account}.blob.core.windows.net/artifacts/{STATE}"
        ),
    }


def source_files() -> dict[str, str]:
    """What the job runs, by path."""
    home = Path(ml_jobs.contract.__file__).parent.parent
    # The platform keeps no empty secret.
    return {path: (home / path).read_text() or "#\n" for path in FILES}


def digest_of(sources: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps(sources, sort_keys=True).encode()).hexdigest()[:12]


def secret_name(path: str) -> str:
    return path.removesuffix(".py").replace("/", "-").replace("__init__", "package").replace("_", "-")


def _uuid(seed: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, seed))
