"""The APIs of a project are off until somebody turns them on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pulumi
import pulumi_gcp as gcp

from components.contract import Component

BASE = (
    "aiplatform",
    "artifactregistry",
    "bigquery",
    "cloudkms",
    "cloudresourcemanager",
    "compute",
    "containerscanning",
    "iam",
    "iamcredentials",
    "logging",
    "monitoring",
    "servicenetworking",
    "storage",
)
"""What every stack uses. Clusters and the budget's actor add their own."""


def declare_services(
    owner: Component[Any, Any], project_id: pulumi.Input[str], names: Iterable[str]
) -> dict[str, gcp.projects.Service]:
    """Turn them on. Destroy leaves them on: other things in the project may use them by then."""
    return {
        name: gcp.projects.Service(
            owner.child_name(f"api-{name}"),
            project=project_id,
            service=f"{name}.googleapis.com",
            disable_on_destroy=False,
            opts=owner.child(),
        )
        for name in names
    }


def after(
    owner: Component[Any, Any], services: Mapping[str, gcp.projects.Service], *names: str, **options: Any
) -> pulumi.ResourceOptions:
    """Options of a child that needs those APIs."""
    depends_on = [*(services[name] for name in names), *options.pop("depends_on", ())]
    return owner.child(depends_on=depends_on, **options)
