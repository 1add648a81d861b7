"""How the provider is told where to work."""

from __future__ import annotations

import pulumi
from pulumi_azure_native import Provider

from components.azure.settings import AzureSettings
from components.contract import Context


def provider_options(ctx: Context) -> pulumi.ResourceOptions:
    """One provider for the stack's subscription and region."""
    settings = azure_settings(ctx)
    provider = Provider(
        "azure-native",
        location=ctx.region,
        subscription_id=settings.subscription_id,
        tenant_id=settings.tenant_id,
    )
    return pulumi.ResourceOptions(providers=[provider])


def azure_settings(ctx: Context) -> AzureSettings:
    assert isinstance(ctx.settings, AzureSettings)
    return ctx.settings
