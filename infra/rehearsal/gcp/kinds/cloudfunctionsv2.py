"""Functions."""

from __future__ import annotations

from infra.rehearsal.core.kinds import Kind, Ref, Unique
from infra.rehearsal.core.operations import Calls
from infra.rehearsal.gcp.kinds.pubsub import TOPIC
from infra.rehearsal.gcp.kinds.storage import BUCKET
from infra.rehearsal.gcp.requests import named, operation, within

FUNCTION = "gcp:cloudfunctionsv2/function:Function"
FUNCTIONS = "https://cloud.google.com/functions/docs/reference/rest/v2/projects.locations.functions"
ACCOUNT = Ref("gcp:serviceaccount/account:Account", by=("email", "name"))

KINDS: tuple[Kind, ...] = (
    Kind(
        FUNCTION,
        judge=Calls(
            "discovery cloudfunctions.v2",
            operation(
                "cloudfunctions.v2",
                "projects.locations.functions.create",
                {"name": "functionId"},
                fixed={"parent": "projects/{project}/locations/{location}"},
            ),
        ),
        id="projects/{project}/locations/{location}/functions/{name}",
        outputs={"url": "https://{location}-{project}.cloudfunctions.net/{name}", "state": "ACTIVE"},
        references={
            "buildConfig.source.storageSource.bucket": Ref(BUCKET, by=("name",)),
            "buildConfig.serviceAccount": ACCOUNT,
            "serviceConfig.serviceAccountEmail": ACCOUNT,
            "eventTrigger.pubsubTopic": Ref(TOPIC, by=("name",), holds=True),
        },
        unique=(Unique(("name",), "googleapi: Error 409: Could not create function, it exists already"),),
        rules=(
            named("name", r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", FUNCTIONS),
            named("buildConfig.runtime", r"(python3\d+|nodejs\d+|go\d+|java\d+|ruby\d+|php\d+|dotnet\d+)", FUNCTIONS),
            within("serviceConfig.timeoutSeconds", 1, 3600, FUNCTIONS),
        ),
        immutable=frozenset({"name", "location", "project"}),
    ),
)
