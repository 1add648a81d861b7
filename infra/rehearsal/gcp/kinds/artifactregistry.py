"""Image repositories."""

from __future__ import annotations

from infra.rehearsal.core.fit import To
from infra.rehearsal.core.kinds import ALL, Kind, Ref, Unique
from infra.rehearsal.core.operations import Calls
from infra.rehearsal.gcp.kinds.kms import KEY
from infra.rehearsal.gcp.requests import BINDING, grant, named, operation

REPOSITORY = "gcp:artifactregistry/repository:Repository"
CREATE = "https://cloud.google.com/artifact-registry/docs/reference/rest/v1/projects.locations.repositories/create"

KINDS: tuple[Kind, ...] = (
    Kind(
        REPOSITORY,
        judge=Calls(
            "discovery artifactregistry.v1",
            operation(
                "artifactregistry.v1",
                "projects.locations.repositories.create",
                {
                    "cleanupPolicies": To(
                        "cleanupPolicies", lambda found: {policy.get("id", ""): policy for policy in found}
                    )
                },
                fixed={"parent": "projects/{project}/locations/{location}"},
            ),
        ),
        id="projects/{project}/locations/{location}/repositories/{repositoryId}",
        outputs={"name": "{repositoryId}", "registryUri": "{location}-docker.pkg.dev/{project}/{repositoryId}"},
        references={"kmsKeyName": Ref(KEY, by=("name",))},
        unique=(Unique(("repositoryId",), "googleapi: Error 409: the repository already exists"),),
        rules=(named("repositoryId", r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", CREATE),),
        immutable=frozenset({"repositoryId", "location", "format", "mode", "kmsKeyName", "project"}),
    ),
    Kind(
        "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember",
        judge=Calls(
            "discovery artifactregistry.v1",
            grant("artifactregistry.v1", "projects.locations.repositories.setIamPolicy",
                  resource="projects/{project}/locations/{location}/repositories/{repository}"),
            local={"repository": "stands in the call's path"},
        ),
        id="projects/{project}/locations/{location}/repositories/{repository}/{role}/{member}",
        references={"repository": Ref(REPOSITORY, by=("name", "repositoryId"))},
        rules=(BINDING,),
        immutable=ALL,
    ),
)  # fmt: skip
