"""The declared releases behind one SageMaker endpoint, or on EKS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from catalog.errors import UserError
from components import contract
from components.aws import names
from components.aws.autoscale import declare_autoscale
from components.aws.endpoint_limits import broken
from components.aws.endpoint_policies import invoke, serve
from components.aws.logs import declare_log_group
from components.aws.outputs import AwsIdentity, AwsNetwork, AwsRegistry, AwsStorage
from components.aws.provider import aws_settings
from components.aws.roles import grant
from components.aws.rollback import declare_rollback_alarm
from components.aws.serving import (
    CAPTURED_TYPES,
    deployment,
    instance_for,
    model_digest,
    record,
    split,
    variant_name,
)
from components.contract import Context, EndpointOutputs, Unsupported
from components.kubernetes.cluster import ClusterTraining
from components.specs import EndpointSpec
from ml_jobs.contract import Release


@dataclass(frozen=True)
class AwsEndpointOutputs(EndpointOutputs):
    """`endpoint_name` and `variants` of SageMaker's endpoint; empty where it serves on a cluster or nothing is
    released. `scalable`: variant -> (least, most) instances, as declared."""

    endpoint_name: str = ""
    variants: tuple[str, ...] = ()
    scalable: tuple[tuple[str, int, int], ...] = ()


class ModelEndpoint(contract.ModelEndpoint):
    """A model and a variant per release, one endpoint configuration, one endpoint that is changed blue-green.

    The configuration is replaced at each change, as SageMaker wants it; the endpoint stays. A release that is verified
    by nobody before it serves would be a gap: the server itself checks the artifact's digest and its golden rows.
    """

    cloud = "aws"

    @classmethod
    def check(cls, spec: EndpointSpec, ctx: Context) -> None:
        for name, release in spec.releases.items():
            if not release.image_digest:
                raise UserError(
                    f"skywright:endpoint.releases.{name}.image_digest is absent; allowed: sha256:... of an image in "
                    "the stack's registry, since a managed endpoint runs containers",
                    "Push the image, then release the version again.",
                )
        if spec.runtime != "kubernetes":
            if limit := broken(spec, aws_settings(ctx).endpoint):
                raise Unsupported(*limit)
            instance_for(spec, ctx.region)

    def build(
        self,
        spec: EndpointSpec,
        *,
        network: AwsNetwork,
        identity: AwsIdentity,
        storage: AwsStorage,
        registry: AwsRegistry,
        training: ClusterTraining,
        **below: Any,
    ) -> EndpointOutputs:
        if spec.runtime == "kubernetes":
            from components.aws.on_cluster import declare_endpoint

            return declare_endpoint(
                self, spec, network=network, identity=identity, storage=storage, registry=registry, training=training
            )
        if not spec.releases:
            return AwsEndpointOutputs(spec.name, pulumi.Output.from_input(None), "sagemaker")
        return self._managed(spec, network, identity, storage, registry)

    def _managed(
        self,
        spec: EndpointSpec,
        network: AwsNetwork,
        identity: AwsIdentity,
        storage: AwsStorage,
        registry: AwsRegistry,
    ) -> AwsEndpointOutputs:
        name = self.ctx.name(names.SAGEMAKER_MODEL, spec.name)
        logs = declare_log_group(self, "servers", f"/aws/sagemaker/Endpoints/{name}", network.logs_key_arn)
        granted = self._grants(name, network, identity)
        models = {
            release_name: self._model(spec, release_name, release, network, identity, storage, registry)
            for release_name, release in spec.releases.items()
        }
        settings = aws_settings(self.ctx).endpoint
        is_serverless = settings.mode == "serverless"
        configuration = self._configuration(spec, models, storage, is_serverless)
        variants = tuple(variant_name(each) for each in spec.releases)
        alarm = declare_rollback_alarm(self, name, variants)
        endpoint = aws.sagemaker.Endpoint(
            self.child_name("endpoint"),
            name=name,
            endpoint_config_name=configuration.name,
            deployment_config=None if is_serverless else deployment(settings, least_of(spec), alarm.name),
            tags=self.tags(),
            opts=self.child(depends_on=[logs, *granted], delete_before_replace=True),
        )
        answering, _ = split(spec.releases)
        scaled = [] if is_serverless else list(answering)
        for release_name in scaled:
            declare_autoscale(self, spec, release_name, endpoint, least=least_of(spec))
        region = self.ctx.region
        return AwsEndpointOutputs(
            name=spec.name,
            url=endpoint.name.apply(
                lambda made: f"https://runtime.sagemaker.{region}.amazonaws.com/endpoints/{made}/invocations"
            ),
            protocol="sagemaker",
            endpoint_name=name,
            variants=variants,
            scalable=tuple((variant_name(each), least_of(spec), spec.max_replicas) for each in scaled),
        )

    def _grants(self, name: str, network: AwsNetwork, identity: AwsIdentity) -> list[pulumi.Resource]:
        region = str(self.ctx.region)

        def serves(account: str, subnets: list[str], group: str) -> list[dict[str, Any]]:
            home = f"arn:aws:ec2:{region}:{account}"
            networks = [*(f"{home}:subnet/{id}" for id in subnets), f"{home}:security-group/{group}"]
            return serve(account, region, name, networks)

        return [
            grant(
                self, "serving", "endpoint", identity.role_names["serving"], serves,
                network.account_id, network.private_subnet_ids, network.endpoint_group_id,
            ),
            grant(
                self, "pipeline", "endpoint", identity.role_names["pipeline"],
                lambda account: invoke(account, region, name), network.account_id,
            ),
        ]  # fmt: skip

    def _model(
        self,
        spec: EndpointSpec,
        release_name: str,
        release: Release,
        network: AwsNetwork,
        identity: AwsIdentity,
        storage: AwsStorage,
        registry: AwsRegistry,
    ) -> aws.sagemaker.Model:
        source = aws.sagemaker.ModelPrimaryContainerModelDataSourceS3DataSourceArgs
        archived = release.artifact_url.endswith(".tar.gz")
        return aws.sagemaker.Model(
            self.child_name(f"release-{release_name}"),
            name=self.ctx.name(names.SAGEMAKER_MODEL, release_name, model_digest(release)),
            execution_role_arn=identity.role_arns["serving"],
            primary_container=aws.sagemaker.ModelPrimaryContainerArgs(
                image=registry.image_url.apply(lambda url: image_of(release, url)),
                mode="SingleModel",
                model_data_source=aws.sagemaker.ModelPrimaryContainerModelDataSourceArgs(
                    s3_data_sources=[
                        source(
                            s3_uri=release.artifact_url if archived else f"{release.artifact_url.rstrip('/')}/",
                            s3_data_type="S3Object" if archived else "S3Prefix",
                            compression_type="Gzip" if archived else "None",
                        )
                    ]
                ),
                environment={
                    "SKYWRIGHT_RELEASE": record(release),
                    "SKYWRIGHT_RELEASE_NAME": release_name,
                    "SKYWRIGHT_ENDPOINT": spec.name,
                    "SKYWRIGHT_ARTIFACTS_URL": storage.artifacts_url,
                    "SKYWRIGHT_APPROVER_KEY": identity.approver_key_ref,
                    "SKYWRIGHT_REQUIRES_APPROVAL": str(spec.requires_approval or self.ctx.is_production).lower(),
                },
            ),
            vpc_config=None
            if aws_settings(self.ctx).endpoint.mode == "serverless"
            else aws.sagemaker.ModelVpcConfigArgs(
                subnets=network.private_subnet_ids, security_group_ids=[network.endpoint_group_id]
            ),
            tags=self.tags() | {"release": release_name, "model": release.model, "version": str(release.version)},
            opts=self.child(),
        )

    def _configuration(
        self, spec: EndpointSpec, models: Mapping[str, aws.sagemaker.Model], storage: AwsStorage, is_serverless: bool
    ) -> aws.sagemaker.EndpointConfiguration:
        answering, shadows = split(spec.releases)
        capture = aws.sagemaker.EndpointConfigurationDataCaptureConfigArgs
        option = aws.sagemaker.EndpointConfigurationDataCaptureConfigCaptureOptionArgs
        types = aws.sagemaker.EndpointConfigurationDataCaptureConfigCaptureContentTypeHeaderArgs
        return aws.sagemaker.EndpointConfiguration(
            self.child_name("config"),
            production_variants=[
                self._variant(spec, name, release, models[name], is_serverless) for name, release in answering.items()
            ],
            shadow_production_variants=[
                self._shadow(spec, name, release, models[name]) for name, release in shadows.items()
            ]
            or None,
            # Serverless and instances with local NVMe take no key of ours.
            kms_key_arn=None if is_serverless or has_local_disk(instance_for(spec, self.ctx.region).machine)
            else storage.key_ref,
            data_capture_config=capture(
                enable_capture=True,
                initial_sampling_percentage=max(1, round(spec.capture_percent)),
                destination_s3_uri=storage.artifacts_url.apply(lambda url: f"{url}/capture"),
                kms_key_id=storage.key_ref,
                capture_options=[option(capture_mode="Input"), option(capture_mode="Output")],
                capture_content_type_header=types(json_content_types=list(CAPTURED_TYPES)),
            )
            if spec.capture_percent
            else None,
            tags=self.tags(),
            opts=self.child(),
        )  # fmt: skip

    def _variant(
        self, spec: EndpointSpec, name: str, release: Release, model: aws.sagemaker.Model, is_serverless: bool
    ) -> aws.sagemaker.EndpointConfigurationProductionVariantArgs:
        settings = aws_settings(self.ctx).endpoint
        if is_serverless:
            return aws.sagemaker.EndpointConfigurationProductionVariantArgs(
                variant_name=variant_name(name),
                model_name=model.name,
                initial_variant_weight=release.weight_percent,
                serverless_config=aws.sagemaker.EndpointConfigurationProductionVariantServerlessConfigArgs(
                    memory_size_in_mb=settings.serverless_memory_mb, max_concurrency=settings.serverless_concurrency
                ),
            )
        return aws.sagemaker.EndpointConfigurationProductionVariantArgs(
            variant_name=variant_name(name),
            model_name=model.name,
            initial_variant_weight=release.weight_percent,
            initial_instance_count=least_of(spec),
            instance_type=instance_for(spec, self.ctx.region).name,
        )

    def _shadow(
        self, spec: EndpointSpec, name: str, release: Release, model: aws.sagemaker.Model
    ) -> aws.sagemaker.EndpointConfigurationShadowProductionVariantArgs:
        return aws.sagemaker.EndpointConfigurationShadowProductionVariantArgs(
            variant_name=variant_name(name),
            model_name=model.name,
            initial_variant_weight=release.shadow_percent,
            initial_instance_count=1,
            instance_type=instance_for(spec, self.ctx.region).name,
        )


def least_of(spec: EndpointSpec) -> int:
    """Instances of a variant at the least; serverless alone goes below one."""
    return max(1, spec.min_replicas)


def image_of(release: Release, repository_url: str) -> str:
    """A release's image: whole as it is, or its digest in the stack's repository."""
    digest = str(release.image_digest)
    return digest if "@" in digest else f"{repository_url}@{digest}"


def has_local_disk(machine: str) -> bool:
    """Families whose volume is local NVMe, encrypted by its own hardware: SageMaker refuses a key for them.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateEndpointConfig.html
    """
    return machine.split(".")[0] in ("g4dn", "g5", "g6", "g6e", "p4d", "p4de", "p5", "p5e", "p5en")
