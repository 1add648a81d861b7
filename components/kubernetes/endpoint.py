"""The endpoint on a brought cluster."""

from __future__ import annotations

from typing import Any

from catalog.errors import UserError, mistake
from components import contract
from components.contract import (
    Context,
    EndpointOutputs,
    IdentityOutputs,
    RegistryOutputs,
    StorageOutputs,
    TrainingOutputs,
    Unsupported,
)
from components.kubernetes.network import KubernetesNetwork, own_settings
from components.kubernetes.routes import MAX_RELEASES
from components.kubernetes.serving import declare_endpoint
from components.kubernetes.settings import PlatformSettings
from components.specs import EndpointSpec


class ModelEndpoint(contract.ModelEndpoint):
    """An InferenceService for each release, a Gateway and one HTTPRoute."""

    cloud = "kubernetes"

    @classmethod
    def check(cls, spec: EndpointSpec, ctx: Context) -> None:
        settings = own_settings(ctx)
        for name, release in spec.releases.items():
            if release.image_digest is None:
                raise UserError(
                    f"skywright:endpoint.releases.{name} has no image_digest, and a cluster runs nothing but images",
                    "Release a version whose job ran from an image, or add the digest of the one that serves it.",
                )
            if "@" not in release.image_digest and not settings.images.repository:
                raise UserError(
                    f"skywright:endpoint.releases.{name}.image_digest is a digest without its repository",
                    "Set skywright:kubernetes.images.repository to where the images of releases lie.",
                )
        refuse_beyond_the_cluster(spec, ctx, settings)

    def build(
        self,
        spec: EndpointSpec,
        *,
        network: KubernetesNetwork,
        identity: IdentityOutputs,
        storage: StorageOutputs,
        registry: RegistryOutputs,
        training: TrainingOutputs,
        **below: Any,
    ) -> EndpointOutputs:
        return declare_endpoint(
            self,
            network.cluster,
            spec,
            storage=storage,
            registry=registry,
            approver_key_ref=own_settings(self.ctx).approver_public_key or identity.approver_key_ref,
            is_public=network.is_public,
        )


def refuse_beyond_the_cluster(spec: EndpointSpec, ctx: Context, settings: PlatformSettings) -> None:
    """What no cluster can do, for the clouds' own endpoints on a cluster too. Raises Unsupported or UserError."""
    most = MAX_RELEASES - (spec.routing.mode == "sticky")
    if len(spec.releases) > most:
        raise mistake("skywright:endpoint.releases", f"{len(spec.releases)} entries", f"at most {most} on a cluster")
    if spec.capture_percent not in (0, 100):
        raise Unsupported(
            f"skywright:endpoint.capture_percent is {spec.capture_percent:g}; KServe's logger keeps all or nothing",
            "Set it to 100 or to 0.",
        )
    if spec.capture_percent and not settings.capture_url:
        raise UserError(
            "skywright:endpoint.capture_percent is 100, and nothing takes what is captured",
            "Set capture_url, beside the cluster's other settings, to a service that takes CloudEvents.",
        )
    if spec.min_replicas == 0 and settings.gateway.class_name:
        raise Unsupported(
            f"skywright:endpoint.min_replicas is 0; a gateway of class {settings.gateway.class_name} counts no "
            "requests that KEDA knows of",
            "Set it to 1, or leave gateway.class_name out.",
        )
    if spec.is_spot and ctx.is_production:
        raise mistake(
            "skywright:endpoint.is_spot",
            True,
            "false in production",
            "Remove it, or set environment to staging or dev.",
        )
