"""What changed between what a resource was and what it shall be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pulumi.provider.experimental.provider import DiffResponse, PropertyDiff, PropertyDiffKind

from infra.rehearsal.core.assets import is_asset
from infra.rehearsal.core.autoname import DEFAULTS
from infra.rehearsal.core.kinds import Kind
from infra.rehearsal.core.values import UNKNOWN


def difference(kind: Kind, olds: Mapping[str, Any], news: Mapping[str, Any], ignored: frozenset[str]) -> DiffResponse:
    """`olds`, `news`: inputs. A value that isn't known yet may be another one."""
    found: dict[str, PropertyDiff] = {}
    replaces: list[str] = []
    for path, old, new in changed(olds, news):
        dotted = _without_indices(path)
        top = dotted.split(".")[0]
        if top in ignored or dotted in ignored:
            continue
        word = "ADD" if old is None else "DELETE" if new is None else "UPDATE"
        if kind.is_immutable(dotted):
            word += "_REPLACE"
            replaces.append(path)
        found[path] = PropertyDiff(PropertyDiffKind[word], input_diff=True)
    name = kind.autoname.input if kind.autoname else "name"
    keeps_name = olds.get(name) is not None and olds.get(name) == news.get(name) and name not in news.get(DEFAULTS, ())
    return DiffResponse(
        changes=bool(found),
        replaces=replaces,
        # Two things can't have one name: the old one goes first, as the engine's bridge does it.
        delete_before_replace=bool(replaces) and (kind.is_replaced_after_delete or (keeps_name and bool(kind.unique))),
        diffs=sorted({_without_indices(path).split(".")[0] for path in found}),
        detailed_diff=found,
    )


def changed(old: Any, new: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(path, old, new) of the leaves that differ. Null, empty and absent are one."""
    if is_asset(old) and is_asset(new) and _hash(old) and _hash(new):
        if _hash(old) != _hash(new):
            yield path, old, new
    elif isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in {**old, **new}:
            if key.startswith("__"):
                continue
            yield from changed(old.get(key), new.get(key), f"{path}.{key}" if path else key)
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            yield from changed(
                old[index] if index < len(old) else None, new[index] if index < len(new) else None, f"{path}[{index}]"
            )
    elif new is UNKNOWN or not _equal(old, new):
        yield path, old, new


def _equal(old: Any, new: Any) -> bool:
    return old == new or (old in (None, [], {}) and new in (None, [], {}))


def _without_indices(path: str) -> str:
    while "[" in path:
        start = path.index("[")
        path = path[:start] + path[path.index("]", start) + 1 :]
    return path


def _hash(asset: Any) -> str:
    return str(asset.get("hash", "")) if isinstance(asset, Mapping) else ""
