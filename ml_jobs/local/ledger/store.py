"""What the ledger must not forget: metered intervals, reached steps, and the programs that it stopped itself."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

from pydantic import Field

from ml_jobs.budget.ladder import Standing
from ml_jobs.contract import Record
from ml_jobs.local.database import connect
from ml_jobs.local.ledger.meter import MICRO, Interval, micros

_SCHEMA = """
CREATE TABLE IF NOT EXISTS intervals (
  key TEXT PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, team TEXT, ref INTEGER, resource TEXT NOT NULL,
  started_us INTEGER NOT NULL, ended_us INTEGER NOT NULL, is_open INTEGER NOT NULL, usd_per_hour TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS intervals_by_end ON intervals (ended_us);
CREATE INDEX IF NOT EXISTS intervals_open ON intervals (ref) WHERE is_open;
CREATE TABLE IF NOT EXISTS steps (
  period TEXT NOT NULL, percent REAL NOT NULL, reached_at REAL NOT NULL, released_at REAL, PRIMARY KEY (period, percent)
);
CREATE TABLE IF NOT EXISTS stopped (name TEXT PRIMARY KEY, at REAL NOT NULL);
"""


class SlotUse(Record):
    """One interval of the scheduler's usage. `key` is what makes it the same one however the scheduler numbers it."""

    id: int
    team: str
    pool: str
    slot: str
    started_at: float = Field(gt=0, allow_inf_nan=False)
    ended_at: float | None = Field(None, allow_inf_nan=False)
    usd_per_hour: float = Field(ge=0, allow_inf_nan=False)

    @property
    def key(self) -> str:
        return f"slot:{self.slot}:{micros(self.started_at)}"


class Store:
    """One SQLite file. `is_new`: nothing is remembered yet, because the file was missing or damaged."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._database, self.is_new = connect(path, _SCHEMA)
        self._lock = threading.RLock()

    def close(self) -> None:
        self._database.close()

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    def first_open(self) -> int | None:
        """The lowest number of a slot interval that had not ended when it was last read."""
        found = self._database.execute("SELECT min(ref) FROM intervals WHERE kind = 'slot' AND is_open").fetchone()[0]
        return None if found is None else int(found)

    def last_slot(self) -> tuple[int, str] | None:
        """Number and key of the newest slot interval in the scheduler's present numbering."""
        found = self._database.execute(
            "SELECT ref, key FROM intervals WHERE kind = 'slot' AND ref IS NOT NULL ORDER BY ref DESC LIMIT 1"
        ).fetchone()
        return None if found is None else (int(found[0]), str(found[1]))

    def forget_numbers(self) -> None:
        """The scheduler has begun to count anew: what was known stands, and ends where it was last seen."""
        with self._write() as database:
            database.execute("UPDATE intervals SET ref = NULL, is_open = 0 WHERE kind = 'slot'")

    def put_slots(self, usage: Iterable[SlotUse], *, after: int, now: float) -> None:
        """Take over the scheduler's intervals numbered above `after`, as they are at `now`.

        Reading the same ones again changes nothing. One that was open and is not told of any more (the scheduler lost
        its own file) ends where it was last seen.
        """
        rows = []
        for item in usage:
            started = micros(item.started_at)
            until = micros(now if item.ended_at is None else item.ended_at)
            row = (item.key, item.pool, item.team, item.id, item.slot, started, max(started, until))
            rows.append((*row, item.ended_at is None, str(item.usd_per_hour)))
        with self._write() as database:
            database.executemany(
                "INSERT INTO intervals "
                "(key, kind, name, team, ref, resource, started_us, ended_us, is_open, usd_per_hour) "
                "VALUES (?, 'slot', ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET "
                "ref = excluded.ref, is_open = excluded.is_open, ended_us = "
                "CASE WHEN excluded.is_open THEN max(ended_us, excluded.ended_us) ELSE excluded.ended_us END",
                rows,
            )
            told = {row[0] for row in rows}
            open_rows = database.execute(
                "SELECT key FROM intervals WHERE kind = 'slot' AND is_open AND ref > ?", (after,)
            ).fetchall()
            database.executemany(
                "UPDATE intervals SET is_open = 0 WHERE key = ?", [row for row in open_rows if row[0] not in told]
            )

    def put_endpoint(self, name: str, *, started_at: float, until: float, usd_per_hour: Decimal) -> None:
        """A server that has run from `started_at` to `until`: extends what is known of it, never overlaps it."""
        key = f"endpoint:{name}:{started_at:.3f}:{usd_per_hour}"
        with self._write() as database:
            before = database.execute(
                "SELECT coalesce(max(ended_us), 0) FROM intervals WHERE kind = 'endpoint' AND name = ? AND key != ?",
                (name, key),
            ).fetchone()[0]
            started = max(micros(started_at), int(before))
            database.execute(
                "INSERT INTO intervals (key, kind, name, resource, started_us, ended_us, is_open, usd_per_hour) "
                "VALUES (?1, 'endpoint', ?2, ?2, ?3, ?4, 0, ?5) "
                "ON CONFLICT (key) DO UPDATE SET ended_us = max(ended_us, excluded.ended_us)",
                (key, name, started, max(started, micros(until)), str(usd_per_hour)),
            )

    def intervals(self, since: float) -> list[Interval]:
        """What ended after `since`. One that still runs ends, for the ledger, where it was last seen."""
        return [
            Interval(kind, name, team, started / MICRO, ended / MICRO, Decimal(price), f"{kind}:{resource}")
            for kind, name, team, started, ended, price, resource in self._database.execute(
                "SELECT kind, name, team, started_us, ended_us, usd_per_hour, resource FROM intervals "
                "WHERE ended_us > ?",
                (micros(since),),
            )
        ]

    def standings(self, period: str) -> dict[float, Standing]:
        rows = self._database.execute("SELECT percent, reached_at, released_at FROM steps WHERE period = ?", (period,))
        return {percent: Standing(reached, released) for percent, reached, released in rows}

    def put_standings(self, period: str, standings: Mapping[float, Standing]) -> None:
        with self._write() as database:
            database.execute("DELETE FROM steps WHERE period = ?", (period,))
            database.executemany(
                "INSERT INTO steps VALUES (?, ?, ?, ?)",
                [(period, percent, one.reached_at, one.released_at) for percent, one in standings.items()],
            )

    def stopped(self) -> list[str]:
        return [name for (name,) in self._database.execute("SELECT name FROM stopped ORDER BY name")]

    def put_stopped(self, name: str, now: float) -> None:
        with self._write() as database:
            database.execute("INSERT OR IGNORE INTO stopped VALUES (?, ?)", (name, now))

    def drop_stopped(self, name: str) -> None:
        with self._write() as database:
            database.execute("DELETE FROM stopped WHERE name = ?", (name,))
