"""A secret of a preview or an export is in no face, whatever rule looks at it (tier: pure)."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from infra import reviewing
from infra.cli.review import FACES
from infra.settings import from_file
from policies.readers import json_files
from tests.graph.harness import STACKS
from tests.policies.report import example

SIGNATURE = "4dabf18193072939515e22adb298388d"
"""By which the engine marks a secret in its files."""
WORD = "hunter2-never-shown"
URN = "urn:pulumi:aws-prod::skywright::{type}::{name}"


def secret(value: Any = WORD) -> dict[str, Any]:
    return {SIGNATURE: "1b47061264138c4ac30d75fd1eb44270", "plaintext": json.dumps(value)}


def states() -> list[dict[str, Any]]:
    """Secrets where rules look and tell what they found: a switch, a whole mapping, an item of a list, a document."""
    inputs = {
        "aws:ec2/instance:Instance": {
            "userData": secret(),
            "metadataOptions": {"httpTokens": secret()},
            "tags": secret({"a": WORD}),
        },
        "aws:s3/bucket:Bucket": {
            "acl": secret(),
            "serverSideEncryptionConfiguration": secret({"k": WORD}),
        },
        "aws:iam/policy:Policy": {"policy": secret(json.dumps({"Statement": [{"Action": "*", "Sid": WORD}]}))},
        "aws:ec2/securityGroup:SecurityGroup": {
            "ingress": [{"cidrBlocks": [secret("0.0.0.0/0")], "description": secret()}]
        },
        "aws:ecr/repository:Repository": {"imageTagMutability": secret()},
    }
    return [
        {"type": token, "urn": URN.format(type=token, name=f"r{index}"), "inputs": given}
        for index, (token, given) in enumerate(inputs.items())
    ]


@pytest.mark.parametrize("source", ["preview", "export"])
@pytest.mark.parametrize("face", [name for name in FACES if name != "oscal"])
def test_no_face_tells_it(face: str, source: str, tmp_path: Path) -> None:
    steps = [{"op": "create", "urn": state["urn"], "newState": state} for state in states()]
    data = {"steps": steps} if source == "preview" else {"deployment": {"resources": states()}}
    file = tmp_path / "read.json"
    file.write_text(json.dumps(data))
    assert len(json_files.read(file).resources) == 5
    settings = from_file(STACKS / "Pulumi.aws-prod.yaml")
    made = reviewing.review_of(settings, reviewing.subject_of(settings, tmp_path, file=file), now=example.NOW)
    assert any(item.resource == "r0" for item in made.findings)
    assert WORD not in importlib.import_module(f"policies.{FACES[face]}").render(made)
