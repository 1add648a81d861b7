"""What a release is made of in the workspace: its model's version, its server's image, where its requests are kept."""

from __future__ import annotations

import re
from typing import Any

import pulumi
from pulumi_azure_native import machinelearningservices as ml

from catalog.errors import mistake
from components.azure import names
from components.azure.outputs import AzureNetwork, AzureRegistry
from components.contract import Component
from components.specs import EndpointSpec

PORT = 8080
ARTIFACT = re.compile(r"^abfss://(data|artifacts|checkpoints)@[a-z0-9]{3,24}\.dfs\.core\.windows\.net/(.+)$")


def declare_assets(
    owner: Component[Any, Any], spec: EndpointSpec, network: AzureNetwork, registry: AzureRegistry
) -> tuple[dict[tuple[str, int], ml.ModelVersion], dict[str, ml.EnvironmentVersion]]:
    """Model versions by (model, version), environments by image digest: what two releases share is there once."""
    place = {"resource_group_name": network.group, "workspace_name": registry.workspace}
    containers = {
        model: ml.ModelContainer(
            owner.child_name(f"model-{model}"),
            name=model,
            properties=ml.ModelContainerPropertiesArgs(
                description=f"Versions of {model} that are served", is_archived=False, tags=owner.tags()
            ),
            opts=owner.child(delete_before_replace=True, retain_on_delete=owner.ctx.retain_data),
            **place,
        )
        for model in sorted({release.model for release in spec.releases.values()})
    }
    models: dict[tuple[str, int], ml.ModelVersion] = {}
    images: dict[str, ml.EnvironmentVersion] = {}
    for release in spec.releases.values():
        key = (release.model, release.version)
        if key not in models:
            models[key] = ml.ModelVersion(
                owner.child_name(f"model-{release.model}-{release.version}"),
                name=release.model,
                version=str(release.version),
                properties=ml.ModelVersionPropertiesArgs(
                    description=f"{release.model} {release.version}",
                    is_anonymous=False,
                    is_archived=False,
                    model_type="custom_model",
                    model_uri=pulumi.Output.concat(
                        "azureml:/", registry.workspace_path, model_path(release.artifact_url)
                    ),
                    properties={"artifact_sha256": release.artifact_sha256},
                    tags=owner.tags(),
                ),
                opts=owner.child(
                    delete_before_replace=True,
                    retain_on_delete=owner.ctx.retain_data,
                    depends_on=[containers[release.model]],
                ),
                **place,
            )
        digest = str(release.image_digest)
        if digest not in images:
            images[digest] = _environment(owner, digest, images, registry, place)
    return models, images


def _environment(
    owner: Component[Any, Any], digest: str, others: dict[str, Any], registry: AzureRegistry, place: dict[str, Any]
) -> ml.EnvironmentVersion:
    short = digest.rsplit(":", 1)[-1][:12]
    route = {path: ml.RouteArgs(path=f"/v2/health/{path}", port=PORT) for path in ("live", "ready")}
    return ml.EnvironmentVersion(
        owner.child_name(f"image-{short}"),
        name=owner.ctx.name(names.ASSET, "server"),
        version=short,
        properties=ml.EnvironmentVersionPropertiesArgs(
            description="A model server, by the digest of its image",
            image=digest if "@" in digest else pulumi.Output.concat(registry.image_url, "@", digest),
            os_type="Linux",
            is_anonymous=False,
            is_archived=False,
            inference_config=ml.InferenceContainerPropertiesArgs(
                liveness_route=route["live"],
                readiness_route=route["ready"],
                scoring_route=ml.RouteArgs(path="/score", port=PORT),
            ),
            tags=owner.tags(),
        ),
        opts=owner.child(delete_before_replace=True),
        **place,
    )


def declare_capture(
    owner: Component[Any, Any], spec: EndpointSpec, name: str, network: AzureNetwork, registry: AzureRegistry
) -> ml.DataCollectorArgs | None:
    """To a folder of the artifacts container, where the serving identity may write."""
    if not spec.capture_percent:
        return None
    collections: dict[str, ml.CollectionArgs] = {}
    for what in ("model_inputs", "model_outputs"):
        asset = ml.DataVersion(
            owner.child_name(f"capture-{name}-{what.rsplit('_', 1)[1]}"),
            resource_group_name=network.group,
            workspace_name=registry.workspace,
            name=owner.ctx.name(names.ASSET, "capture", spec.name, name, what),
            version="1",
            properties=ml.UriFolderDataVersionArgs(
                data_type="uri_folder",
                data_uri=pulumi.Output.concat(
                    "azureml:/",
                    registry.workspace_path,
                    f"/datastores/artifacts/paths/capture/{spec.name}/{name}/{what}",
                ),
                description="Requests and answers, for drift checks",
                is_anonymous=False,
                is_archived=False,
                tags=owner.tags(),
            ),
            opts=owner.child(delete_before_replace=True),
        )
        collections[what] = ml.CollectionArgs(
            data_id=asset.id, data_collection_mode="Enabled", sampling_rate=spec.capture_percent / 100
        )
    return ml.DataCollectorArgs(collections=collections, rolling_rate="Hour")


def model_path(artifact_url: str, *, where: str = "artifact_url") -> str:
    """Where Azure ML finds what lies at one of our URLs: in the workspace's datastore of the container's name."""
    found = ARTIFACT.match(artifact_url)
    if not found:
        raise mistake(where, artifact_url, "abfss://artifacts@<account>.dfs.core.windows.net/<path>")
    return f"/datastores/{found[1]}/paths/{found[2]}"
