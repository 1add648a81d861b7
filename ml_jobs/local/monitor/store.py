"""The monitor's memory: samples, alarms and what is still to be told, in one SQLite file.

Every sample is kept for an hour, then one in 30 s until the retention ends.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from ml_jobs.local.database import connect
from ml_jobs.local.monitor.folds import Series

FINE_S = 3600.0
COARSE_S = 30.0
ALARMS_KEPT = 1000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS series (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, labels TEXT NOT NULL, peer TEXT NOT NULL, UNIQUE (name, labels)
);
CREATE TABLE IF NOT EXISTS samples (
  series INTEGER NOT NULL, at REAL NOT NULL, value REAL NOT NULL, is_coarse INTEGER NOT NULL, PRIMARY KEY (series, at)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS peers (name TEXT PRIMARY KEY, asked_at REAL NOT NULL, is_up INTEGER NOT NULL, why TEXT);
CREATE TABLE IF NOT EXISTS rules (name TEXT PRIMARY KEY, status TEXT NOT NULL, since REAL, value REAL);
CREATE TABLE IF NOT EXISTS alarms (
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, at REAL NOT NULL, ended_at REAL, value REAL,
  body TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS outbox (
  id INTEGER PRIMARY KEY, body TEXT NOT NULL, made_at REAL NOT NULL, next_at REAL NOT NULL, tries INTEGER NOT NULL
);
"""

Point = tuple[float, float, dict[str, str]]
"""(POSIX time, value, labels)."""


class Sample(NamedTuple):
    """One scraped value. `is_counter`: it only grows, and starts at zero with its process."""

    name: str
    labels: Mapping[str, str]
    value: float
    is_counter: bool


