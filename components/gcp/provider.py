"""How the provider is told where to work, and how Google's own services are named."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_gcp as gcp

from catalog.labels import gcp_labels
from components.contract import Component, Context
from components.gcp.settings import GcpSettings


def provider_options(ctx: Context) -> pulumi.ResourceOptions:
    """One provider for the stack's project and region. Requests count against that project, also those of billing."""
    project = gcp_settings(ctx).project
    provider = gcp.Provider(
        "gcp",
        project=project,
        region=ctx.region,
        user_project_override=True if project else None,
        billing_project=project,
        add_pulumi_attribution_label=False,
    )
    return pulumi.ResourceOptions(providers=[provider])


def gcp_settings(ctx: Context) -> GcpSettings:
    assert isinstance(ctx.settings, GcpSettings)
    return ctx.settings


def labels_of(owner: Component[Any, Any], **more: str) -> dict[str, str]:
    """The stack's tags as labels."""
    return gcp_labels({**owner.tags(), **more})


def region_of(ctx: Context) -> str:
    return str(ctx.region)
