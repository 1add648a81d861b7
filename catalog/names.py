"""Cloud names out of ours: within each cloud's limits, readable, the same at every run.

A name that fits stays as it is. One that is too long keeps its beginning and ends in eight hexadecimal digits of its
whole, so that two long names never become one and a name never changes by itself.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

HASH_LENGTH = 8


@dataclass(frozen=True, slots=True)
class NameRule:
    """What a cloud takes for a name of one kind.

    `what` names the kind in errors. `separator` stands between the parts ("" where only letters and digits may stand).
    `source` is the page that states the limit.
    """

    what: str
    max_length: int
    source: str
    min_length: int = 1
    separator: str = "-"


def name_for(rule: NameRule, *parts: str) -> str:
    """A thing's name: its parts, lower case, joined, within the rule; from a letter to a letter or digit."""
    whole = rule.separator.join(filter(None, (_plain(part, rule.separator) for part in parts)))
    if not whole[:1].isalpha():
        whole = f"x{whole}"
    if rule.min_length <= len(whole) <= rule.max_length:
        return whole
    return _with_digest(rule, whole, rule.separator.join(parts))


def unique_name_for(rule: NameRule, *parts: str, scope: str) -> str:
    """A name that no other account or stack makes: it always ends in a digest of `scope` and the parts.

    `scope` is what tells owners apart: an account, a project, a subscription, with the stack and the region.
    """
    whole = rule.separator.join(filter(None, (_plain(part, rule.separator) for part in parts)))
    return _with_digest(rule, whole if whole[:1].isalpha() else f"x{whole}", "\0".join([scope, *parts]))


def _with_digest(rule: NameRule, whole: str, seed: str) -> str:
    digest = hashlib.sha256(seed.encode()).hexdigest()[:HASH_LENGTH]
    room = rule.max_length - HASH_LENGTH - len(rule.separator)
    head = whole[:room].rstrip(rule.separator or None)
    return f"{head}{rule.separator}{digest}"


def _plain(part: str, separator: str) -> str:
    return re.sub(r"[^a-z0-9]+", separator, part.lower()).strip(separator or None)
