"""The JSON schema of a stack file, keyed as in the file, for editors and for review tools."""

from __future__ import annotations

from typing import Any

from infra.settings.explain import PREFIX
from infra.settings.model import SECRET_KEYS, STACKS, Settings, as_schema


def stack_file_schema() -> dict[str, Any]:
    """Draft 2020-12. Keys of other namespaces are allowed under `config`; unknown `skywright:` keys are not."""
    whole = as_schema(Settings)
    properties = {PREFIX + key: node for key, node in whole["properties"].items()}
    properties |= {PREFIX + key: _secret(meaning) for key, meaning in SECRET_KEYS.items()}
    config = {
        "type": "object",
        "properties": properties,
        "patternProperties": {f"^(?!{PREFIX}).+:.+$": {}},
        "additionalProperties": False,
        "required": [PREFIX + "cloud"],
        "allOf": [_of_cloud(cloud) for cloud in STACKS],
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A stack of skywright",
        "type": "object",
        "properties": {
            "secretsprovider": {"type": "string", "description": "who encrypts secrets: passphrase, or a cloud's key"},
            "encryptionsalt": {"type": "string"},
            "encryptedkey": {"type": "string"},
            "config": config,
        },
        "required": ["config"],
        "$defs": whole["$defs"],
    }


def _secret(meaning: str) -> dict[str, Any]:
    return {
        "type": "object",
        "description": f"{meaning}; set by `pulumi config set --secret`",
        "properties": {"secure": {"type": "string"}},
        "required": ["secure"],
        "additionalProperties": False,
    }


def _of_cloud(cloud: str) -> dict[str, Any]:
    """What holds only on one cloud: its regions, and whether one must be named."""
    schema = as_schema(STACKS[cloud])
    required = [PREFIX + "region"] if "region" in schema["required"] else []
    return {
        "if": {"properties": {PREFIX + "cloud": {"const": cloud}}, "required": [PREFIX + "cloud"]},
        "then": {"properties": {PREFIX + "region": schema["properties"]["region"]}, "required": required},
    }
