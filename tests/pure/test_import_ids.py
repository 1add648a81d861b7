"""Ids that names tell, and what an interrupted run left in a stack's export."""

from __future__ import annotations

from typing import Any

import pytest

from catalog.import_ids import UNKNOWN, import_id
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
        ("kubernetes:helm.sh/v3:Release", {"name": "r", "namespace": "n"}, "n/r"),
    ],
)
def test_an_id_is_made_of_known_names_alone(token: str, inputs: dict[str, Any], id: str | None) -> None:
    assert import_id(token, inputs) == id


def test_pending_creations_are_found_with_their_ids_and_dynamic_ones_left_to_their_providers() -> None:
    def operation(kind: str, token: str, inputs: dict[str, Any]) -> dict[str, Any]:
        return {"type": kind, "resource": {"urn": f"urn::{token}", "type": token, "inputs": inputs}}

    export = {
        "deployment": {
            "pending_operations": [
                operation("creating", "aws:s3/bucket:Bucket", {"bucket": "b"}),
                operation("creating", "aws:ec2/vpc:Vpc", {}),
                operation("creating", "pulumi-python:dynamic/local:Service", {}),
                operation("updating", "aws:kms/alias:Alias", {"name": "alias/a"}),
            ]
        }
    }
    assert [(item.type, item.id) for item in pending(export)] == [
        ("aws:s3/bucket:Bucket", "b"),
        ("aws:ec2/vpc:Vpc", None),
    ]
    assert pending({}) == [] and pending({"deployment": {}}) == []
