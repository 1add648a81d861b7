"""Copies of requests to releases whose answers nobody gets: sent after the answer is out, compared, recorded."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from multidict import CIMultiDict

from catalog.errors import SkywrightError
from ml_jobs.local.router.agreement import Agreement, compare
from ml_jobs.local.router.backends import Backends, Gone
from ml_jobs.local.router.metrics import RouterMetrics
from ml_jobs.local.router.routing import Target

QUEUED = 256
QUEUED_BYTES = 32 << 20
KEPT = 10_000
ANSWER_CHARS = 4096

SCHEMA = """
CREATE TABLE IF NOT EXISTS shadow (
    id INTEGER PRIMARY KEY, at REAL NOT NULL, release TEXT NOT NULL, shadow TEXT NOT NULL,
    status INTEGER NOT NULL, shadow_status INTEGER NOT NULL, agrees INTEGER NOT NULL, max_difference REAL,
    seconds REAL NOT NULL, shadow_seconds REAL NOT NULL, answer TEXT NOT NULL, shadow_answer TEXT NOT NULL
)
"""
COLUMNS = (
    "at", "release", "shadow", "status", "shadow_status", "agrees", "max_difference", "seconds", "shadow_seconds",
    "answer", "shadow_answer",
)  # fmt: skip

TOTALS = ("release", "copies", "agree", "mean_seconds", "failed")


@dataclass(frozen=True, slots=True)
class Copy:
    """A request that `target` answered, owed to `shadow`."""

    target: Target
    shadow: Target
    body: bytes
    content_type: str | None
    status: int
    answer: bytes
    seconds: float


class ShadowLog:
    """The last 10,000 comparisons, in SQLite. Its methods block: call them off the event loop."""

    def __init__(self, path: Path) -> None:
        """Raises SkywrightError when the disk takes no file. A file that is no database is kept aside."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._database = _prepared(path)
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError as error:  # records only: losing them stops no request
                aside = path.with_name(f"{path.name}.corrupt-{time.strftime('%Y%m%dT%H%M%S')}")
                sys.stderr.write(f"error: {path} can't be read ({error}); it is kept as {aside.name}\n")
                path.rename(aside)
                self._database = _prepared(path)
        except (OSError, sqlite3.Error) as error:
            raise SkywrightError(f"{path} can't be opened: {error}", "Free the disk or mend its rights.") from None

    def add(self, record: dict[str, Any]) -> None:
        marks = ", ".join("?" * len(COLUMNS))
        with self._database:
            row = self._database.execute(
                f"INSERT INTO shadow ({', '.join(COLUMNS)}) VALUES ({marks})", [record[name] for name in COLUMNS]
            ).lastrowid
            if row and row % 100 == 0:
                self._database.execute("DELETE FROM shadow WHERE id <= ?", (row - KEPT,))

    def read(self, limit: int) -> dict[str, Any]:
        names = ("id", *COLUMNS)
        rows = self._database.execute(f"SELECT {', '.join(names)} FROM shadow ORDER BY id DESC LIMIT ?", (limit,))
        records = [dict(zip(names, row, strict=True)) for row in rows]
        for record in records:
            record["agrees"] = bool(record["agrees"])
        totals = self._database.execute(
            "SELECT shadow, count(*), sum(agrees), avg(shadow_seconds), sum(shadow_status != 200)"
            " FROM shadow GROUP BY shadow"
        )
        return {"releases": [dict(zip(TOTALS, row, strict=True)) for row in totals], "records": records}

    def close(self) -> None:
        self._database.close()


def _prepared(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, check_same_thread=False)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=NORMAL")
    database.execute(SCHEMA)
    database.commit()
    return database


class Shadow:
    """A bounded queue and one worker; what doesn't fit is dropped, and counted."""

    def __init__(self, backends: Backends, metrics: RouterMetrics, log: ShadowLog) -> None:
        self._backends = backends
        self._metrics = metrics
        self.log = log
        self._queue: asyncio.Queue[Copy] = asyncio.Queue(QUEUED)
        self._bytes = 0
        self._lock = asyncio.Lock()
        self._worker: asyncio.Task[None] | None = None

    def offer(self, copy: Copy) -> bool:
        """Queue a copy; False when there is no room. Never waits."""
        size = len(copy.body) + len(copy.answer)
        if self._queue.full() or self._bytes + size > QUEUED_BYTES:
            return False
        self._bytes += size
        self._queue.put_nowait(copy)
        return True

    def start(self) -> None:
        self._worker = asyncio.create_task(self._work(), name="shadow")

    async def stop(self) -> None:
        if self._worker:
            self._worker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._worker
        async with self._lock:
            self.log.close()

    async def read(self, limit: int) -> dict[str, Any]:
        async with self._lock:
            return await asyncio.to_thread(self.log.read, limit)

    async def _work(self) -> None:
        while True:
            copy = await self._queue.get()
            self._bytes -= len(copy.body) + len(copy.answer)
            began = time.perf_counter()
            status, answer = await self._ask(copy)
            seconds = time.perf_counter() - began
            is_both = copy.status == status == 200
            agreement = await asyncio.to_thread(compare, copy.answer, answer) if is_both else Agreement(False)
            self._metrics.shadowed(copy.shadow.name, agreement.agrees)
            try:
                async with self._lock:
                    await asyncio.to_thread(self.log.add, _record(copy, status, answer, seconds, agreement))
            except sqlite3.Error as error:
                sys.stderr.write(f"error: a shadow answer could not be recorded: {error}\n")

    async def _ask(self, copy: Copy) -> tuple[int, bytes]:
        headers: CIMultiDict[str] = CIMultiDict({"content-type": copy.content_type or "application/json"})
        try:
            with self._backends.using(copy.shadow.url) as backend:
                async with backend.send(
                    "POST", f"/v2/models/{copy.shadow.model}/infer", headers, copy.body
                ) as response:
                    return response.status, await response.read()
        except (aiohttp.ClientError, TimeoutError, Gone) as error:
            return 0, f"no answer: {type(error).__name__}".encode()


def _record(copy: Copy, status: int, answer: bytes, seconds: float, agreement: Agreement) -> dict[str, Any]:
    return {
        "at": round(time.time(), 3),
        "release": copy.target.name,
        "shadow": copy.shadow.name,
        "status": copy.status,
        "shadow_status": status,
        "agrees": int(agreement.agrees),
        "max_difference": agreement.max_difference,
        "seconds": round(copy.seconds, 6),
        "shadow_seconds": round(seconds, 6),
        "answer": copy.answer[:ANSWER_CHARS].decode(errors="replace"),
        "shadow_answer": answer[:ANSWER_CHARS].decode(errors="replace"),
    }
