"""Buckets and storage accounts, with what is declared beside them."""

from __future__ import annotations

from policies.graph import Node
from policies.rules.demands import beside

S3 = ("aws:s3/bucket:Bucket", "aws:s3/bucketV2:BucketV2")
GCS = "gcp:storage/bucket:Bucket"
ACCOUNT = "azure-native:storage:StorageAccount"
CONTAINERS = ("azure-native:storage:BlobContainer", "azure-native:storage:FileShare")
FLOW_LOG = "azure-native:network:FlowLog"

VERSIONING = ("aws:s3/bucketVersioning:BucketVersioning", "aws:s3/bucketVersioningV2:BucketVersioningV2")
LIFECYCLE = (
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
    "aws:s3/bucketLifecycleConfigurationV2:BucketLifecycleConfigurationV2",
)
LOGGING = ("aws:s3/bucketLogging:BucketLogging", "aws:s3/bucketLoggingV2:BucketLoggingV2")
BLOBS = "azure-native:storage:BlobServiceProperties"
MANAGEMENT = "azure-native:storage:ManagementPolicy"


def beside_bucket(bucket: Node, types: tuple[str, ...]) -> list[Node]:
    return beside(bucket, types, "bucket")


def beside_account(account: Node, kind: str) -> list[Node]:
    return beside(account, (kind,), "accountName")


def receives_logs(bucket: Node) -> bool:
    """Whether access logs of other buckets are delivered to it: named itself, or by what stands at it."""
    if bucket.is_of(*S3):
        joined = (node for logging in bucket.graph.of(*LOGGING) for node in logging.referred("targetBucket"))
        is_named = bool(beside(bucket, LOGGING, "targetBucket"))
        return is_named or any(node is bucket or bucket in node.referred("bucket") for node in joined)
    return bool(bucket.referrers(GCS, by="logging"))


def holds_flow_logs_alone(account: Node) -> bool:
    """Network Watcher appends to its blobs every minute: a version of each would be the log many times over."""
    has_containers = any(beside_account(account, kind) for kind in CONTAINERS)
    return bool(account.referrers(FLOW_LOG, by="storageId")) and not has_containers
