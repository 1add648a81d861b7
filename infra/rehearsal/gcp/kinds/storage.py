"""Buckets, objects, and who may touch them."""

from __future__ import annotations

from infra.rehearsal.core.fit import Local
from infra.rehearsal.core.kinds import ALL, Kind, Ref, Unique
from infra.rehearsal.core.operations import Calls
from infra.rehearsal.gcp.kinds.kms import KEY
from infra.rehearsal.gcp.requests import BINDING, grant, named, operation

BUCKET = "gcp:storage/bucket:Bucket"
BUCKETS = "https://cloud.google.com/storage/docs/buckets#naming"

KINDS: tuple[Kind, ...] = (
    Kind(
        BUCKET,
        judge=Calls(
            "discovery storage.v1",
            operation(
                "storage.v1",
                "buckets.insert",
                {
                    "uniformBucketLevelAccess": "iamConfiguration.uniformBucketLevelAccess.enabled",
                    "publicAccessPrevention": "iamConfiguration.publicAccessPrevention",
                    "lifecycleRules": "lifecycle.rule",
                    "lifecycleRules.condition.withState": Local("ARCHIVED and LIVE become isLive"),
                },
            ),
        ),
        id="{name}",
        outputs={"url": "gs://{name}", "selfLink": "https://www.googleapis.com/storage/v1/b/{name}"},
        references={
            "encryption.defaultKmsKeyName": Ref(KEY, by=("name",)),
            "logging.logBucket": Ref("gcp:storage/bucket:Bucket", by=("name",), holds=False),
        },
        unique=(Unique(("name",), "googleapi: Error 409: The requested bucket name is not available.", "global"),),
        rules=(named("name", r"[a-z0-9][a-z0-9_.-]{1,61}[a-z0-9]", BUCKETS),),
        immutable=frozenset({"name", "location", "project"}),
    ),
    Kind(
        "gcp:storage/bucketIAMMember:BucketIAMMember",
        judge=Calls(
            "discovery storage.v1",
            grant("storage.v1", "buckets.setIamPolicy", is_bare=True, bucket="{bucket}"),
            local={"bucket": "stands in the call's path"},
        ),
        id="b/{bucket}/{role}/{member}",
        references={"bucket": Ref(BUCKET, by=("name",))},
        rules=(BINDING,),
        immutable=ALL,
    ),
    Kind(
        "gcp:storage/bucketObject:BucketObject",
        judge=Calls(
            "discovery storage.v1",
            operation("storage.v1", "objects.insert", {"source": Local("the upload itself, not its metadata")}),
            local={"detectMd5hash": "the provider's own: how it sees a change"},
        ),
        id="{bucket}-{name}",
        outputs={"outputName": "{name}", "md5hash": "{hex:32}"},
        references={"bucket": Ref(BUCKET, by=("name",), holds=True), "kmsKeyName": Ref(KEY, by=("name",))},
        immutable=frozenset({"name", "bucket", "source", "kmsKeyName"}),
    ),
)