class Store:
    """Safe to share between threads. Every method raises sqlite3.Error when the file can't be used."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._open()

    def _open(self) -> None:
        self._database, self.is_new = connect(self.path, _SCHEMA)
        self._ids: dict[tuple[str, str], int] = {
            (name, labels): key for key, name, labels in self._database.execute("SELECT id, name, labels FROM series")
        }
        self._newest = float(self._database.execute("SELECT coalesce(max(asked_at), 0) FROM peers").fetchone()[0])
        self._thinned_to = 0.0

    def reopen(self) -> None:
        """Open the file again; a damaged one is moved aside and begun anew."""
        with self._lock:
            self._database.close()
            self._open()

    def close(self) -> None:
        with self._lock:
            self._database.close()

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One transaction, alone."""
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                self._ids.clear()  # some may have been given to series that were rolled back; looked up again
                raise

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._database.execute(sql, values).fetchall()

    def put(
        self, peer: str, at: float, samples: Iterable[Sample], *, is_up: bool = True, why: str | None = None
    ) -> None:
        """Keep one scrape of a peer. `samples` of a peer that is away is what its absence means (see scrape).

        A counter that appears at a peer asked within the last hour began at zero then: what it shows is growth.
        """
        with self.write() as database:
            if at < self._newest - 1:  # the clock was set back: what lies in the future would never be overtaken
                database.execute("DELETE FROM samples WHERE at > ?", (at,))
            asked = database.execute("SELECT asked_at FROM peers WHERE name = ?", (peer,)).fetchone()
            before = min(asked[0], at) if asked else None
            is_coarse = before is None or int(before // COARSE_S) != int(at // COARSE_S)
            rows = []
            for sample in (*samples, Sample("skywright_up", {}, float(is_up), False)):
                labels = json.dumps({**sample.labels, "peer": peer}, sort_keys=True)
                key = self._ids.get((sample.name, labels))
                if key is None:
                    key = self._new_series(database, sample.name, labels, peer)
                    if sample.is_counter and before is not None and 0 < at - before <= FINE_S:
                        rows.append((key, before, 0.0, True))
                rows.append((key, at, sample.value, is_coarse))
            database.executemany("INSERT OR REPLACE INTO samples VALUES (?, ?, ?, ?)", rows)
            database.execute("INSERT OR REPLACE INTO peers VALUES (?, ?, ?, ?)", (peer, at, is_up, why))
            self._newest = max(at, self._newest) if at >= self._newest - 1 else at

    def _new_series(self, database: sqlite3.Connection, name: str, labels: str, peer: str) -> int:
        made = database.execute(
            "INSERT INTO series (name, labels, peer) VALUES (?, ?, ?) "
            "ON CONFLICT (name, labels) DO UPDATE SET peer = excluded.peer RETURNING id",
            (name, labels, peer),
        ).fetchone()
        self._ids[name, labels] = int(made[0])
        return int(made[0])

    def series(self, name: str, since: float, labels: Mapping[str, str] | None = None) -> list[Point]:
        """Samples of one Prometheus name from `since` on whose labels contain `labels`, each series oldest first."""
        return [
            (at, value, known)
            for key, known in self._matching(name, labels or {})
            for at, value in self.rows(
                "SELECT at, value FROM samples WHERE series = ? AND at >= ? ORDER BY at", key, since
            )
        ]

    def window(self, name: str, start: float, labels: Mapping[str, str]) -> list[Series]:
        """The same per series, each with its last sample from before `start`: counters grow from there."""
        return [
            Series(
                known,
                self.rows(
                    "SELECT at, value FROM samples WHERE series = ?1 AND at >= "
                    "coalesce((SELECT max(at) FROM samples WHERE series = ?1 AND at <= ?2), ?2) ORDER BY at",
                    key,
                    start,
                ),
            )
            for key, known in self._matching(name, labels)
        ]

    def _matching(self, name: str, labels: Mapping[str, str]) -> list[tuple[int, dict[str, str]]]:
        found = [
            (key, json.loads(text)) for key, text in self.rows("SELECT id, labels FROM series WHERE name = ?", name)
        ]
        return [(key, known) for key, known in found if labels.items() <= known.items()]

    def labels_of(self, name: str, peer: str) -> list[dict[str, str]]:
        """The label sets under which a peer has ever told `name`."""
        return [
            json.loads(row[0]) for row in self.rows("SELECT labels FROM series WHERE name = ? AND peer = ?", name, peer)
        ]

    def latest(self) -> dict[str, list[Point]]:
        """The newest sample of every series, by Prometheus name."""
        newest: dict[str, list[Point]] = {}
        for key, name, labels in self.rows("SELECT id, name, labels FROM series"):
            for at, value in self.rows("SELECT at, value FROM samples WHERE series = ? ORDER BY at DESC LIMIT 1", key):
                newest.setdefault(name, []).append((at, value, json.loads(labels)))
        return newest

    def peers(self) -> list[dict[str, Any]]:
        return [
            {"name": name, "at": at, "is_up": bool(is_up), "why": why}
            for name, at, is_up, why in self.rows("SELECT name, asked_at, is_up, why FROM peers ORDER BY name")
        ]

    def forget_peer(self, name: str) -> None:
        with self.write() as database:
            database.execute("DELETE FROM peers WHERE name = ?", (name,))

    def alarms(self, limit: int = 200) -> list[dict[str, Any]]:
        """Alarms, newest first: {id, name, metric, severity, condition, labels, state, at, ended_at, value}."""
        return [
            {**json.loads(body), "id": key, "state": "firing" if ended is None else "cleared", "at": at,
             "ended_at": ended, "value": value}
            for key, at, ended, value, body in self.rows(
                "SELECT id, at, ended_at, value, body FROM alarms ORDER BY id DESC LIMIT ?", limit
            )
        ]  # fmt: skip

    def prune(self, now: float, retention_s: float) -> None:
        """Drop what is older than the retention, and thin out what is older than an hour."""
        fine = now - FINE_S
        with self.write() as database:
            keys = [row[0] for row in database.execute("SELECT id FROM series").fetchall()]
            for key in keys:
                database.execute("DELETE FROM samples WHERE series = ? AND at < ?", (key, now - retention_s))
                database.execute(
                    "DELETE FROM samples WHERE series = ? AND at >= ? AND at < ? AND NOT is_coarse",
                    (key, self._thinned_to, fine),
                )
            database.execute("DELETE FROM series WHERE NOT EXISTS (SELECT 1 FROM samples WHERE series = series.id)")
            database.execute(
                "DELETE FROM alarms WHERE ended_at IS NOT NULL AND id <= (SELECT coalesce(max(id), 0) FROM alarms) - ?",
                (ALARMS_KEPT,),
            )
            self._ids = {
                (name, labels): key for key, name, labels in database.execute("SELECT id, name, labels FROM series")
            }
        self._thinned_to = fine
