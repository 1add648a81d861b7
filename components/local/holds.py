"""The holds that stand, read from the stack's file: the ledger writes it, the declaration only shows and obeys it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def standing(root: Path) -> list[dict[str, Any]]:
    """Holds that nobody has lifted, oldest first."""
    holds: dict[str, dict[str, Any]] = {}
    try:
        lines = (root / "state" / "holds.jsonl").read_text().splitlines()
    except OSError:
        return []
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if hold := entry.get("hold"):
            holds[hold["id"]] = hold
        else:
            holds.pop(entry.get("lifted", ""), None)
    return list(holds.values())


def scaled_to_zero(root: Path) -> bool:
    return any(hold["effect"] == "scale_to_zero" for hold in standing(root))
