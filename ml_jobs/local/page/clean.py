"""What may leave for the page: named fields only, short, and with anything that looks like a credential struck out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

STRUCK = "[withheld]"
LONGEST = 400

_CREDENTIAL = re.compile(
    r"eyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]+"  # a JSON Web Token
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(-----END [A-Z ]*PRIVATE KEY-----|$)"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"  # user:password in a URL
    r"|(?i:(?<=bearer ))[\w.~+/=-]{8,}"
)


def clean(value: Any) -> Any:
    """Strings without credentials and of at most LONGEST characters, through lists and mappings."""
    if isinstance(value, str):
        text = _CREDENTIAL.sub(STRUCK, value)
        return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
    if isinstance(value, Mapping):
        return {str(key): clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean(item) for item in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None  # JSON has no such number
    return value


def pick(record: Any, keys: Iterable[str]) -> dict[str, Any]:
    """The named fields of a record, cleaned; None for one that it lacks."""
    if not isinstance(record, Mapping):
        return dict.fromkeys(keys)
    return {key: clean(record.get(key)) for key in keys}


def rows(data: Any, key: str) -> list[Any]:
    """A list, or the list under `key`."""
    found = data.get(key) if isinstance(data, Mapping) else data
    return list(found) if isinstance(found, list | tuple) else []
