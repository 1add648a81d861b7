"""The tracking database's file: made once, checked at each start, moved aside when it is damaged."""

from __future__ import annotations

import sqlite3
import sys
import time
from pathlib import Path

from catalog.errors import SkywrightError


def prepare(path: Path) -> bool:
    """Leave a whole database, or none, at `path`; whether a damaged one was moved aside.

    Raises SkywrightError when the folder or the file can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _probe(path.parent)
        is_damaged = path.exists() and not _is_whole(path)
        if is_damaged:
            aside = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}")
            _move(path, aside)
            sys.stderr.write(
                f"registry: {path} is damaged; moved to {aside.name}. Versions and approvals are rebuilt from the "
                "artifact store; other runs' metrics lie in the moved file alone.\n"
            )
        with sqlite3.connect(path) as database:
            database.execute("PRAGMA journal_mode=WAL")
    except OSError as error:
        raise _unwritable(error.filename or path, error.strerror) from None
    except sqlite3.Error as error:
        raise _unwritable(path, str(error)) from None
    return is_damaged


def _unwritable(path: object, reason: object) -> SkywrightError:
    return SkywrightError(f"the registry can't write {path}: {reason}", "Free the disk or mend the folder's rights.")


def _probe(folder: Path) -> None:
    """A write that a full or read-only disk refuses."""
    probe = folder / ".registry-probe"
    probe.write_bytes(b"\0" * 4096)
    probe.unlink()


def _is_whole(path: Path) -> bool:
    try:
        with sqlite3.connect(path) as database:
            answer = database.execute("PRAGMA quick_check(1)").fetchone()
            database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError) and "malformed" not in str(error):
            raise  # not damaged: locked, read-only, or no room
        return False
    return bool(answer) and answer[0] == "ok"


def _move(path: Path, aside: Path) -> None:
    path.rename(aside)
    for ending in ("-wal", "-shm"):
        beside = path.with_name(path.name + ending)
        if beside.exists():
            beside.rename(aside.with_name(aside.name + ending))
