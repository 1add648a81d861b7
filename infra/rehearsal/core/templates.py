"""Ids, ARNs, URLs as templates: `arn:aws:kms:{region}:{account}:key/{id}`.

A name in braces is a fact (account, region, partition, project ...), an output made before, or an input, in this order.
`{hex:17}`, `{digits:10}`, `{letters:8}`, `{upper:16}` and `{uuid}` are drawn, the same ones for the same resource.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Mapping
from typing import Any

from infra.rehearsal.core.values import UNKNOWN

_HOLE = re.compile(r"\{(\w+)(?::(\d+))?\}")
_ALPHABETS = {
    "hex": "0123456789abcdef",
    "digits": "123456789",
    "letters": "abcdefghijklmnopqrstuvwxyz",
    "upper": "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
}


def filled(template: Any, facts: Mapping[str, Any], seed: str = "") -> Any:
    """The template, or the templates in it, filled in; UNKNOWN when a fact of it is. Raises KeyError for a fact that
    isn't there."""
    if isinstance(template, Mapping):
        return {key: filled(item, facts, seed) for key, item in template.items()}
    if isinstance(template, list):
        return [filled(item, facts, seed) for item in template]
    if not isinstance(template, str):
        return template
    names = [match[1] for match in _HOLE.finditer(template) if match[1] not in _ALPHABETS and match[1] != "uuid"]
    if any(facts.get(name) is UNKNOWN for name in names):
        return UNKNOWN
    if len(names) == 1 and template == f"{{{names[0]}}}":
        return facts[names[0]]
    return _HOLE.sub(lambda match: _hole(match, facts, f"{seed}/{template}"), template)


def drawn(alphabet: str, count: int, seed: str) -> str:
    """`count` characters of the alphabet, by the seed."""
    signs = _ALPHABETS[alphabet]
    number = int.from_bytes(hashlib.sha512(f"{seed}/{alphabet}/{count}".encode()).digest())
    chosen = ""
    for _ in range(count):
        number, index = divmod(number, len(signs))
        chosen += signs[index]
    return chosen


def drawn_uuid(seed: str) -> str:
    return str(uuid.UUID(bytes=hashlib.sha256(seed.encode()).digest()[:16], version=4))


def _hole(match: re.Match[str], facts: Mapping[str, Any], seed: str) -> str:
    name, count = match[1], match[2]
    if name == "uuid":
        return drawn_uuid(seed)
    if name in _ALPHABETS and count:
        return drawn(name, int(count), seed)
    return str(facts[name])
