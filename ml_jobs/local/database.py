"""SQLite files that a process may lose at any moment, and that mend themselves when they are damaged."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from catalog.errors import SkywrightError
from ml_jobs.local.telling import tell


def connect(path: Path, schema: str) -> tuple[sqlite3.Connection, bool]:
    """Open `path` with the tables of `schema` (idempotent SQL); True when it is new or was made anew.

    A damaged file is moved aside as `<name>.corrupt-<time>` and one line on stderr says so.
    Raises SkywrightError when the folder can't be written.
    """
    is_new = not path.exists()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return _open(path, schema), is_new
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            aside = path.with_name(f"{path.name}.corrupt-{int(time.time())}")
            path.rename(aside)
            for suffix in ("-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            tell(f"warning: {path} is damaged ({error}); it was moved to {aside.name} and is made anew")
            return _open(path, schema), True
    except (OSError, sqlite3.OperationalError) as error:
        raise SkywrightError(f"{path} can't be opened: {error}", "Free the disk or mend the folder's rights.") from None


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file itself is broken, rather than locked, full or read-only."""
    return isinstance(error, sqlite3.DatabaseError) and (
        type(error) is sqlite3.DatabaseError or "malformed" in str(error) or "not a database" in str(error)
    )


def _open(path: Path, schema: str) -> sqlite3.Connection:
    database = sqlite3.connect(path, check_same_thread=False, timeout=5, isolation_level=None)
    try:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=NORMAL")
        found = database.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise sqlite3.DatabaseError(found)
        database.executescript(schema)
    except sqlite3.Error:
        database.close()
        raise
    return database
