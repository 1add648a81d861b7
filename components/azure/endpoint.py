"""One online endpoint with a deployment per release, or KServe on the stack's cluster."""

from __future__ import annotations

import json
from typing import Any

import pulumi
from pulumi_azure_native import machinelearningservices as ml
from pulumi_azure_native import monitor

from catalog import instances
from catalog.errors import UserError, mistake
from catalog.names import name_for
from components import contract
from components.azure import names
from components.azure.assets import PORT, declare_assets, declare_capture, model_path
from components.azure.autoscale import declare_autoscale
from components.azure.deployment import EndpointTraffic
from components.azure.logs import declare_diagnostics
from components.azure.outputs import (
    AzureEndpoint,
    AzureIdentity,
    AzureNetwork,
    AzureRegistry,
    AzureStorage,
    AzureTraining,
)
from components.azure.support import MAX_DEPLOYMENTS, MAX_MIRROR_PERCENT
from components.azure.vault import unique
from components.contract import Context, EndpointOutputs, Unsupported
from components.specs import EndpointSpec
from ml_jobs.contract import Release

MOUNT = "/var/azureml-model"
WEIGHTLESS = {"weight_percent": 0.0, "shadow_percent": 0.0}
"""A server does not know its weight: changing weights must not restart it."""


class ModelEndpoint(contract.ModelEndpoint):
    """The endpoint exists before the first release; one resource owns all weights, set after the deployments."""

    cloud = "azure"

    @classmethod
    def check(cls, spec: EndpointSpec, ctx: Context) -> None:
        if spec.is_spot and ctx.is_production:
            raise mistake("skywright:endpoint.is_spot", True, "false in production", "Remove it.")
        if spec.runtime == "kubernetes":
            from components.azure.cluster import platform_settings
            from components.kubernetes.endpoint import refuse_beyond_the_cluster

            refuse_beyond_the_cluster(spec, ctx, platform_settings(ctx))
            return
        instance_of(spec, ctx)
        if len(spec.releases) > MAX_DEPLOYMENTS:
            raise mistake("skywright:endpoint.releases", f"{len(spec.releases)} entries", f"at most {MAX_DEPLOYMENTS}")
        for name, release in spec.releases.items():
            check_release(f"skywright:endpoint.releases.{name}", release)
        shadows = [name for name, release in spec.releases.items() if release.shadow_percent]
        if len(shadows) > 1:
            raise Unsupported(
                f"skywright:endpoint.releases has {len(shadows)} shadows ({', '.join(shadows)}); "
                "Azure ML mirrors to one deployment",
                "Set shadow_percent to 0 on all but one.",
            )

    def build(
        self,
        spec: EndpointSpec,
        *,
        network: AzureNetwork,
        identity: AzureIdentity,
        storage: AzureStorage,
        registry: AzureRegistry,
        training: AzureTraining,
        **below: Any,
    ) -> EndpointOutputs:
        if spec.runtime == "kubernetes":
            return self._on_cluster(spec, network, identity, storage, registry, training)
        endpoint = ml.OnlineEndpoint(
            self.child_name("online"),
            resource_group_name=network.group,
            workspace_name=registry.workspace,
            endpoint_name=unique(self, names.ENDPOINT, spec.name, network),
            location=self.ctx.region,
            kind="Managed",
            identity=ml.ManagedServiceIdentityArgs(
                type="UserAssigned", user_assigned_identities=[identity.ids["serving"]]
            ),
            properties=ml.OnlineEndpointPropertiesArgs(
                auth_mode="AADToken",
                description=f"Releases of {self.ctx.project} {self.ctx.stack}",
                public_network_access="Enabled" if network.is_api_public else "Disabled",
            ),
            tags=self.tags() | {"endpoint": spec.name},
            # Weights belong to the resource below.
            opts=self.child(
                delete_before_replace=True, ignore_changes=["properties.traffic", "properties.mirrorTraffic"]
            ),
        )
        declare_diagnostics(self, "online", endpoint.id, network.logs_id)
        models, images = declare_assets(self, spec, network, registry)
        scaled: list[monitor.AutoscaleSetting] = []
        deployed = [
            self._deployment(
                spec, name, release, network, identity, storage, registry, endpoint, models, images, scaled
            )
            for name, release in spec.releases.items()
        ]
        url: pulumi.Output[str | None] = endpoint.properties.apply(lambda properties: properties.scoring_uri)
        if spec.releases:
            weights = EndpointTraffic(
                self.child_name("traffic"),
                subscription_id=network.subscription_id,
                resource_group=network.group,
                workspace=registry.workspace,
                endpoint=endpoint.name,
                traffic={
                    deployment_name(name): int(release.weight_percent)
                    for name, release in spec.releases.items()
                    if release.weight_percent
                },
                mirror={
                    deployment_name(name): int(release.shadow_percent)
                    for name, release in spec.releases.items()
                    if release.shadow_percent
                },
                opts=self.child(depends_on=deployed),
            )
            url = pulumi.Output.all(url, weights.id).apply(lambda both: both[0])
        return AzureEndpoint(
            name=spec.name,
            url=url,
            protocol="azureml",
            endpoint_id=endpoint.id,
            endpoint=endpoint.name,
            deployments={name: deployment_name(name) for name in spec.releases},
            autoscale_ids=pulumi.Output.all(*[setting.id for setting in scaled]),
            released=tuple(deployed),
            replicas=(spec.min_replicas, spec.max_replicas),
        )

    def _deployment(
        self,
        spec: EndpointSpec,
        name: str,
        release: Release,
        network: AzureNetwork,
        identity: AzureIdentity,
        storage: AzureStorage,
        registry: AzureRegistry,
        endpoint: ml.OnlineEndpoint,
        models: dict[tuple[str, int], ml.ModelVersion],
        images: dict[str, ml.EnvironmentVersion],
        scaled: list[monitor.AutoscaleSetting],
    ) -> ml.OnlineDeployment:
        is_scaled = spec.max_replicas > spec.min_replicas
        record = release.model_dump(mode="json") | WEIGHTLESS
        deployment = ml.OnlineDeployment(
            self.child_name(f"release-{name}"),
            resource_group_name=network.group,
            workspace_name=registry.workspace,
            endpoint_name=endpoint.name,
            deployment_name=deployment_name(name),
            location=self.ctx.region,
            kind="Managed",
            sku=ml.SkuArgs(name="Default", capacity=spec.min_replicas),
            properties=ml.ManagedOnlineDeploymentArgs(
                endpoint_compute_type="Managed",
                description=f"{release.model} {release.version}",
                instance_type=instance_of(spec, self.ctx).name,
                model=models[(release.model, release.version)].id,
                model_mount_path=MOUNT,
                environment_id=images[str(release.image_digest)].id,
                environment_variables={
                    "SKYWRIGHT_ENDPOINT": spec.name,
                    "SKYWRIGHT_PORT": str(PORT),
                    "SKYWRIGHT_RELEASE_NAME": name,
                    "SKYWRIGHT_RELEASE": json.dumps(record, sort_keys=True),
                    "SKYWRIGHT_ARTIFACTS_URL": storage.artifacts_url,
                    "SKYWRIGHT_APPROVER_KEY": identity.approver_key_ref,
                    "SKYWRIGHT_REQUIRES_APPROVAL": str(spec.requires_approval or self.ctx.is_production).lower(),
                    "AZURE_CLIENT_ID": identity.client_ids["serving"],
                },
                app_insights_enabled=True,
                egress_public_network_access="Enabled",  # the workspace's managed network says what goes out
                request_settings=ml.OnlineRequestSettingsArgs(
                    request_timeout="PT60S", max_concurrent_requests_per_instance=8
                ),
                liveness_probe=_probe(initial="PT10S", period="PT15S", failures=30),
                readiness_probe=_probe(initial="PT10S", period="PT5S", failures=30),
                scale_settings=ml.DefaultScaleSettingsArgs(scale_type="Default"),
                data_collector=declare_capture(self, spec, name, network, registry),
            ),
            tags=self.tags() | {"model": release.model, "version": str(release.version)},
            opts=self.child(delete_before_replace=True, ignore_changes=["sku.capacity"] if is_scaled else None),
        )
        if is_scaled:
            scaled.append(declare_autoscale(self, spec, name, network, endpoint, deployment))
        return deployment

    def _on_cluster(
        self,
        spec: EndpointSpec,
        network: AzureNetwork,
        identity: AzureIdentity,
        storage: AzureStorage,
        registry: AzureRegistry,
        training: AzureTraining,
    ) -> EndpointOutputs:
        from components.azure.workloads import bind, identity_of
        from components.kubernetes.names import SERVING_ACCOUNT, serving_namespace
        from components.kubernetes.serving import declare_endpoint

        if training.cluster is None or training.issuer is None:
            raise UserError(
                "skywright:endpoint.runtime is 'kubernetes', but skywright:training.runtime makes no cluster",
                "Set skywright:training.runtime to kubernetes too.",
            )
        namespace = serving_namespace(training.cluster.settings.namespace)
        bind(self, "serving", network, identity, training.issuer, namespace, SERVING_ACCOUNT)
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


