"""The durable queue: jobs, their attempts, and which slots they used from when to when. SQLite, one writer."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from catalog.errors import SkywrightError
from ml_jobs.contract import JobSpec
from ml_jobs.local.scheduler.rundir import Origin

ACTIVE = ("queued", "running", "stopping")
FINAL = ("succeeded", "failed", "stopped")

SCHEMA = """
create table if not exists meta (key text primary key, value text not null);
create table if not exists jobs (
  seq integer primary key autoincrement, id text not null unique, name text not null, team text not null,
  spec text not null, lineage text not null, by text not null, priority integer not null, state text not null,
  submitted_at real not null, waiting_since real not null, not_before real not null default 0,
  started_at real, ended_at real, attempts integer not null default 0, preemptions integer not null default 0,
  failures integer not null default 0, interruptions integer not null default 0, progress real not null default 0,
  exit_code integer, message text not null default '', model text, useful_s real
);
create index if not exists jobs_by_state on jobs (state);
create table if not exists attempts (
  job text not null, number integer not null, pool text not null, started_at real not null, ended_at real,
  outcome text, processes text not null default '[]', primary key (job, number)
);
create table if not exists intervals (
  id integer primary key autoincrement, job text not null, team text not null, pool text not null, slot text not null,
  is_spot integer not null, started_at real not null, ended_at real, seen_at real not null, usd_per_hour real not null
);
create index if not exists open_intervals on intervals (ended_at) where ended_at is null;
create index if not exists intervals_by_job on intervals (job);
"""


class Corrupt(SkywrightError):
    """The file is no usable database: it is to be set aside and rebuilt."""


@dataclass(frozen=True, slots=True)
class Job:
    """A row of the queue. Times are POSIX seconds; `useful_s` is time in steps that were kept."""

    seq: int
    id: str
    spec: JobSpec
    lineage: dict[str, Any]
    by: str
    priority: int
    state: str
    submitted_at: float
    waiting_since: float
    not_before: float
    started_at: float | None
    ended_at: float | None
    attempts: int
    preemptions: int
    failures: int
    interruptions: int
    progress: float
    exit_code: int | None
    message: str
    model: dict[str, Any] | None
    useful_s: float | None


class Queue:
    """All methods raise sqlite3.Error when the disk refuses; a call is one transaction, whole or not at all."""

    def __init__(self, path: Path) -> None:
        """Open, or make, the database. Raises Corrupt, or SkywrightError when the disk refuses."""
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.row_factory = sqlite3.Row
            found = self._db.execute("pragma quick_check(1)").fetchone()[0]
            if found != "ok":
                raise Corrupt(f"{path} is damaged: {found}")
            self._db.execute("pragma journal_mode = wal")
            self._db.execute("pragma synchronous = normal")
            self._db.executescript(SCHEMA)
            self._db.execute("select seq, useful_s from jobs limit 1")
            with self._change():  # a read-only or full disk shows here, not at the first job
                self._db.execute("insert or replace into meta values ('opened_at', ?)", (str(time.time()),))
        except sqlite3.OperationalError as error:
            if "no such column" in str(error):
                raise Corrupt(f"{path} has other tables than this release's: {error}") from None
            raise cannot_write(path, error) from None
        except sqlite3.DatabaseError as error:
            raise Corrupt(f"{path} is not a database: {error}") from None
        except OSError as error:
            raise cannot_write(path, error) from None

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def _change(self, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """One transaction; `durable`: on disk before it returns, even if the machine loses power."""
        self._db.execute(f"pragma synchronous = {'full' if durable else 'normal'}")
        self._db.execute("begin immediate")
        try:
            yield self._db
        except BaseException:
            self._db.execute("rollback")
            raise
        self._db.execute("commit")

    # jobs

    def add(self, spec: JobSpec, origin: Origin, **fields: Any) -> Job:
        """Put a job into the queue, durably. `fields` override what a new job starts with."""
        row = {
            "id": origin.id,
            "name": spec.name,
            "team": spec.team,
            "spec": spec.model_dump_json(by_alias=True),
            "lineage": json.dumps(origin.lineage),
            "by": origin.by,
            "priority": spec.priority,
            "state": "queued",
            "submitted_at": origin.submitted_at,
            "waiting_since": origin.submitted_at,
            **fields,
        }
        with self._change(durable=True) as db:
            db.execute(f"insert into jobs ({','.join(row)}) values ({','.join('?' * len(row))})", tuple(row.values()))
        return self.job(origin.id)

    def job(self, job: str) -> Job:
        """Raises KeyError when there is no such job."""
        row = self._db.execute("select * from jobs where id = ?", (job,)).fetchone()
        if row is None:
            raise KeyError(job)
        return _job(row)

    def state(self, job: str) -> str:
        """Raises KeyError when there is no such job."""
        row = self._db.execute("select state from jobs where id = ?", (job,)).fetchone()
        if row is None:
            raise KeyError(job)
        return str(row[0])

    def known(self, job: str) -> bool:
        return self._db.execute("select 1 from jobs where id = ?", (job,)).fetchone() is not None

    def jobs(self, limit: int = 100) -> list[Job]:
        """The newest jobs, newest first."""
        return [_job(row) for row in self._db.execute("select * from jobs order by seq desc limit ?", (limit,))]

    def in_state(self, *states: str) -> list[Job]:
        """Jobs in any of these states, in the order of submission."""
        marks = ",".join("?" * len(states))
        rows = self._db.execute(f"select * from jobs where state in ({marks}) order by submitted_at, seq", states)
        return [_job(row) for row in rows]

    def counts(self) -> dict[str, int]:
        counted = dict(self._db.execute("select state, count(*) from jobs group by state").fetchall())
        return {state: int(counted.get(state, 0)) for state in (*ACTIVE, *FINAL)}

    def totals(self) -> tuple[int, int]:
        """(preemptions, failed attempts) of all jobs."""
        row = self._db.execute("select coalesce(sum(preemptions), 0), coalesce(sum(failures), 0) from jobs").fetchone()
        return int(row[0]), int(row[1])

    def update(self, job: str, **fields: Any) -> None:
        with self._change() as db:
            _set(db, job, fields)

    # attempts and the slots that they use

    def begin(self, job: Job, pool: str, slots: Sequence[str], *, is_spot: bool, usd_per_hour: float, at: float) -> int:
        """Open an attempt and the metering of its slots; the attempt's number, from 1."""
        number = job.attempts + 1
        with self._change() as db:
            _set(
                db, job.id, {"state": "running", "attempts": number, "started_at": job.started_at or at, "message": ""}
            )
            db.execute(
                "insert or replace into attempts (job, number, pool, started_at) values (?,?,?,?)",
                (job.id, number, pool, at),
            )
            db.executemany(
                "insert into intervals (job, team, pool, slot, is_spot, started_at, seen_at, usd_per_hour)"
                " values (?,?,?,?,?,?,?,?)",
                [(job.id, job.spec.team, pool, slot, is_spot, at, at, usd_per_hour) for slot in slots],
            )
        return number

    def note_processes(self, job: str, number: int, processes: Iterable[tuple[int, float]]) -> None:
        """Remember an attempt's processes as (pid, start time), to end them if this scheduler can't any more."""
        with self._change() as db:
            db.execute(
                "update attempts set processes = ? where job = ? and number = ?",
                (json.dumps(list(processes)), job, number),
            )

    def heartbeat(self, at: float) -> None:
        """Open intervals were in use at `at`."""
        with self._change() as db:
            db.execute("update intervals set seen_at = ? where ended_at is null", (at,))

    def end(self, job: str, number: int, *, outcome: str, at: float, **fields: Any) -> None:
        """Close an attempt, its metering, and set what the job becomes, in one transaction."""
        with self._change() as db:
            db.execute(
                "update attempts set ended_at = ?, outcome = ?, processes = '[]' where job = ? and number = ?",
                (at, outcome, job, number),
            )
            db.execute(
                "update intervals set ended_at = ?, seen_at = ? where job = ? and ended_at is null", (at, at, job)
            )
            _set(db, job, fields)

    def left_open(self) -> list[tuple[Job, list[tuple[int, float]]]]:
        """Jobs that a scheduler which died left running, with the processes of their last attempt."""
        found = []
        for job in self.in_state("running", "stopping"):
            row = self._db.execute(
                "select processes from attempts where job = ? and number = ?", (job.id, job.attempts)
            ).fetchone()
            found.append((job, [(int(pid), float(start)) for pid, start in json.loads(row[0] if row else "[]")]))
        return found

    def close_left_open(self) -> None:
        """Close every open interval and attempt when it was last seen."""
        with self._change() as db:
            db.execute("update intervals set ended_at = seen_at where ended_at is null")
            db.execute(
                "update attempts set outcome = 'lost', processes = '[]', ended_at = coalesce((select max(seen_at)"
                " from intervals where intervals.job = attempts.job), started_at) where ended_at is null"
            )

    def meter(self, intervals: Iterable[Mapping[str, Any]]) -> None:
        """Put in closed intervals, as they are when the queue is rebuilt."""
        with self._change() as db:
            db.executemany(
                "insert into intervals (job, team, pool, slot, is_spot, started_at, ended_at, seen_at, usd_per_hour)"
                " values (:job, :team, :pool, :slot, :is_spot, :started_at, :ended_at, :ended_at, :usd_per_hour)",
                list(intervals),
            )

    def usage(self, after: int = 0) -> list[dict[str, Any]]:
        """Intervals numbered above `after`, oldest first."""
        rows = self._db.execute(
            "select id, job, team, pool, slot, is_spot, started_at, ended_at, usd_per_hour from intervals"
            " where id > ? order by id",
            (after,),
        )
        return [{**dict(row), "is_spot": bool(row["is_spot"])} for row in rows]

    def used(self, job: str, now: float) -> tuple[float, float]:
        """(slot-seconds, USD) that a job has used until now."""
        row = self._db.execute(
            "select coalesce(sum(coalesce(ended_at, ?1) - started_at), 0),"
            " coalesce(sum((coalesce(ended_at, ?1) - started_at) * usd_per_hour / 3600), 0)"
            " from intervals where job = ?2",
            (now, job),
        ).fetchone()
        return float(row[0]), float(row[1])

    def remembered(self, key: str, value: str) -> str:
        """The value kept under `key`; `value` when there was none, kept from now on."""
        with self._change() as db:
            db.execute("insert or ignore into meta values (?, ?)", (key, value))
        return str(self._db.execute("select value from meta where key = ?", (key,)).fetchone()[0])


def cannot_write(path: Path, error: Exception) -> SkywrightError:
    why = error.strerror if isinstance(error, OSError) else error
    return SkywrightError(f"{path} can't be written: {why}", "Free the disk, or mend the folder's rights.")


def _set(db: sqlite3.Connection, job: str, fields: Mapping[str, Any]) -> None:
    if fields:
        db.execute(
            f"update jobs set {', '.join(f'{name} = ?' for name in fields)} where id = ?", (*fields.values(), job)
        )


@lru_cache(maxsize=4096)
def _spec(text: str) -> JobSpec:
    """Specs are frozen, and the same ones are read at every turn."""
    return JobSpec.read(json.loads(text))


def _job(row: sqlite3.Row) -> Job:
    fields = {key: row[key] for key in row.keys() if key not in ("name", "team")}  # noqa: SIM118  (a Row iterates values)
    fields["spec"] = _spec(fields["spec"])
    fields["lineage"] = json.loads(fields["lineage"])
    fields["model"] = json.loads(fields["model"]) if fields["model"] else None
    return Job(**fields)
