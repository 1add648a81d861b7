"""A cloud account on disk: what exists in it, with its inputs and outputs. Several processes share it."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.rehearsal.core import drift
from infra.rehearsal.core.faults import TABLES, Faults
from infra.rehearsal.core.values import storable

_TABLES = """
CREATE TABLE IF NOT EXISTS objects (
    token TEXT, id TEXT, urn TEXT, scope TEXT, inputs TEXT, outputs TEXT, number INTEGER, is_brought INTEGER DEFAULT 0,
    PRIMARY KEY (token, id)
);
CREATE TABLE IF NOT EXISTS holds (token TEXT, id TEXT, by_token TEXT, by_id TEXT);
CREATE INDEX IF NOT EXISTS by_urn ON objects (urn);
CREATE TABLE IF NOT EXISTS births (one INTEGER PRIMARY KEY CHECK (one = 1), number INTEGER);
INSERT OR IGNORE INTO births VALUES (1, 0);
"""


@dataclass(frozen=True)
class Object:
    """Something that exists. `urn`: who declared it; empty for what is brought. `scope`: its region or place."""

    token: str
    id: str
    urn: str
    scope: str
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any] = field(default_factory=dict)
    is_brought: bool = False

    @property
    def name(self) -> str:
        return self.urn.rsplit("::", 1)[-1] or self.id


class Account:
    """All accounts of a rehearsal in one folder. What is there stays there when the folder is opened again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(folder / "account.db", timeout=60, isolation_level=None)
        self._database.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;" + _TABLES + TABLES)
        self.faults = Faults(folder, self._database)

    # --- what exists

    def objects(self, token: str = "", *, with_brought: bool = False) -> list[Object]:
        """All of a type (of any, without one), oldest first."""
        where = "(token = ? OR ? = '') AND (is_brought = 0 OR ?)"
        return self._select(where, (token, token, int(with_brought)))

    def get(self, token: str, id: str) -> Object | None:
        found = self._select("token = ? AND id = ?", (token, id))
        return found[0] if found else None

    def of_urn(self, urn: str) -> list[Object]:
        return self._select("urn = ?", (urn,))

    def doubled(self) -> list[str]:
        """Logical names of what exists more than once."""
        rows = self._database.execute("SELECT urn FROM objects WHERE urn != '' GROUP BY urn HAVING COUNT(*) > 1")
        return [str(urn).rsplit("::", 1)[-1] for (urn,) in rows]

    def births(self) -> int:
        """A number that no call has given before: how many things were ever made."""
        with self._database:
            self._database.execute("UPDATE births SET number = number + 1")
            return int(self._database.execute("SELECT number FROM births").fetchone()[0])

    # --- changes by providers

    def put(self, made: Object, holds: Iterable[tuple[str, str]] = ()) -> None:
        """Create or overwrite. `holds`: (token, id) of what can't be deleted as long as this is there."""
        values = (made.token, made.id, made.urn, made.scope, _text(made.inputs), _text(made.outputs), time.time_ns())
        with self._database:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.execute(
                "INSERT INTO objects (token, id, urn, scope, inputs, outputs, number) VALUES (?, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (token, id) DO UPDATE SET inputs = excluded.inputs, outputs = excluded.outputs",
                values,
            )
            self._database.execute("DELETE FROM holds WHERE by_token = ? AND by_id = ?", (made.token, made.id))
            self._database.executemany(
                "INSERT INTO holds VALUES (?, ?, ?, ?)", [(*held, made.token, made.id) for held in holds]
            )

    def remove(self, token: str, id: str) -> bool:
        """Whether it was there."""
        with self._database:
            self._database.execute("DELETE FROM holds WHERE by_token = ? AND by_id = ?", (token, id))
            return self._database.execute("DELETE FROM objects WHERE token = ? AND id = ?", (token, id)).rowcount > 0

    def holders(self, token: str, id: str) -> list[tuple[str, str]]:
        """(token, id) of what holds on to the object."""
        rows = self._database.execute("SELECT by_token, by_id FROM holds WHERE token = ? AND id = ?", (token, id))
        return [(str(holder), str(its_id)) for holder, its_id in rows]

    # --- changes by hand

    def bring(self, token: str, id: str, *, scope: str = "", inputs: Mapping[str, Any] | None = None,
              outputs: Mapping[str, Any] | None = None) -> None:  # fmt: skip
        """Something that is there before the stack, and is none of its resources. `token` "*": of whatever type it is
        asked for."""
        self.put(Object(token, id, "", scope, inputs or {}, outputs or {"id": id}))
        with self._database:
            self._database.execute("UPDATE objects SET is_brought = 1 WHERE token = ? AND id = ?", (token, id))

    def change(self, token: str, id: str, changes: Mapping[str, Any]) -> None:
        """Change top-level properties of an object by hand: in what was declared and in what is read."""
        held = self.get(token, id)
        if held is None:
            raise KeyError(f"{token} {id} is not in the account")
        inputs = {**held.inputs, **changes}
        self._update(held, inputs, {**held.outputs, **changes})

    def drift(self) -> str:
        """Change one declared property of one object by hand; what, in words. Raises LookupError when none can be."""
        return drift.change_one(self)

    def remove_one(self) -> str:
        """Remove one object by hand that nothing holds and nothing names; which, in words."""
        return drift.remove_one(self)

    def rewrite(self, held: Object, change: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> None:
        self._update(held, change(held.inputs), change(held.outputs))

    # --- inside

    def _update(self, held: Object, inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> None:
        with self._database:
            self._database.execute(
                "UPDATE objects SET inputs = ?, outputs = ? WHERE token = ? AND id = ?",
                (_text(inputs), _text(outputs), held.token, held.id),
            )

    def _select(self, where: str, values: tuple[Any, ...]) -> list[Object]:
        rows = self._database.execute(
            f"SELECT token, id, urn, scope, inputs, outputs, is_brought FROM objects WHERE {where} ORDER BY number",
            values,
        )
        return [
            Object(token, id, urn, scope, json.loads(inputs), json.loads(outputs), bool(is_brought))
            for token, id, urn, scope, inputs, outputs, is_brought in rows
        ]


def _text(value: Mapping[str, Any]) -> str:
    return json.dumps(storable(value))
