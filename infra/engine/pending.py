"""Creations that an engine began and never saw the end of: the cloud may have the resource, the state does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from catalog.import_ids import import_id


@dataclass(frozen=True, slots=True)
class Pending:
    """`id`: where the resource's name tells it; None where only the cloud knows."""

    urn: str
    type: str
    id: str | None


def pending(export: Mapping[str, Any]) -> list[Pending]:
    """The pending creations in a stack's export, those of dynamic resources left out: their providers adopt."""
    operations = (export.get("deployment") or {}).get("pending_operations") or ()
    return [
        Pending(item["resource"]["urn"], item["resource"]["type"], _id_of(item["resource"]))
        for item in operations
        if item.get("type") == "creating" and not item["resource"]["type"].startswith("pulumi-python:dynamic")
    ]


def _id_of(resource: Mapping[str, Any]) -> str | None:
    return import_id(resource["type"], resource.get("inputs") or {})
