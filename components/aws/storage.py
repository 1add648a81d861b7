"""Buckets, and the key that encrypts them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_aws as aws

from components import contract
from components.aws import names
from components.aws.bucket import Standing, declare_bucket, kept, lifecycle
from components.aws.bucket_policies import access_log_policy, bucket_policy, granted_to
from components.aws.iam import Document
from components.aws.key_policies import data_key_policy
from components.aws.outputs import AwsIdentity, AwsNetwork, AwsStorage
from components.aws.provider import aws_settings
from components.aws.roles import grant, rendered
from components.specs import StorageSpec

KEY_DELETION_DAYS = 30
"""The longest that KMS takes: a key can be called back until then."""


class Storage(contract.Storage):
    """Three versioned buckets under one key, and a fourth for their access logs.

    With `retain_data` destroy forgets buckets and key and leaves them as they are, policies included; without it they
    go, outside production with everything in them.
    """

    cloud = "aws"

    def build(self, spec: StorageSpec, *, network: AwsNetwork, identity: AwsIdentity, **below: Any) -> AwsStorage:
        brought = aws_settings(self.ctx).existing
        key_arn = pulumi.Output.from_input(brought.kms_key_arn) if brought.kms_key_arn else self._key(network).arn
        given = {
            "data": brought.data_bucket,
            "artifacts": brought.artifacts_bucket,
            "checkpoints": brought.checkpoints_bucket,
        }
        named = {
            use: pulumi.Output.from_input(name) if name else self._bucket_name(use, network)
            for use, name in given.items()
        }
        arns = {use: name.apply(lambda name: f"arn:aws:s3:::{name}") for use, name in named.items()}
        missing = [use for use, name in given.items() if not name]
        logs = self._access_logs(network, [arns[use] for use in missing]) if missing else None
        for use in missing:
            bucket = declare_bucket(
                self,
                use,
                name=named[use],
                policy=rendered(bucket_policy, arns[use], key_arn),
                key_arn=key_arn,
                rules=lifecycle(
                    noncurrent_days=spec.noncurrent_days,
                    expire_days=spec.keep_checkpoints_days if use == "checkpoints" else None,
                ),
                logs=logs,
            )
            named[use], arns[use] = bucket.name, bucket.arn
        self._grant(identity, arns, key_arn)
        urls = {use: name.apply(lambda name: f"s3://{name}") for use, name in named.items()}
        return AwsStorage(
            data_url=urls["data"],
            artifacts_url=urls["artifacts"],
            checkpoints_url=urls["checkpoints"],
            key_ref=key_arn,
            bucket_names=named,
            bucket_arns=arns,
        )

    def _key(self, network: AwsNetwork) -> aws.kms.Key:
        key = aws.kms.Key(
            self.child_name("key"),
            description=f"Data, artifacts and checkpoints of {self.ctx.project} {self.ctx.stack}",
            enable_key_rotation=True,
            deletion_window_in_days=KEY_DELETION_DAYS,
            policy=rendered(data_key_policy, network.account_id),
            tags=self.tags(),
            opts=kept(self, protect=self.ctx.is_production),
        )
        aws.kms.Alias(
            self.child_name("key-alias"),
            name=f"alias/{self.ctx.name(names.KEY_ALIAS, 'data')}",
            target_key_id=key.id,
            opts=self.child(delete_before_replace=True),
        )
        return key

    def _bucket_name(self, use: str, network: AwsNetwork) -> pulumi.Output[str]:
        return network.account_id.apply(lambda account: self.ctx.unique_name(names.BUCKET, use, scope=account))

    def _access_logs(self, network: AwsNetwork, sources: list[pulumi.Output[str]]) -> Standing:
        """Under S3's own key: it delivers access logs to no bucket under a KMS key.

        https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html
        """
        name = self._bucket_name("access-logs", network)

        def write(bucket: str, account: str, *source_arns: str) -> Document:
            return access_log_policy(f"arn:aws:s3:::{bucket}", account, source_arns)

        return declare_bucket(
            self,
            "access-logs",
            name=name,
            policy=rendered(write, name, network.account_id, *sources),
            key_arn=None,
            rules=lifecycle(noncurrent_days=1, expire_days=self.ctx.log_retention_days),
            logs=None,
        )

    def _grant(
        self, identity: AwsIdentity, arns: Mapping[str, pulumi.Output[str]], key_arn: pulumi.Output[str]
    ) -> None:
        for use, role_name in identity.role_names.items():

            def write(*found: str, use: str = use) -> list[Document]:
                return granted_to(use, *found)

            grant(self, use, "storage", role_name, write, arns["data"], arns["artifacts"], arns["checkpoints"], key_arn)
