"""A bucket with all that belongs to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from components.contract import Component

ABORT_UPLOADS_DAYS = 7
"""Parts of an upload that broke off cost as much as objects do, and nobody sees them."""


@dataclass(frozen=True)
class Standing:
    """`guarded_name`: the name for what needs the policy to be there: S3 checks it when logs are to be sent there."""

    name: pulumi.Output[str]
    arn: pulumi.Output[str]
    guarded_name: pulumi.Output[str]


def kept(owner: Component[Any, Any], **options: Any) -> pulumi.ResourceOptions:
    """Options of what destroy leaves where the stack retains its data."""
    return owner.child(retain_on_delete=owner.ctx.retain_data, **options)


def declare_bucket(
    owner: Component[Any, Any],
    use: str,
    *,
    name: pulumi.Output[str],
    policy: pulumi.Output[str],
    key_arn: pulumi.Output[str] | None,
    rules: Sequence[aws.s3.BucketLifecycleConfigurationRuleArgs],
    logs: Standing | None,
) -> Standing:
    """Versioned, encrypted (by S3's own key where `key_arn` is None), private, with `policy` and lifecycle `rules`.

    What belongs to it is kept as it is kept: a bucket that stays behind stays private.
    """
    bucket = aws.s3.Bucket(
        owner.child_name(use),
        bucket=name,
        force_destroy=not owner.ctx.retain_data and not owner.ctx.is_production,
        tags=owner.tags(),
        opts=kept(owner, protect=owner.ctx.is_production, delete_before_replace=True),
    )
    aws.s3.BucketServerSideEncryptionConfiguration(
        owner.child_name(f"{use}-encryption"),
        bucket=bucket.bucket,
        rules=[
            aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(
                apply_server_side_encryption_by_default=_DefaultEncryption(
                    sse_algorithm="aws:kms" if key_arn else "AES256", kms_master_key_id=key_arn
                ),
                bucket_key_enabled=key_arn is not None,  # one data key for many objects: KMS bills by request
            )
        ],
        opts=kept(owner),
    )
    owned = aws.s3.BucketOwnershipControls(
        owner.child_name(f"{use}-ownership"),
        bucket=bucket.bucket,
        rule=aws.s3.BucketOwnershipControlsRuleArgs(object_ownership="BucketOwnerEnforced"),
        opts=kept(owner),
    )
    blocked = aws.s3.BucketPublicAccessBlock(
        owner.child_name(f"{use}-public-access"),
        bucket=bucket.bucket,
        block_public_acls=True,
        block_public_policy=True,
        ignore_public_acls=True,
        restrict_public_buckets=True,
        # One after the other: S3 refuses two such changes of a bucket at once (OperationAborted).
        opts=kept(owner, depends_on=[owned]),
    )
    guarded = aws.s3.BucketPolicy(
        owner.child_name(f"{use}-policy"), bucket=bucket.bucket, policy=policy, opts=kept(owner, depends_on=[blocked])
    )
    versioning = aws.s3.BucketVersioning(
        owner.child_name(f"{use}-versioning"),
        bucket=bucket.bucket,
        versioning_configuration=aws.s3.BucketVersioningVersioningConfigurationArgs(status="Enabled"),
        opts=kept(owner),
    )
    aws.s3.BucketLifecycleConfiguration(
        owner.child_name(f"{use}-lifecycle"),
        bucket=bucket.bucket,
        rules=list(rules),
        opts=kept(owner, depends_on=[versioning]),  # rules on older versions want versioning first
    )
    if logs:
        aws.s3.BucketLogging(
            owner.child_name(f"{use}-logging"),
            bucket=bucket.bucket,
            target_bucket=logs.guarded_name,
            target_prefix=f"{use}/",
            opts=kept(owner),
        )
    return Standing(bucket.bucket, bucket.arn, guarded.bucket)


def lifecycle(
    *, noncurrent_days: int, expire_days: int | None = None
) -> list[aws.s3.BucketLifecycleConfigurationRuleArgs]:
    """Objects go after `expire_days` (None: never), older versions after `noncurrent_days`, broken uploads in a week.

    S3 takes no rule that both expires objects and clears the delete markers that are left: there are two.
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_LifecycleExpiration.html
    """
    everything = aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix="")
    rules = [
        aws.s3.BucketLifecycleConfigurationRuleArgs(
            id="clear-up",
            status="Enabled",
            filter=everything,
            abort_incomplete_multipart_upload=aws.s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
                days_after_initiation=ABORT_UPLOADS_DAYS
            ),
            noncurrent_version_expiration=aws.s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
                noncurrent_days=noncurrent_days
            ),
            expiration=aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(expired_object_delete_marker=True),
        )
    ]
    if expire_days:
        rules.append(
            aws.s3.BucketLifecycleConfigurationRuleArgs(
                id="expire",
                status="Enabled",
                filter=everything,
                expiration=aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(days=expire_days),
            )
        )
    return rules


_DefaultEncryption = aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs
