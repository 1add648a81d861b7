"""What is declared on Google Cloud (tier: graph); that its APIs take it is held in tests/rehearsal."""

from __future__ import annotations

import json
from typing import Any

import pytest

from catalog.errors import UserError
from tests.graph.foundation import settings_of
from tests.graph.harness import Graph, declare
from tests.graph.outputs_gcp import PROJECT

RELEASE = {
    "model": "digits", "version": 1, "artifact_url": "gs://b/model", "artifact_sha256": "ab" * 32,
    "image_digest": f"sha256:{'1d' * 32}", "weight_percent": 100,
}  # fmt: skip
POOLS = {"spot": {"accelerator": {"kind": "L4"}, "is_spot": True, "max_count": 3}, "cpu": {}}
ON_CLUSTER = {"training": {"runtime": "kubernetes", "pools": POOLS}}


def made(**sections: Any) -> Graph:
    return declare(settings_of(cloud="gcp", region="europe-west4", **sections))


def facts(graph: Graph) -> dict[str, str]:
    return {
        f"{item.type} {item.name}": json.dumps(item.inputs, sort_keys=True, default=str)
        for item in graph.resources
        if not item.type.startswith(("skywright:", "pulumi:")) and "source" not in item.inputs  # an archive has no text
    }


def test_nobody_owns_or_edits_the_project_and_no_role_has_a_wildcard() -> None:
    for item in made(**ON_CLUSTER).resources:
        assert item.inputs.get("role") not in ("roles/owner", "roles/editor"), item.name
        assert not any("*" in permission for permission in item.inputs.get("permissions", ())), item.name


def test_only_the_approver_signs() -> None:
    grants = made().of(":CryptoKeyIAMMember").values()
    signers = [item.inputs["member"] for item in grants if "signer" in item.inputs["role"]]
    assert signers == [f"serviceAccount:skywright-test-approver@{PROJECT}.iam.gserviceaccount.com"]


def test_jobs_write_no_folder_that_is_reserved() -> None:
    grants = made().of(":BucketIAMMember")
    expression = grants["storage-artifacts-training-creator"].inputs["condition"]["expression"]
    for folder in ("approvals", "audit", "skywright"):
        assert '!resource.name.startsWith("projects/_/buckets/skywright-test-artifacts-' in expression
        assert f"/objects/{folder}/" in expression


def test_buckets_are_closed_versioned_and_under_the_stacks_key() -> None:
    for bucket in made().of(":Bucket").values():
        assert bucket.inputs["publicAccessPrevention"] == "enforced"
        assert bucket.inputs["uniformBucketLevelAccess"] and bucket.inputs["versioning"]["enabled"]
        assert "/cryptoKeys/" in bucket.inputs["encryption"]["defaultKmsKeyName"]


def test_a_release_changes_the_endpoint_alone() -> None:
    before, after = facts(made()), facts(made(endpoint={"releases": {"v1": RELEASE}}))
    assert {key for key in after if before.get(key) != after[key]} == {
        "pulumi-python:dynamic/gcp:VertexDeployments endpoint-deployments"
    }
    assert before.keys() <= after.keys()


def test_another_pool_adds_a_node_pool_and_touches_no_other() -> None:
    more = {"training": {"runtime": "kubernetes", "pools": {**POOLS, "big": {"accelerator": {"kind": "H100"}}}}}
    before, after = facts(made(**ON_CLUSTER)), facts(made(**more))
    changed = {key for key in after if key.startswith("gcp:") and before.get(key) != after[key]}
    assert changed == {"gcp:container/nodePool:NodePool training-nodes-big"}


def test_spot_gpu_pools_start_at_zero_anywhere_and_take_nothing_else() -> None:
    pool = made(**ON_CLUSTER).of(":NodePool")["training-nodes-spot"].inputs
    assert pool["autoscaling"]["totalMinNodeCount"] == pool["initialNodeCount"] == 0
    assert pool["autoscaling"]["locationPolicy"] == "ANY"
    assert pool["nodeConfig"]["spot"] is True
    assert {taint["key"] for taint in pool["nodeConfig"]["taints"]} == {"nvidia.com/gpu", "cloud.google.com/gke-spot"}


def test_the_cluster_is_private_unless_its_api_is_public() -> None:
    (cluster,) = made(**ON_CLUSTER).of("gcp:container/cluster:Cluster").values()
    assert cluster.inputs["privateClusterConfig"]["enablePrivateEndpoint"] is True
    assert cluster.inputs["databaseEncryption"]["state"] == "ENCRYPTED"


def test_what_is_brought_is_not_made() -> None:
    existing = {
        "network": "ours", "subnetwork": "ours-private", "data_bucket": "our-data", "artifacts_bucket": "our-artifacts",
        "checkpoints_bucket": "our-checkpoints",
        "kms_key": "projects/p/locations/europe-west4/keyRings/r/cryptoKeys/k",
    }  # fmt: skip
    graph = made(gcp={"existing": existing})
    for kind in ("compute/network:Network", ":Subnetwork", ":RouterNat", ":Firewall", ":Bucket"):
        assert not graph.of(kind), kind
    assert graph.contract["storage"]["data"] == "gs://our-data"


def test_long_stacks_have_names_within_the_limits() -> None:
    graph = declare(settings_of(cloud="gcp", region="europe-west4", stack="s" * 30, **ON_CLUSTER))
    assert all(len(item.inputs["accountId"]) <= 30 for item in graph.of(":Account").values())
    assert all(len(item.inputs["name"]) <= 63 for item in graph.of(":Bucket").values())
    assert all(len(item.inputs["name"]) <= 40 for item in graph.of(":NodePool").values())


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"network": {"cidr": "10.0.0.0/24"}}, "a prefix from /8 to /20"),
        ({"network": {"zones": 5}}, "in europe-west4: 1 to 3"),
        ({"endpoint": {"releases": {"v1": {**RELEASE, "image_digest": None}}}}, "no image_digest"),
        ({"endpoint": {"min_replicas": 0}}, "keeps one replica"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_declared(sections: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        made(**sections)