def check_release(where: str, release: Release) -> None:
    """Raise UserError or Unsupported for a release that Azure ML can't serve as it is declared."""
    if release.image_digest is None:
        raise UserError(
            f"{where} has no image_digest, and Azure ML serves nothing but images",
            "Release a version whose job ran from an image, or add the digest of the one that serves it.",
        )
    for field in ("weight_percent", "shadow_percent"):
        if (value := getattr(release, field)) != int(value):
            raise mistake(f"{where}.{field}", value, "whole percents: Azure ML splits no finer")
    if release.shadow_percent > MAX_MIRROR_PERCENT:
        raise mistake(f"{where}.shadow_percent", release.shadow_percent, f"0 to {MAX_MIRROR_PERCENT} on azure")
    if release.shadow_percent and release.weight_percent:
        raise Unsupported(
            f"{where} has both weight_percent and shadow_percent; an Azure ML deployment takes one of them",
            "Set one of them to 0.",
        )
    model_path(release.artifact_url, where=f"{where}.artifact_url")


def deployment_name(release: str) -> str:
    """Of its endpoint alone: no other stack's can stand beside it."""
    return name_for(names.DEPLOYMENT, release)


def instance_of(spec: EndpointSpec, ctx: Context) -> instances.Instance:
    """What a replica runs on. Raises UserError with the nearest that is possible."""
    return instances.choose(
        "azure",
        ctx.region,
        runtime="managed",
        accelerator=spec.accelerator.kind if spec.accelerator else None,
        count=spec.accelerator.count if spec.accelerator else 1,
        vcpus=spec.cpus,
        cpu_class=spec.cpu_class,
        purpose="serving",
    )


def _probe(*, initial: str, period: str, failures: int) -> ml.ProbeSettingsArgs:
    return ml.ProbeSettingsArgs(
        initial_delay=initial, period=period, timeout="PT2S", failure_threshold=failures, success_threshold=1
    )
