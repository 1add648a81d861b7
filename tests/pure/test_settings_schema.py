"""The JSON schema of stack files agrees with the settings."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from infra.settings import from_file
from infra.settings.schema import stack_file_schema
from infra.yamltext import parse

STACKS = Path(__file__).parents[2] / "stacks"
EXAMPLES = (
    "local", "aws-dev", "aws-prod", "aws-cluster", "gcp-dev", "gcp-prod", "azure-dev", "azure-prod", "kubernetes-dev",
    "kubernetes-prod",
)  # fmt: skip


@pytest.fixture(scope="module")
def validator() -> Any:
    schema = stack_file_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("stack", EXAMPLES)
def test_examples_are_valid(validator: Any, stack: str) -> None:
    validator.validate(parse((STACKS / f"Pulumi.{stack}.yaml").read_text()))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("skywright:cloud", "awz"), ("skywright:region", "us-east1"), ("skywright:region", None),
        ("skywright:trainin", {}), ("skywright:environment", "production"), ("skywright:training", {"pool": {}}),
        ("skywright:training", {"pools": {"g": {"max_count": 0}}}), ("skywright:webhookToken", "clear"),
        ("skywright:local", {"spot_market": {"kind": "never"}}), ("skywright:network", {"zones": 7}),
    ],
)  # fmt: skip
def test_what_the_settings_refuse_the_schema_refuses(validator: Any, tmp_path: Path, key: str, value: Any) -> None:
    document = parse((STACKS / "Pulumi.aws-dev.yaml").read_text())
    wrong = copy.deepcopy(document)
    wrong["config"][key] = value
    if value is None:
        del wrong["config"][key]
    assert not validator.is_valid(wrong)
    path = tmp_path / "Pulumi.x.yaml"
    import json

    path.write_text(json.dumps(wrong))
    with pytest.raises(Exception, match=key):
        from_file(path)
    wrong["config"] = {**document["config"], "aws:profile": "x", "skywright:webhookToken": {"secure": "v1:x"}}
    validator.validate(wrong)
