"""What Google Cloud takes for the names that people, policies and jobs refer by."""

from __future__ import annotations

import hashlib

from catalog.names import NameRule

_COMPUTE = "https://cloud.google.com/compute/docs/naming-resources"

COMPUTE = NameRule("Compute Engine resource", 63, _COMPUTE)
NETWORK_TAG = NameRule("network tag", 63, "https://cloud.google.com/vpc/docs/add-remove-network-tags#restrictions")
SERVICE_ACCOUNT = NameRule(
    "service account", 30, "https://cloud.google.com/iam/docs/service-accounts-create", min_length=6
)
CUSTOM_ROLE = NameRule(
    "custom role", 64, "https://cloud.google.com/iam/docs/creating-custom-roles", min_length=3, separator="_"
)
KEY = NameRule(
    "KMS key", 63, "https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings.cryptoKeys/create"
)
BUCKET = NameRule("Cloud Storage bucket", 63, "https://cloud.google.com/storage/docs/buckets#naming", min_length=3)
REPOSITORY = NameRule(
    "Artifact Registry repository", 63, "https://cloud.google.com/artifact-registry/docs/repositories/create-repos"
)
MODEL = NameRule(
    "Vertex model", 63, "https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.models/upload"
)
DISPLAY = NameRule(
    "display name", 60, "https://cloud.google.com/billing/docs/reference/budget/rest/v1/billingAccounts.budgets"
)
CLUSTER = NameRule(
    "GKE cluster", 40, "https://cloud.google.com/kubernetes-engine/docs/reference/rest/v1/projects.locations.clusters"
)
NODE_POOL = NameRule(
    "GKE node pool",
    40,
    "https://cloud.google.com/kubernetes-engine/docs/reference/rest/v1/projects.locations.clusters.nodePools",
)
LOG_BUCKET = NameRule("log bucket", 100, "https://cloud.google.com/logging/docs/buckets")
LOG_METRIC = NameRule(
    "log-based metric", 100, "https://cloud.google.com/logging/docs/reference/v2/rest/v2/projects.metrics"
)
LOG_SINK = NameRule("log sink", 100, "https://cloud.google.com/logging/docs/reference/v2/rest/v2/projects.sinks")
TOPIC = NameRule(
    "Pub/Sub topic", 255, "https://cloud.google.com/pubsub/docs/pubsub-basics#resource_names", min_length=3
)
FUNCTION = NameRule(
    "Cloud Run function", 63, "https://cloud.google.com/functions/docs/reference/rest/v2/projects.locations.functions"
)
DATASET = NameRule(
    "BigQuery dataset", 1024, "https://cloud.google.com/bigquery/docs/datasets#dataset-naming", separator="_"
)


def number_of(*parts: str) -> str:
    """A number of ten digits out of the parts, the same at every run: Vertex takes nothing else for the ids of
    endpoints and deployed models."""
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    return str(10**9 + int(digest, 16) % (9 * 10**9))
