"""A bucket, closed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_gcp as gcp

from components.contract import Component
from components.gcp.provider import labels_of, region_of

ABORT_UPLOADS_DAYS = 7
"""Parts of an upload that broke off cost as much as objects do, and nobody sees them."""


def kept(owner: Component[Any, Any], **options: Any) -> pulumi.ResourceOptions:
    """Options of what destroy leaves where the stack retains its data."""
    return owner.child(retain_on_delete=owner.ctx.retain_data, **options)


def declare_bucket(
    owner: Component[Any, Any],
    use: str,
    *,
    project: pulumi.Input[str],
    name: pulumi.Output[str],
    key: pulumi.Input[str],
    noncurrent_days: int,
    expire_days: int | None,
    logs: pulumi.Input[str] | None,
    depends_on: Sequence[pulumi.Resource],
) -> gcp.storage.Bucket:
    """Versioned, encrypted by the key, never public. Objects go after `expire_days` (None: never), older versions after
    `noncurrent_days`, uploads that broke off in a week."""
    return gcp.storage.Bucket(
        owner.child_name(use),
        project=project,
        name=name,
        location=region_of(owner.ctx).upper(),
        storage_class="STANDARD",
        uniform_bucket_level_access=True,
        public_access_prevention="enforced",
        versioning=gcp.storage.BucketVersioningArgs(enabled=True),
        encryption=gcp.storage.BucketEncryptionArgs(default_kms_key_name=key),
        lifecycle_rules=rules(noncurrent_days=noncurrent_days, expire_days=expire_days),
        logging=gcp.storage.BucketLoggingArgs(log_bucket=logs, log_object_prefix=use) if logs else None,
        force_destroy=not owner.ctx.retain_data and not owner.ctx.is_production,
        labels=labels_of(owner),
        opts=kept(owner, protect=owner.ctx.is_production, delete_before_replace=True, depends_on=list(depends_on)),
    )


def rules(*, noncurrent_days: int, expire_days: int | None) -> list[gcp.storage.BucketLifecycleRuleArgs]:
    made = [
        gcp.storage.BucketLifecycleRuleArgs(
            action=gcp.storage.BucketLifecycleRuleActionArgs(type="AbortIncompleteMultipartUpload"),
            condition=gcp.storage.BucketLifecycleRuleConditionArgs(age=ABORT_UPLOADS_DAYS),
        ),
        gcp.storage.BucketLifecycleRuleArgs(
            action=gcp.storage.BucketLifecycleRuleActionArgs(type="Delete"),
            condition=gcp.storage.BucketLifecycleRuleConditionArgs(
                days_since_noncurrent_time=noncurrent_days, with_state="ARCHIVED"
            ),
        ),
    ]
    if expire_days:
        made.append(
            gcp.storage.BucketLifecycleRuleArgs(
                action=gcp.storage.BucketLifecycleRuleActionArgs(type="Delete"),
                condition=gcp.storage.BucketLifecycleRuleConditionArgs(age=expire_days, with_state="LIVE"),
            )
        )
    return made
