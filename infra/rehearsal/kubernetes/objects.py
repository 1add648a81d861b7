"""Kubernetes objects as plain data: what names them, what of a declaration the server stored, what drifted from it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

AUTONAMED = "pulumi.com/autonamed"
PATCH_FORCE = "pulumi.com/patchForce"
IDENTITY = ("apiVersion", "kind", "metadata.name", "metadata.namespace")
"""Leaves that no manager owns: they say which object it is."""

_SERVERS_OWN = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink")


@dataclass(frozen=True, slots=True)
class Ref:
    """Which object. `namespace` is empty for kinds that lie in none."""

    api_version: str
    kind: str
    namespace: str
    name: str

    @property
    def id(self) -> str:
        """As the provider writes it."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    @property
    def group(self) -> str:
        return self.api_version.rpartition("/")[0]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


def ref(body: Mapping[str, Any]) -> Ref:
    metadata = body.get("metadata") or {}
    return Ref(body["apiVersion"], body["kind"], metadata.get("namespace") or "", metadata.get("name") or "")


def named(body: Mapping[str, Any], name: str, seed: bytes, old: Mapping[str, Any]) -> dict[str, Any]:
    """`body` with a name of its own where it has none: the old one, else the logical name and eight random digits."""
    metadata = dict(body.get("metadata") or {})
    if not metadata.get("name"):
        had = old.get("metadata") or {}
        is_kept = (had.get("annotations") or {}).get(AUTONAMED) == "true"
        metadata["name"] = had["name"] if is_kept else f"{name}-{seed.hex()[:8].ljust(8, '0')}"
        metadata["annotations"] = {**(metadata.get("annotations") or {}), AUTONAMED: "true"}
    return {**body, "metadata": metadata}


def identity(body: Mapping[str, Any]) -> tuple[Any, ...]:
    """Which object a declaration is; another version of its API is still the same one."""
    metadata = body.get("metadata") or body  # a chart's release has its name at the top
    group = str(body.get("apiVersion") or "").rpartition("/")[0]
    return group, body.get("kind"), metadata.get("name"), metadata.get("namespace")


def bare(at: Ref) -> dict[str, Any]:
    """The object with nothing in it."""
    namespace = {"namespace": at.namespace} if at.namespace else {}
    return {"apiVersion": at.api_version, "kind": at.kind, "metadata": {"name": at.name, **namespace}}


def imported(token: str, id: str) -> Ref:
    """What an import's id ("namespace/name" or "name") names, of the kind that the type says."""
    group, _, kind = token.removeprefix("kubernetes:").partition(":")
    namespace, _, name = id.rpartition("/")
    short, _, version = group.partition("/")
    full = "" if short == "core" else short
    return Ref(f"{full}/{version}" if full else version, kind, namespace, name)


def without_secrets(body: Mapping[str, Any]) -> dict[str, Any]:
    """What may be noted in a plain file."""
    is_secret = body.get("kind") == "Secret"
    return {key: value for key, value in body.items() if not (is_secret and key in ("data", "stringData"))}


def forces(body: Mapping[str, Any]) -> bool:
    return ((body.get("metadata") or {}).get("annotations") or {}).get(PATCH_FORCE) == "true"


def is_autonamed(body: Mapping[str, Any]) -> bool:
    return ((body.get("metadata") or {}).get("annotations") or {}).get(AUTONAMED) == "true"


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted path without indices, value) of everything that a declaration says."""
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple) and value:
        for item in value:
            yield from leaves(item, path)
    else:
        yield path, value


def unstored(declared: Mapping[str, Any], stored: Mapping[str, Any], manager: str) -> frozenset[str]:
    """Paths of `declared` that the server does not count among the fields that `manager` set on `stored`."""
    owned: dict[str, Any] = {}
    for entry in stored.get("metadata", {}).get("managedFields") or ():
        if entry.get("manager") == manager and not entry.get("subresource"):
            owned = _merged(owned, entry.get("fieldsV1") or {})
    missing = frozenset(_missing(declared, owned, ""))
    return missing - frozenset(IDENTITY)


def _missing(declared: Any, fields: Mapping[str, Any], path: str) -> Iterator[str]:
    if isinstance(declared, Mapping) and declared:
        for key, item in declared.items():
            below = f"{path}.{key}" if path else str(key)
            if (owned := fields.get(f"f:{key}")) is None:
                yield from (leaf for leaf, _ in leaves(item, below))
            elif owned:  # empty: a leaf, or a value that is taken as a whole
                yield from _missing(item, owned, below)
    elif isinstance(declared, list | tuple):
        for item in declared:
            if (owned := _item(item, fields)) is None:
                yield from (leaf for leaf, _ in leaves(item, path))
            elif owned:
                yield from _missing(item, owned, path)


def _item(item: Any, fields: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The fields of a list's item, which are kept under its keys (k:), its value (v:) or its place (i:)."""
    for name, owned in fields.items():
        kind, _, text = name.partition(":")
        if kind == "v" and json.loads(text) == item:
            return {}
        if kind == "k" and isinstance(item, Mapping):
            keys = json.loads(text)
            # What the item does not say, the server filled in with the default.
            if any(key in item for key in keys) and all(item.get(key, value) == value for key, value in keys.items()):
                return dict(owned)
    return None


def _merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    both = dict(one)
    for key, value in other.items():
        both[key] = _merged(both[key], value) if key in both else value
    return both


def visible(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Without the list of managers: what a program may read."""
    metadata = {key: value for key, value in stored["metadata"].items() if key != "managedFields"}
    return {**stored, "metadata": metadata}


def says_the_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two states of an object differ only in what the server notes down for itself."""
    return _said(one) == _said(other)


def _said(stored: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {key: value for key, value in stored["metadata"].items() if key not in _SERVERS_OWN}
    return {**{key: value for key, value in stored.items() if key != "status"}, "metadata": metadata}


def as_inputs(stored: Mapping[str, Any]) -> dict[str, Any]:
    """What a program would have to declare to get `stored`: for an import."""
    return _said(stored)


def drifted(declared: Any, live: Any, wanted: Any) -> Any:
    """`declared`, with the live value wherever applying it would change something (`wanted`: what that would give)."""
    if live == wanted:
        return declared
    if isinstance(declared, Mapping) and isinstance(live, Mapping) and isinstance(wanted, Mapping):
        return {key: drifted(item, live[key], wanted.get(key)) for key, item in declared.items() if key in live}
    if _are_lists(declared, live, wanted) and len(declared) == len(live) == len(wanted):
        return [drifted(*items) for items in zip(declared, live, wanted, strict=True)]
    return live


def _are_lists(*values: Any) -> bool:
    return all(isinstance(value, Sequence) and not isinstance(value, str) for value in values)
