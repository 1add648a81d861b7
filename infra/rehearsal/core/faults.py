"""What goes wrong on request: a plan in the account's folder, which every stand-in of the rehearsal reads."""

from __future__ import annotations

import json
import re
import sqlite3
from dataclasses import asdict, dataclass
from pathlib import Path

SORTS = ("throttle", "quota", "slow", "crash")


@dataclass(frozen=True)
class Fault:
    """`throttle`: the first `count` creations of each type are refused for a moment, and the stand-in tries again as
    providers do. `quota`: a creation is refused for good. `slow`: a creation takes `seconds`. `crash`: the provider
    dies after the cloud has created the thing and before it could say so. The last three strike `count` times in all.

    `type`: a token or the beginning of one; `component`: a component that the resource lies in (`ModelEndpoint`);
    `name`: a logical name. Empty ones match anything.
    """

    sort: str
    type: str = ""
    component: str = ""
    name: str = ""
    count: int = 1
    seconds: float = 1.0

    def __post_init__(self) -> None:
        if self.sort not in SORTS:
            raise ValueError(f"fault {self.sort!r}; known: {', '.join(SORTS)}")

    def hits(self, urn: str, token: str) -> bool:
        types, name = urn.split("::")[2], urn.rsplit("::", 1)[-1]
        return (
            token.startswith(self.type)
            and (not self.component or re.search(rf":{self.component}(\$|$)", types) is not None)
            and (not self.name or name == self.name)
        )


class Planned:
    """Faults that were planned together."""

    def __init__(self, faults: Faults, since: int) -> None:
        self._faults = faults
        self._since = since

    def struck(self) -> str:
        """What was struck, in words; empty when nothing was."""
        return ", ".join(f"{name} ({token})" for token, name in self._faults.strikes(self._since))


class Faults:
    """The plan, and what it struck so far. `database`: the account's."""

    def __init__(self, folder: Path, database: sqlite3.Connection) -> None:
        self._file = folder / "faults.json"
        self._database = database
        self._read: tuple[float, tuple[Fault, ...]] = (0.0, ())

    def plan(self, *faults: Fault) -> Planned:
        """Replace the plan. Faults strike anew."""
        self._file.write_text(json.dumps([asdict(fault) for fault in faults]))
        with self._database:
            self._database.execute("DELETE FROM struck_by")
            row = self._database.execute("SELECT COALESCE(MAX(number), 0) FROM strikes").fetchone()
        return Planned(self, int(row[0]))

    def clear(self) -> None:
        self.plan()

    def planned(self) -> tuple[Fault, ...]:
        try:
            changed = self._file.stat().st_mtime_ns
        except FileNotFoundError:
            return ()
        if changed != self._read[0]:
            self._read = (changed, tuple(Fault(**item) for item in json.loads(self._file.read_text())))
        return self._read[1]

    def strike(self, sort: str, urn: str, token: str) -> Fault | None:
        """The fault that strikes this creation now, if one does; it is counted."""
        for fault in self.planned():
            if fault.sort != sort or not fault.hits(urn, token):
                continue
            key = f"{fault}/{token if sort == 'throttle' else ''}"
            with self._database:
                self._database.execute("BEGIN IMMEDIATE")
                row = self._database.execute("SELECT count FROM struck_by WHERE key = ?", (key,)).fetchone()
                if row and row[0] >= fault.count:
                    continue
                self._database.execute(
                    "INSERT INTO struck_by VALUES (?, 1) ON CONFLICT (key) DO UPDATE SET count = count + 1", (key,)
                )
                self._database.execute(
                    "INSERT INTO strikes (sort, token, name) VALUES (?, ?, ?)", (sort, token, urn.rsplit("::", 1)[-1])
                )
            return fault
        return None

    def strikes(self, since: int = 0) -> list[tuple[str, str]]:
        rows = self._database.execute("SELECT token, name FROM strikes WHERE number > ? ORDER BY number", (since,))
        return [(str(token), str(name)) for token, name in rows]


TABLES = """
CREATE TABLE IF NOT EXISTS strikes (number INTEGER PRIMARY KEY, sort TEXT, token TEXT, name TEXT);
CREATE TABLE IF NOT EXISTS struck_by (key TEXT PRIMARY KEY, count INTEGER);
"""
