"""Values as the engine writes them, in messages and in JSON, as plain data: UNKNOWN, SECRET, numbers as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from policies.resources import SECRET, UNKNOWN

SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"
_ASSET = "c44067f5952c0a294b673a41bacd8c17"
_ARCHIVE = "0def7320c3a5731c473e5ecbe6d01bc7"
_REFERENCE = "5cf8f73096256a8f31e491e813e4eb8e"
_OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
_UNKNOWNS = frozenset(
    {
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",  # a truth value
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",  # a number
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",  # a text, and whatever else
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",  # a list
        "030794c1-ac77-496b-92df-f27374a8bd58",  # an asset
        "e48ece36-62e2-4504-bad9-02848725956a",  # an archive
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",  # a mapping
    }
)
"""The engine's marks: sdk/go/common/resource/properties.go and plugin/rpc.go of github.com/pulumi/pulumi."""
MASKED = "[secret]"
"""What `pulumi preview --json` writes for a secret."""


def plain(value: Any) -> Any:
    """A value out of JSON, or out of a message's Struct. What is None is absent."""
    if isinstance(value, str):
        return UNKNOWN if value in _UNKNOWNS else SECRET if value == MASKED else value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return _special(value) if SIGNATURE in value else properties(value)
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def properties(values: Mapping[str, Any]) -> dict[str, Any]:
    """A resource's inputs. The engine's own keys (`__provider` and such) are no properties."""
    return {
        key: plain(value)
        for key, value in values.items()
        if value is not None and not (isinstance(key, str) and key.startswith("__"))
    }


def _special(value: Mapping[str, Any]) -> Any:
    match value[SIGNATURE]:
        case s if s == _SECRET:
            return SECRET
        case s if s == _OUTPUT:
            return SECRET if value.get("secret") else plain(value["value"]) if "value" in value else UNKNOWN
        case s if s == _REFERENCE:
            return plain(value.get("id") or value.get("urn"))
        case s if s in (_ASSET, _ARCHIVE):
            return {key: plain(item) for key, item in value.items() if key in ("path", "uri", "text", "assets")}
    return properties({key: item for key, item in value.items() if key != SIGNATURE})
