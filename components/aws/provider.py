"""How the provider is told where to work."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from components.aws.settings import AwsSettings
from components.contract import Context


def provider_options(ctx: Context) -> pulumi.ResourceOptions:
    """One provider for the stack's region, which refuses credentials of another account than the settings name."""
    settings = aws_settings(ctx)
    provider = aws.Provider(
        "aws",
        region=ctx.region,
        allowed_account_ids=[settings.account_id] if settings.account_id else None,
    )
    return pulumi.ResourceOptions(providers=[provider])


def aws_settings(ctx: Context) -> AwsSettings:
    assert isinstance(ctx.settings, AwsSettings)
    return ctx.settings
