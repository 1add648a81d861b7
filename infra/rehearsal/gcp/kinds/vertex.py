"""Vertex: endpoints and TensorBoards."""

from __future__ import annotations

from infra.rehearsal.core.kinds import Kind, Ref, Unique
from infra.rehearsal.core.operations import Calls
from infra.rehearsal.gcp.kinds.kms import KEY
from infra.rehearsal.gcp.requests import named, operation, within

ENDPOINT = "gcp:vertex/aiEndpoint:AiEndpoint"
CREATE = "https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.endpoints/create"

KINDS: tuple[Kind, ...] = (
    Kind(
        ENDPOINT,
        judge=Calls(
            "discovery aiplatform.v1",
            operation(
                "aiplatform.v1",
                "projects.locations.endpoints.create",
                {"name": "endpointId"},
                fixed={"parent": "projects/{project}/locations/{location}"},
            ),
        ),
        id="projects/{project}/locations/{location}/endpoints/{name}",
        references={"encryptionSpec.kmsKeyName": Ref(KEY, by=("name",))},
        unique=(Unique(("name",), "googleapi: Error 409: Endpoint {name} already exists."),),
        rules=(
            named("name", r"[1-9]\d{0,9}", CREATE),
            within("predictRequestResponseLoggingConfig.samplingRate", 0, 1, CREATE),
        ),
        immutable=frozenset({"name", "location", "region", "encryptionSpec", "network", "project"}),
    ),
    Kind(
        "gcp:vertex/aiTensorboard:AiTensorboard",
        judge=Calls(
            "discovery aiplatform.v1",
            operation(
                "aiplatform.v1",
                "projects.locations.tensorboards.create",
                fixed={"parent": "projects/{project}/locations/{region}"},
            ),
        ),
        id="projects/{project}/locations/{region}/tensorboards/{digits:19}",
        references={"encryptionSpec.kmsKeyName": Ref(KEY, by=("name",))},
        immutable=frozenset({"region", "encryptionSpec", "project"}),
    ),
)
