"""What a resource stands on and in whose way it is: references that must exist, names that must be free."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from infra.rehearsal.core.account import Account, Object
from infra.rehearsal.core.cloud import Cloud, own_name
from infra.rehearsal.core.judge import Refusal
from infra.rehearsal.core.kinds import Kind, Ref
from infra.rehearsal.core.templates import filled
from infra.rehearsal.core.values import UNKNOWN, at

BROUGHT = "*"
"""The type of what is there before the stack, whatever it is (see `Account.bring`)."""


def referred(
    cloud: Cloud, account: Account, kind: Kind, inputs: Mapping[str, Any], facts: Mapping[str, Any]
) -> tuple[list[Refusal], list[tuple[str, str]]]:
    """(what is referred to and does not exist, (token, id) of what the resource holds on to)."""
    refusals: list[Refusal] = []
    held: list[tuple[str, str]] = []
    for path, refs in kind.references.items():
        for value in at(inputs, path):
            if value is UNKNOWN or not isinstance(value, str) or not value:
                continue
            candidates = refs if isinstance(refs, tuple) else (refs,)
            found = next((hit for ref in candidates if (hit := _found(account, ref, value)) is not None), None)
            if isinstance(found, Object):
                if any(ref.holds for ref in candidates if found.token in ref.kinds):
                    held.append((found.token, found.id))
            elif found is None:
                known = {**facts, "what": own_name(candidates[0].kinds[0]), "value": value, "id": value, "path": path}
                refusals.append(Refusal(path, str(filled(cloud.messages.missing, known))))
    return refusals, held


def _found(account: Account, ref: Ref, value: str) -> Object | bool | None:
    if ref.skips and re.match(ref.skips, value):
        return True
    for token in (*ref.kinds, BROUGHT):
        if (direct := account.get(token, value)) is not None:
            return direct
        for item in account.objects(token, with_brought=True):
            names = {item.id, *(str(item.outputs.get(name)) for name in ref.by if item.outputs.get(name))}
            if value in names or any(_wraps(value, name) for name in names):
                return item
    return None


def _wraps(value: str, name: str) -> bool:
    """Whether a path, URL or ARN contains the name as a whole part: `host/name:tag`, `projects/p/networks/name`."""
    return len(name) > 2 and re.search(rf"(^|[/:]){re.escape(name)}([/:@?#]|$)", value) is not None


def taken(account: Account, kind: Kind, made: Object, facts: Mapping[str, Any]) -> Iterator[Refusal]:
    """Names that something else already has."""
    for unique in kind.unique:
        own = _named(made, unique.inputs)
        if not any(own):
            continue
        for other in account.objects(kind.token, with_brought=True):
            if other.id == made.id and other.urn == made.urn:
                continue
            if unique.scope == "region" and other.scope != made.scope:
                continue
            if _named(other, unique.inputs) == own:
                known = {**facts, **made.inputs, "value": ", ".join(map(str, own)), "id": made.id}
                yield Refusal(unique.inputs[0], str(filled(unique.message, known)))


def _named(item: Object, paths: tuple[str, ...]) -> list[Any]:
    return [value for path in paths for value in (at(item.outputs, path) or at(item.inputs, path) or [None])]
