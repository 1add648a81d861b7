"""Images, model versions, and what is told when a version is judged."""

from __future__ import annotations

import json
from typing import Any

import pulumi_aws as aws

from components import contract
from components.aws import names
from components.aws.bucket import kept
from components.aws.iam import Document
from components.aws.outputs import AwsIdentity, AwsNetwork, AwsRegistry, AwsStorage
from components.aws.provider import aws_settings
from components.aws.registry_policies import (
    approvals_pattern,
    granted_to,
    group_policy,
    image_retention,
    repository_policy,
    topic_policy,
)
from components.aws.roles import grant, rendered
from components.aws.tracking import declare_tracking_server, url_of
from components.specs import RegistrySpec


class ModelRegistry(contract.ModelRegistry):
    """Images in ECR, versions in a SageMaker model package group, a topic that hears of every judgement."""

    cloud = "aws"

    def build(
        self, spec: RegistrySpec, *, network: AwsNetwork, identity: AwsIdentity, storage: AwsStorage, **below: Any
    ) -> AwsRegistry:
        images = self._images(spec, identity, storage)
        group = self._versions(identity)
        topic = self._approvals(group, network)
        for use, role_name in identity.role_names.items():

            def write(repository_arn: str, group_arn: str, use: str = use) -> list[Document]:
                return granted_to(use, repository_arn, group_arn)

            grant(self, use, "registry", role_name, write, images.arn, group.arn)
        size = aws_settings(self.ctx).tracking_server
        server = None
        if size != "none":
            server = declare_tracking_server(self, size, network=network, identity=identity, storage=storage)
        return AwsRegistry(
            tracking_url=url_of(server),
            models_ref=group.arn,
            image_url=images.repository_url,
            repository_arn=images.arn,
            repository_name=images.name,
            group_name=group.model_package_group_name,
            group_arn=group.arn,
            approvals_topic_arn=topic.arn,
        )

    def _images(self, spec: RegistrySpec, identity: AwsIdentity, storage: AwsStorage) -> aws.ecr.Repository:
        images = aws.ecr.Repository(
            self.child_name("images"),
            name=self.ctx.name(names.REPOSITORY),
            image_tag_mutability="IMMUTABLE",
            image_scanning_configuration=aws.ecr.RepositoryImageScanningConfigurationArgs(scan_on_push=True),
            encryption_configurations=[
                aws.ecr.RepositoryEncryptionConfigurationArgs(encryption_type="KMS", kms_key=storage.key_ref)
            ],
            force_delete=not self.ctx.retain_data and not self.ctx.is_production,
            tags=self.tags(),
            opts=kept(self, protect=self.ctx.is_production, delete_before_replace=True),
        )
        aws.ecr.LifecyclePolicy(
            self.child_name("images-retention"),
            repository=images.name,
            policy=json.dumps(image_retention(keep_last=spec.keep_images, untagged_days=spec.untagged_days)),
            opts=kept(self),
        )
        aws.ecr.RepositoryPolicy(
            self.child_name("images-policy"),
            repository=images.name,
            policy=rendered(repository_policy, identity.role_arns["admin"]),
            opts=kept(self),
        )
        return images

    def _versions(self, identity: AwsIdentity) -> aws.sagemaker.ModelPackageGroup:
        group = aws.sagemaker.ModelPackageGroup(
            self.child_name("versions"),
            model_package_group_name=self.ctx.name(names.SAGEMAKER),
            model_package_group_description=f"Model versions of {self.ctx.project} {self.ctx.stack}",
            tags=self.tags(),
            opts=kept(self, protect=self.ctx.is_production, delete_before_replace=True),
        )
        aws.sagemaker.ModelPackageGroupPolicy(
            self.child_name("versions-policy"),
            model_package_group_name=group.model_package_group_name,
            resource_policy=rendered(group_policy, group.arn, identity.role_arns["approver"]),
            opts=kept(self),
        )
        return group

    def _approvals(self, group: aws.sagemaker.ModelPackageGroup, network: AwsNetwork) -> aws.sns.Topic:
        topic = aws.sns.Topic(
            self.child_name("approvals"),
            name=self.ctx.name(names.TOPIC, "approvals"),
            kms_master_key_id=network.logs_key_arn,
            tags=self.tags(),
            opts=self.child(delete_before_replace=True),
        )
        rule = aws.cloudwatch.EventRule(
            self.child_name("approvals-rule"),
            name=self.ctx.name(names.EVENT_RULE, "approvals"),
            description="A model version was approved or rejected",
            event_pattern=group.model_package_group_name.apply(lambda name: json.dumps(approvals_pattern(name))),
            state="ENABLED",
            tags=self.tags(),
            opts=self.child(delete_before_replace=True),
        )
        heard = aws.sns.TopicPolicy(
            self.child_name("approvals-policy"),
            arn=topic.arn,
            policy=rendered(topic_policy, topic.arn, rule.arn),
            opts=self.child(),
        )
        aws.cloudwatch.EventTarget(
            self.child_name("approvals-target"),
            rule=rule.name,
            target_id="approvals",
            arn=topic.arn,
            opts=self.child(depends_on=[heard]),
        )
        return topic
