"""Who may call a service."""

from __future__ import annotations

from infra.rehearsal.core.kinds import ALL, Kind, Ref
from infra.rehearsal.core.operations import Calls
from infra.rehearsal.gcp.kinds.cloudfunctionsv2 import FUNCTION
from infra.rehearsal.gcp.requests import BINDING, grant

KINDS: tuple[Kind, ...] = (
    Kind(
        "gcp:cloudrunv2/serviceIamMember:ServiceIamMember",
        judge=Calls(
            "discovery run.v2",
            grant("run.v2", "projects.locations.services.setIamPolicy",
                  resource="projects/{project}/locations/{location}/services/{name}"),
            local={"name": "stands in the call's path"},
        ),
        id="projects/{project}/locations/{location}/services/{name}/{role}/{member}",
        references={"name": Ref(FUNCTION, by=("name",))},
        rules=(BINDING,),
        immutable=ALL,
    ),
)  # fmt: skip
