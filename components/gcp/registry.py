"""Images in Artifact Registry, model versions in the Vertex model registry."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_gcp as gcp

from components import contract
from components.gcp import names
from components.gcp.grants import declare_role, grant_in_project, members_of
from components.gcp.outputs import GcpIdentity, GcpNetwork, GcpRegistry, GcpStorage
from components.gcp.provider import labels_of, region_of
from components.gcp.services import after
from components.specs import RegistrySpec

READ_MODELS = (
    "aiplatform.modelEvaluations.get",
    "aiplatform.modelEvaluations.list",
    "aiplatform.models.get",
    "aiplatform.models.list",
)
WRITE_MODELS = ("aiplatform.models.update", "aiplatform.models.upload", "aiplatform.operations.list")


IMAGE = "skywright"
"""The one image of the repository; releases and jobs name it by digest."""


class ModelRegistry(contract.ModelRegistry):
    """A Docker repository: immutable tags, scanned, under the stack's key. Models need no declaration: their registry
    is part of the project."""

    cloud = "gcp"

    def build(
        self, spec: RegistrySpec, *, network: GcpNetwork, identity: GcpIdentity, storage: GcpStorage, **below: Any
    ) -> GcpRegistry:
        region = region_of(self.ctx)
        repository = gcp.artifactregistry.Repository(
            self.child_name("images"),
            project=network.project_id,
            location=region,
            repository_id=self.ctx.name(names.REPOSITORY, "images"),
            description=f"Images of {self.ctx.project} {self.ctx.stack}",
            format="DOCKER",
            mode="STANDARD_REPOSITORY",
            docker_config=gcp.artifactregistry.RepositoryDockerConfigArgs(immutable_tags=True),
            kms_key_name=storage.key_ref,
            cleanup_policies=cleanup(keep_last=spec.keep_images, untagged_days=spec.untagged_days),
            vulnerability_scanning_config=gcp.artifactregistry.RepositoryVulnerabilityScanningConfigArgs(
                enablement_config="INHERITED"
            ),
            labels=labels_of(self),
            opts=after(
                self,
                network.services,
                "artifactregistry",
                "containerscanning",
                depends_on=[storage.agents["artifactregistry"]],
                protect=self.ctx.is_production,
                retain_on_delete=self.ctx.retain_data,
                delete_before_replace=True,
            ),
        )
        members = members_of(identity.emails)
        for use in ("training", "serving", "pipeline"):
            gcp.artifactregistry.RepositoryIamMember(
                self.child_name(f"{use}-images"),
                project=network.project_id,
                location=region,
                repository=repository.name,
                role=f"roles/artifactregistry.{'writer' if use == 'pipeline' else 'reader'}",
                member=members[use],
                opts=self.child(),
            )
        reads = declare_role(self, "models-read", network.project_id, "Read model versions", READ_MODELS)
        writes = declare_role(self, "models-write", network.project_id, "Register model versions", WRITE_MODELS)
        for use in ("pipeline", "approver", "viewer", "admin"):
            grant_in_project(self, use, "reads-models", network.project_id, reads.name, members[use])
        grant_in_project(self, "pipeline", "writes-models", network.project_id, writes.name, members["pipeline"])
        return GcpRegistry(
            tracking_url=pulumi.Output.from_input(""),
            models_ref=network.project_id.apply(lambda project: f"projects/{project}/locations/{region}/models"),
            image_url=pulumi.Output.all(network.project_id, repository.name).apply(
                lambda both: f"{region}-docker.pkg.dev/{both[0]}/{both[1]}/{IMAGE}"
            ),
            repository=repository.name,
        )


def cleanup(*, keep_last: int, untagged_days: int) -> list[gcp.artifactregistry.RepositoryCleanupPolicyArgs]:
    """What has no tag goes, the newest images excepted. What has one stays: tags are immutable.

    https://cloud.google.com/artifact-registry/docs/repositories/cleanup-policy
    """
    return [
        gcp.artifactregistry.RepositoryCleanupPolicyArgs(
            id="delete-untagged",
            action="DELETE",
            condition=gcp.artifactregistry.RepositoryCleanupPolicyConditionArgs(
                tag_state="UNTAGGED", older_than=f"{untagged_days * 86_400}s"
            ),
        ),
        gcp.artifactregistry.RepositoryCleanupPolicyArgs(
            id="keep-newest",
            action="KEEP",
            most_recent_versions=gcp.artifactregistry.RepositoryCleanupPolicyMostRecentVersionsArgs(
                keep_count=keep_last
            ),
        ),
    ]
