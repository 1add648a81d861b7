"""Creations that an engine began and never saw the end of: the cloud may have the resource, the state does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from catalog.import_ids import facts_of, import_id


@dataclass(frozen=True, slots=True)
class Pending:
    """`id`: where the resource's name tells it; None where only the cloud knows."""

    urn: str
    type: str
    id: str | None


def pending(export: Mapping[str, Any]) -> list[Pending]:
    """The pending creations in a stack's export, those of dynamic resources left out: their providers adopt."""
    deployment = export.get("deployment") or {}
    begun = [
        item["resource"]
        for item in deployment.get("pending_operations") or ()
        if item.get("type") == "creating" and not item["resource"]["type"].startswith("pulumi-python:dynamic")
    ]
    facts = facts_of(
        (item["type"], item.get("inputs") or {}) for item in [*(deployment.get("resources") or ()), *begun]
    )
    return [
        Pending(item["urn"], item["type"], import_id(item["type"], item.get("inputs") or {}, facts)) for item in begun
    ]
