"""One Vertex endpoint with a deployed model per release, or KServe on the stack's cluster."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_gcp as gcp

from catalog import instances
from catalog.errors import UserError, mistake
from components import contract
from components.contract import Context, EndpointOutputs
from components.gcp import names
from components.gcp.deployment import VertexDeployments
from components.gcp.grants import declare_role, grant_in_project, grant_key, members_of
from components.gcp.outputs import GcpEndpoint, GcpIdentity, GcpNetwork, GcpRegistry, GcpStorage, GcpTraining
from components.gcp.provider import labels_of, region_of
from components.gcp.training import TELEMETRY
from components.specs import EndpointSpec
from ml_jobs.contract import Release

MAX_RELEASES = 20
PREDICT = ("aiplatform.endpoints.get", "aiplatform.endpoints.predict")
CPU_TARGET, ACCELERATOR_TARGET = 60, 70
"""Percent of load above which another replica is added."""


class ModelEndpoint(contract.ModelEndpoint):
    """The endpoint exists before the first release; one resource owns what is deployed to it and all weights."""

    cloud = "gcp"

    @classmethod
    def check(cls, spec: EndpointSpec, ctx: Context) -> None:
        if spec.is_spot and ctx.is_production:
            raise mistake("skywright:endpoint.is_spot", True, "false in production", "Remove it.")
        if spec.runtime == "kubernetes":
            from components.gcp.cluster import platform_settings
            from components.kubernetes.endpoint import refuse_beyond_the_cluster

            refuse_beyond_the_cluster(spec, ctx, platform_settings(ctx))
            return
        hardware_of(spec, ctx)
        if len(spec.releases) > MAX_RELEASES:
            raise mistake("skywright:endpoint.releases", f"{len(spec.releases)} entries", f"at most {MAX_RELEASES}")
        for name, release in spec.releases.items():
            where = f"skywright:endpoint.releases.{name}"
            if release.image_digest is None:
                raise UserError(
                    f"{where} has no image_digest, and Vertex serves nothing but images",
                    "Release a version whose job ran from an image, or add the digest of the one that serves it.",
                )
            if release.weight_percent != int(release.weight_percent):
                raise mistake(
                    f"{where}.weight_percent", release.weight_percent, "whole percents: Vertex splits no finer"
                )

    def build(
        self,
        spec: EndpointSpec,
        *,
        network: GcpNetwork,
        identity: GcpIdentity,
        storage: GcpStorage,
        registry: GcpRegistry,
        training: GcpTraining,
        **below: Any,
    ) -> EndpointOutputs:
        members = members_of(identity.emails)
        for role in TELEMETRY:
            what = f"writes-{'logs' if 'logging' in role else 'metrics'}"
            grant_in_project(self, "serving", what, network.project_id, role, members["serving"])
        if spec.runtime == "kubernetes":
            return self._on_cluster(spec, network, identity, storage, registry, training)
        predicts = declare_role(self, "predict", network.project_id, "Ask endpoints", PREDICT)
        for use in ("pipeline", "approver", "admin"):
            grant_in_project(self, use, "predicts", network.project_id, predicts.name, members[use])
        number = names.number_of(self.ctx.project, self.ctx.stack, str(self.ctx.region), spec.name)
        endpoint = gcp.vertex.AiEndpoint(
            self.child_name("vertex"),
            project=network.project_id,
            name=number,
            display_name=f"{self.ctx.project} {self.ctx.stack} {spec.name}",
            description=f"Releases of {self.ctx.project} {self.ctx.stack}",
            location=region_of(self.ctx),
            region=region_of(self.ctx),
            encryption_spec=gcp.vertex.AiEndpointEncryptionSpecArgs(kms_key_name=storage.key_ref),
            predict_request_response_logging_config=self._capture(spec, network, storage),
            labels=labels_of(self, endpoint=spec.name),
            # Deployments and their weights belong to the resource below.
            opts=self.child(
                depends_on=[storage.agents["aiplatform"]],
                delete_before_replace=True,
                ignore_changes=["trafficSplit"],
            ),
        )
        url = endpoint.id.apply(lambda id: f"https://{self.ctx.region}-aiplatform.googleapis.com/v1/{id}:rawPredict")
        if spec.releases:
            deployed = VertexDeployments(
                self.child_name("deployments"),
                endpoint=endpoint.id,
                region=region_of(self.ctx),
                key=f"{self.ctx.project}/{self.ctx.stack}/{spec.name}",
                releases={name: release.model_dump(mode="json") for name, release in spec.releases.items()},
                images={name: image_of(release, registry) for name, release in spec.releases.items()},
                model_ids={name: self.model_id(spec, name, release) for name, release in spec.releases.items()},
                hardware=hardware_of(spec, self.ctx),
                environment={
                    "SKYWRIGHT_APPROVER_KEY": identity.approver_key_ref,
                    "SKYWRIGHT_REQUIRES_APPROVAL": str(spec.requires_approval or self.ctx.is_production).lower(),
                },
                service_account=identity.serving_ref,
                kms_key=storage.key_ref,
                labels=labels_of(self, endpoint=spec.name),
                opts=self.child(),
            )
            url = pulumi.Output.all(url, deployed.status).apply(lambda both: str(both[0]))
        return GcpEndpoint(
            name=spec.name,
            url=url,
            protocol="vertex",
            endpoint_id=number,
            replicas=(max(spec.min_replicas, 1), spec.max_replicas),
        )

    def model_id(self, spec: EndpointSpec, name: str, release: Release) -> str:
        """Of the uploaded model: another artifact or image is another model."""
        made = f"{release.artifact_sha256}{release.image_digest}"
        return self.ctx.name(names.MODEL, spec.name, name, names.number_of(made))

    def _capture(
        self, spec: EndpointSpec, network: GcpNetwork, storage: GcpStorage
    ) -> gcp.vertex.AiEndpointPredictRequestResponseLoggingConfigArgs | None:
        """Vertex makes the table; its agent may write into this dataset alone."""
        if not spec.capture_percent:
            return None
        asked = pulumi.InvokeOutputOptions(parent=self, depends_on=[network.services["bigquery"]])
        keeper = gcp.bigquery.get_default_service_account_output(project=network.project_id, opts=asked)
        granted = grant_key(self, "capture", storage.key_ref, keeper.member)
        dataset = gcp.bigquery.Dataset(
            self.child_name("capture"),
            project=network.project_id,
            dataset_id=self.ctx.name(names.DATASET, spec.name, "capture"),
            location=region_of(self.ctx),
            description="Requests and answers, for drift checks",
            default_encryption_configuration=gcp.bigquery.DatasetDefaultEncryptionConfigurationArgs(
                kms_key_name=storage.key_ref
            ),
            default_table_expiration_ms=self.ctx.log_retention_days * 86_400_000,
            delete_contents_on_destroy=not self.ctx.retain_data and not self.ctx.is_production,
            labels=labels_of(self),
            opts=self.child(
                depends_on=[granted],
                protect=self.ctx.is_production,
                retain_on_delete=self.ctx.retain_data,
                delete_before_replace=True,
            ),
        )
        gcp.bigquery.DatasetIamMember(
            self.child_name("capture-by-vertex"),
            project=network.project_id,
            dataset_id=dataset.dataset_id,
            role="roles/bigquery.dataEditor",
            member=network.project_number.apply(
                lambda number: f"serviceAccount:service-{number}@gcp-sa-aiplatform.iam.gserviceaccount.com"
            ),
            opts=self.child(),
        )
        return gcp.vertex.AiEndpointPredictRequestResponseLoggingConfigArgs(
            enabled=True,
            sampling_rate=spec.capture_percent / 100,
            bigquery_destination=gcp.vertex.AiEndpointPredictRequestResponseLoggingConfigBigqueryDestinationArgs(
                output_uri=pulumi.Output.all(network.project_id, dataset.dataset_id).apply(
                    lambda both: f"bq://{both[0]}.{both[1]}.requests"
                )
            ),
        )

    def _on_cluster(
        self,
        spec: EndpointSpec,
        network: GcpNetwork,
        identity: GcpIdentity,
        storage: GcpStorage,
        registry: GcpRegistry,
        training: GcpTraining,
    ) -> EndpointOutputs:
        from components.gcp.workloads import bind, identity_of
        from components.kubernetes.names import SERVING_ACCOUNT, serving_namespace
        from components.kubernetes.serving import declare_endpoint

        if training.cluster is None:
            raise UserError(
                "skywright:endpoint.runtime is 'kubernetes', but skywright:training.runtime makes no cluster",
                "Set skywright:training.runtime to kubernetes too.",
            )
        namespace = serving_namespace(training.cluster.settings.namespace)
        bind(self, "serving", network, identity, namespace, SERVING_ACCOUNT, depends_on=[training.cluster.provider])
        return declare_endpoint(
            self,
            training.cluster,
            spec,
            storage=storage,
            registry=registry,
            approver_key_ref=identity.approver_key_ref,
            identity=identity_of(identity, "serving"),
            is_public=network.is_api_public,
        )


def image_of(release: Release, registry: GcpRegistry) -> pulumi.Input[str]:
    """A release's image: whole as it is, or its digest in the stack's registry."""
    digest = str(release.image_digest)
    if "@" in digest:
        return digest
    return registry.image_url.apply(lambda url: f"{url}@{digest}")


def hardware_of(spec: EndpointSpec, ctx: Context) -> dict[str, Any]:
    """What each release runs on, as Vertex's DedicatedResources takes it. Raises UserError where there is none such."""
    count = spec.accelerator.count if spec.accelerator else 0
    instance = instances.choose(
        "gcp",
        ctx.region,
        runtime="managed",
        accelerator=spec.accelerator.kind if spec.accelerator else None,
        count=count or 1,
        vcpus=spec.cpus,
        cpu_class=spec.cpu_class,
        is_spot=spec.is_spot,
        purpose="serving",
    )
    metric = "accelerator/duty_cycle" if count else "cpu/utilization"
    return {
        "machine_type": instance.name,
        "accelerator_type": instance.api_accelerator,
        "accelerator_count": count,
        "min_replicas": max(spec.min_replicas, 1),
        "max_replicas": spec.max_replicas,
        "is_spot": spec.is_spot,
        "metric": f"aiplatform.googleapis.com/prediction/online/{metric}",
        "target": ACCELERATOR_TARGET if count else CPU_TARGET,
    }
