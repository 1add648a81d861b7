"""Resources out of `pulumi preview --json` and `pulumi stack export`, told apart by what stands in them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalog.errors import UserError
from policies.readers.values import properties
from policies.resources import STACK, Resource

GONE = frozenset({"delete", "delete-replaced", "discard", "discard-replaced", "read-discard", "remove-pending-replace"})
"""Steps of a preview after which the resource isn't there."""


@dataclass(frozen=True)
class Read:
    """`source`: `preview` or `export`. `before`: what a preview's steps start from; of an export nothing."""

    source: str
    resources: tuple[Resource, ...]
    before: tuple[Resource, ...] = ()
    config: Mapping[str, str] | None = None

    @property
    def stack(self) -> str | None:
        """The name that the URNs bear."""
        for resource in self.resources:
            if resource.urn.count("::") >= 3:
                return resource.urn.split("::")[0].rpartition(":")[2]
        return None


def read(path: Path) -> Read:
    """Read a file that the engine wrote. Raises UserError in one line for anything else."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it isn't text"
        raise UserError(
            f"{path}: can't be read: {why}",
            "Name a file of `pulumi preview --json --show-sames` or `pulumi stack export`.",
        ) from None
    try:
        data = json.loads(text)
    except ValueError as error:
        raise UserError(
            f"{path}: is not whole JSON: {error}",
            "Write it anew: pulumi preview --json --show-sames > FILE, or pulumi stack export --file FILE.",
        ) from None
    return of(data, str(path))


def of(data: Any, where: str) -> Read:
    """The same from what is read already."""
    try:
        if isinstance(data, Mapping) and isinstance(data.get("steps"), list):
            return Read("preview", tuple(_after(data["steps"])), tuple(_before(data["steps"])), data.get("config"))
        if isinstance(data, Mapping) and isinstance(data.get("deployment"), Mapping):
            states = data["deployment"].get("resources") or []
            return Read("export", tuple(_resource(it) for it in states if not it.get("delete") and it["type"] != STACK))
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{where}: a resource in it isn't as the engine writes it: {type(error).__name__} {error}",
            "Write the file anew with the engine that this release pins.",
        ) from None
    raise UserError(
        f"{where}: holds neither `steps` nor `deployment`; allowed: the JSON of a preview or of a stack's export",
        "Write it anew: pulumi preview --json --show-sames > FILE, or pulumi stack export --file FILE.",
    )


def _after(steps: list[Any]) -> Iterator[Resource]:
    """A replacement has several steps; the last one that has a new state tells."""
    last = {step["urn"]: step["newState"] for step in steps if step["op"] not in GONE and step.get("newState")}
    return (_resource(state) for state in last.values() if state["type"] != STACK)


def _before(steps: list[Any]) -> Iterator[Resource]:
    first: dict[str, Any] = {}
    for step in steps:
        if step.get("oldState"):
            first.setdefault(step["urn"], step["oldState"])
    return (_resource(state) for state in first.values() if state["type"] != STACK)


def _resource(state: Mapping[str, Any]) -> Resource:
    urn, token = str(state["urn"]), str(state["type"])
    return Resource(
        token,
        urn.rpartition("::")[2],
        properties(state.get("inputs") or {}),
        urn=urn,
        parent=state.get("parent") or None,
        options={"protect": bool(state.get("protect"))},
        property_dependencies={
            key: tuple(urns) for key, urns in (state.get("propertyDependencies") or {}).items() if urns
        },
    )
