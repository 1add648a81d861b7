"""The whole program as one function: the engine, the tests and the offline review all call `build`."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pulumi

import components
from catalog.errors import UserError
from components.contract import KINDS, Context, promised
from components.exports import PROVIDER
from infra.settings import Settings
from ml_jobs.contract import (
    BudgetRefs,
    Endpoint,
    Identities,
    NetworkRefs,
    RegistryRefs,
    StackContract,
    StorageUrls,
    Telemetry,
)

SECTIONS = {
    "Network": "network",
    "Identity": "identity",
    "Storage": "storage",
    "ModelRegistry": "registry",
    "TrainingCluster": "training",
    "ModelEndpoint": "endpoint",
    "Monitoring": "monitoring",
    "BudgetAlarm": "budget",
}
"""The section of the settings that each component takes."""

CLOUDS = ("aws", "gcp", "azure", "kubernetes", "local")


@dataclass(frozen=True)
class Platform:
    """What was declared. `contract` is the stack contract as plain data, exported as `platform`."""

    contract: pulumi.Output[dict[str, Any]]
    dashboard_url: pulumi.Output[str]


def build(
    settings: Settings, *, secrets: Mapping[str, pulumi.Output[str]] | None = None, project_dir: str = "."
) -> Platform:
    """Declare the platform that the settings ask for. Raises UserError before anything is declared."""
    cloud = components_of(settings.cloud)
    ctx = context_of(settings, secrets=secrets, project_dir=project_dir)
    for kind in KINDS:  # all of it before anything is declared
        getattr(cloud, kind.__name__).verify(getattr(settings, SECTIONS[kind.__name__]), ctx)
    placed = cloud.provider_options(ctx) if hasattr(cloud, PROVIDER) else None
    below: dict[str, Any] = {}
    below["network"] = cloud.Network("network", settings.network, ctx, opts=placed).outputs
    below["identity"] = cloud.Identity("identity", settings.identity, ctx, opts=placed, **below).outputs
    below["storage"] = cloud.Storage("storage", settings.storage, ctx, opts=placed, **below).outputs
    below["registry"] = cloud.ModelRegistry(
        "registry",
        settings.registry,
        ctx,
        opts=placed,
        requires_second_person=settings.identity.requires_second_person,
        **below,
    ).outputs
    below["training"] = cloud.TrainingCluster("training", settings.training, ctx, opts=placed, **below).outputs
    below["endpoint"] = cloud.ModelEndpoint("endpoint", settings.endpoint, ctx, opts=placed, **below).outputs
    below["monitoring"] = cloud.Monitoring("monitoring", settings.monitoring, ctx, opts=placed, **below).outputs
    below["budget"] = cloud.BudgetAlarm("budget", settings.budget, ctx, opts=placed, **below).outputs
    return Platform(
        contract=pulumi.Output.all(**_facts(below)).apply(lambda facts: _contract(settings, facts)),
        dashboard_url=below["monitoring"].dashboard_url,
    )


def context_of(
    settings: Settings, *, secrets: Mapping[str, pulumi.Output[str]] | None = None, project_dir: str = "."
) -> Context:
    """What all components of the stack share."""
    return Context(
        project="skywright",
        stack=settings.stack,
        environment=settings.environment,
        region=settings.region,
        tags=settings.all_tags(),
        is_production=settings.is_production,
        project_dir=project_dir,
        retain_data=settings.storage.retain_data,
        log_retention_days=settings.monitoring.log_retention_days,
        is_api_public=settings.network.is_api_public,
        settings=settings.own,
        secrets=secrets or {},
    )


def components_of(cloud: str) -> ModuleType:
    """The cloud's package: the only place that knows which cloud it is. Raises UserError where there is none yet."""
    try:
        return importlib.import_module(f"components.{cloud}.network") and importlib.import_module(f"components.{cloud}")
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith(f"components.{cloud}"):
            here = Path(components.__path__[0])
            ready = ", ".join(name for name in CLOUDS if (here / name / "network.py").exists())
            raise UserError(
                f"skywright:cloud is {cloud!r}, whose components are not part of this release; available: {ready}",
                "Its settings can be written and checked already: skywright config check.",
            ) from None
        raise UserError(
            f"cloud {cloud} needs the Python package {error.name}", f"Install it: pip install 'skywright[{cloud}]'"
        ) from None


def _facts(below: Mapping[str, Any]) -> dict[str, Any]:
    """Every output of every component, by `component.field`; None stays None."""
    return {
        f"{component}.{field}": value
        for component, outputs in below.items()
        for field, value in promised(outputs).items()
    }


def _contract(settings: Settings, facts: Mapping[str, Any]) -> dict[str, Any]:
    endpoint_url = facts["endpoint.url"]
    endpoints = {}
    if endpoint_url:
        endpoints[settings.endpoint.name] = Endpoint(
            url=endpoint_url, protocol=facts["endpoint.protocol"], releases=settings.endpoint.releases
        )
    contract = StackContract(
        stack=settings.stack,
        environment=settings.environment,
        cloud=settings.cloud,
        region=settings.region,
        identities=Identities(
            training=facts["identity.training_ref"],
            serving=facts["identity.serving_ref"],
            pipeline=facts["identity.pipeline_ref"],
            approver=facts["identity.approver_ref"],
            viewer=facts["identity.viewer_ref"],
            admin=facts["identity.admin_ref"],
            approver_key=facts["identity.approver_key_ref"],
        ),
        storage=StorageUrls(
            data=facts["storage.data_url"],
            artifacts=facts["storage.artifacts_url"],
            checkpoints=facts["storage.checkpoints_url"],
            key=facts["storage.key_ref"] or None,
        ),
        network=NetworkRefs(
            subnets=tuple(facts["network.private_refs"]), firewalls=tuple(facts["network.firewall_refs"] or ())
        ),
        registry=RegistryRefs(
            tracking_url=facts["registry.tracking_url"],
            models_ref=facts["registry.models_ref"],
            image_url=facts["registry.image_url"] or None,
        ),
        pools=tuple(facts["training.pools"]),
        queues=tuple(facts["training.queues"]),
        endpoints=endpoints,
        telemetry=Telemetry(
            metrics_url=facts["monitoring.metrics_url"],
            otlp_url=facts["monitoring.otlp_url"],
            tensorboard_ref=facts["training.tensorboard_ref"],
        ),
        budget=BudgetRefs(state_url=facts["budget.state_url"]),
    )
    return contract.model_dump(mode="json")
