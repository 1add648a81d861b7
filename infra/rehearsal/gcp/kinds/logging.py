"""Where logs go, and what is counted in them."""

from __future__ import annotations

from infra.rehearsal.core.fit import To
from infra.rehearsal.core.kinds import Kind, Ref, Unique
from infra.rehearsal.core.operations import Calls
from infra.rehearsal.gcp.kinds.kms import KEY
from infra.rehearsal.gcp.requests import named, operation, within

BUCKET = "gcp:logging/projectBucketConfig:ProjectBucketConfig"
BUCKETS = "https://cloud.google.com/logging/docs/buckets"
TAKEN = "googleapi: Error 409: {name} already exists, alreadyExists"

KINDS: tuple[Kind, ...] = (
    Kind(
        BUCKET,
        judge=Calls(
            "discovery logging.v2",
            operation(
                "logging.v2",
                "projects.locations.buckets.create",
                fixed={"parent": "projects/{project}/locations/{location}"},
            ),
        ),
        id="projects/{project}/locations/{location}/buckets/{bucketId}",
        outputs={"name": "{id}", "lifecycleState": "ACTIVE"},
        references={"cmekSettings.kmsKeyName": Ref(KEY, by=("name",))},
        unique=(Unique(("bucketId",), "googleapi: Error 409: {bucketId} already exists, alreadyExists"),),
        rules=(named("bucketId", r"[A-Za-z0-9_.-]{1,100}", BUCKETS), within("retentionDays", 1, 3650, BUCKETS)),
        immutable=frozenset({"bucketId", "location", "project"}),
    ),
    Kind(
        "gcp:logging/projectSink:ProjectSink",
        judge=Calls(
            "discovery logging.v2",
            operation("logging.v2", "projects.sinks.create", fixed={"parent": "projects/{project}"}),
        ),
        id="projects/{project}/sinks/{name}",
        outputs={"writerIdentity": "serviceAccount:service-{number}@gcp-sa-logging.iam.gserviceaccount.com"},
        references={"destination": Ref(BUCKET, by=("name",), holds=True, skips="(?!logging)")},
        unique=(Unique(("name",), TAKEN, "account"),),
        rules=(named("name", r"[A-Za-z0-9_.-]{1,100}", BUCKETS),),
        immutable=frozenset({"name", "project"}),
    ),
    Kind(
        "gcp:logging/metric:Metric",
        judge=Calls(
            "discovery logging.v2",
            operation("logging.v2", "projects.metrics.create", {"bucketName": To("bucketName", str)},
                      fixed={"parent": "projects/{project}"}),
        ),
        unique=(Unique(("name",), TAKEN, "account"),),
        immutable=frozenset({"name", "project"}),
    ),
)  # fmt: skip
