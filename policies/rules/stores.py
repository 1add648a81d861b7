"""Buckets and storage accounts, with what is declared beside them."""

from __future__ import annotations

import functools

from policies.graph import Graph, Node
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
        named = (bucket, *bucket.referrers(by="bucket"))
        return any(it.referrers(*LOGGING, by="targetBucket") for it in named) or bool(_delivered(bucket))
    return bool(bucket.referrers(GCS, by="logging"))


def _delivered(bucket: Node) -> list[Node]:
    """Settings that name it in plain text."""
    name = bucket.resource.props.get("bucket")
    return _by_target(bucket.graph).get(name, []) if isinstance(name, str) else []


@functools.lru_cache(maxsize=4)
def _by_target(graph: Graph) -> dict[str, list[Node]]:
    found: dict[str, list[Node]] = {}
    for node in graph.of(*LOGGING):
        if isinstance(target := node.resource.props.get("targetBucket"), str):
            found.setdefault(target, []).append(node)
    return found


def holds_flow_logs_alone(account: Node) -> bool:
    """Network Watcher appends to its blobs every minute: a version of each would be the log many times over."""
    has_containers = any(beside_account(account, kind) for kind in CONTAINERS)
    return bool(account.referrers(FLOW_LOG, by="storageId")) and not has_containers
