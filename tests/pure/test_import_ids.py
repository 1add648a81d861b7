"""Ids that names tell, and what an interrupted run left in a stack's export."""

from __future__ import annotations

from typing import Any

import pytest

from catalog.import_ids import UNKNOWN, Answer, facts_of, import_id, told
from infra.engine.pending import pending


@pytest.mark.parametrize(
    ("token", "inputs", "id"),
    [
        ("aws:s3/bucket:Bucket", {"bucket": "b"}, "b"),
        ("aws:iam/rolePolicy:RolePolicy", {"role": "r", "name": "p"}, "r:p"),
        ("aws:iam/rolePolicy:RolePolicy", {"role": UNKNOWN, "name": "p"}, None),
        ("aws:iam/rolePolicy:RolePolicy", {"name": "p"}, None),
        ("aws:ec2/vpc:Vpc", {"cidrBlock": "10.0.0.0/16"}, None),
        ("kubernetes:core/v1:ConfigMap", {"metadata": {"name": "c", "namespace": "n"}}, "n/c"),
        ("kubernetes:core/v1:Namespace", {"metadata": {"name": "n"}}, "n"),
        ("kubernetes:core/v1:Namespace", {"metadata": {}}, None),
        ("kubernetes:core/v1:ConfigMap", {"metadata": {"name": "c", "namespace": UNKNOWN}}, None),
        ("kubernetes:helm.sh/v3:Release", {"name": "r", "namespace": "n"}, "n/r"),
        (
            "gcp:kms/keyRing:KeyRing",
            {"project": "p", "location": "l", "name": "r"},
            "projects/p/locations/l/keyRings/r",
        ),
        (
            "gcp:storage/bucketIAMMember:BucketIAMMember",
            {"bucket": "b", "role": "roles/r", "member": "user:m", "condition": {"title": "t", "expression": "true"}},
            "b/b roles/r user:m t",
        ),
        ("gcp:projects/iAMMember:IAMMember", {"project": "p", "role": "roles/r", "member": UNKNOWN}, None),
        ("gcp:monitoring/alertPolicy:AlertPolicy", {"project": "p", "displayName": "d"}, None),
        ("azure-native:keyvault:Vault", {"resourceGroupName": "g", "vaultName": "v"}, None),
    ],
)
def test_an_id_is_made_of_known_names_alone(token: str, inputs: dict[str, Any], id: str | None) -> None:
    assert import_id(token, inputs) == id


def test_a_subscription_is_that_of_the_provider_or_of_the_built_in_roles_that_are_granted() -> None:
    group = {"resourceGroupName": "g"}
    role = "/subscriptions/s/providers/Microsoft.Authorization/roleDefinitions/r"
    granted = ("azure-native:authorization:RoleAssignment", {"roleDefinitionId": role})
    other = (
        "azure-native:authorization:RoleAssignment",
        {"roleDefinitionId": "/subscriptions/x/resourceGroups/" + role},
    )
    assert facts_of([other, granted]) == {"subscription": "s"} and facts_of([other]) == {}
    provider = ("pulumi:providers:azure-native", {"subscriptionId": "own"})
    assert facts_of([granted, provider]) == {"subscription": "own"}
    id = import_id("azure-native:resources:ResourceGroup", group, facts_of([granted]))
    assert id == "/subscriptions/s/resourceGroups/g"


def test_what_is_not_told_says_whether_it_follows_is_made_by_up_or_is_looked_up_where() -> None:
    ring = {"project": "p", "location": "l", "name": "ring-1a2b3c4", "__defaults": ["name", "project"]}
    looked_up = told("gcp:kms/keyRing:KeyRing", ring)
    assert looked_up.id is None and not looked_up.is_later and "--project=p --location=l" in looked_up.note
    later = told("gcp:kms/cryptoKey:CryptoKey", {"keyRing": UNKNOWN, "name": "k"})
    assert later.is_later and "keyRing" in later.note
    assert told("gcp:kms/cryptoKey:CryptoKey", {"keyRing": "r", "name": "k"}) == Answer("r/cryptoKeys/k")
    assert told("gcp:storage/bucketObject:BucketObject", {}).is_by_up
    assert told("pulumi-python:dynamic/gcp:VertexDeployments", {}).is_by_up
    assert "? is subscription" in told("azure-native:keyvault:Vault", {"resourceGroupName": "g", "vaultName": "v"}).note
    assert told("nobody:knows/this:Type", {}).note
    made_up = {"metadata": {"name": "c-1a2b", "annotations": {"pulumi.com/autonamed": "true"}}}
    assert told("kubernetes:core/v1:ConfigMap", made_up).id is None


def test_pending_creations_are_found_with_their_ids_and_dynamic_ones_left_to_their_providers() -> None:
    def operation(kind: str, token: str, inputs: dict[str, Any]) -> dict[str, Any]:
        return {"type": kind, "resource": {"urn": f"urn::{token}", "type": token, "inputs": inputs}}

    export = {
        "deployment": {
            "resources": [{"type": "pulumi:providers:azure-native", "inputs": {"subscriptionId": "s"}}],
            "pending_operations": [
                operation("creating", "aws:s3/bucket:Bucket", {"bucket": "b"}),
                operation("creating", "aws:ec2/vpc:Vpc", {}),
                operation("creating", "azure-native:keyvault:Vault", {"resourceGroupName": "g", "vaultName": "v"}),
                operation("creating", "pulumi-python:dynamic/local:Service", {}),
                operation("updating", "aws:kms/alias:Alias", {"name": "alias/a"}),
            ],
        }
    }
    assert [(item.type, item.id) for item in pending(export)] == [
        ("aws:s3/bucket:Bucket", "b"),
        ("aws:ec2/vpc:Vpc", None),
        ("azure-native:keyvault:Vault", "/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/v"),
    ]
    assert pending({}) == [] and pending({"deployment": {}}) == []
