"""Append-only, hash-chained log of everything that changed, was refused, approved, held or lifted.

One JSON object a line: each carries the hash of the one before it, so that a line that was altered, removed or put
in between breaks the chain from there on.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalog.errors import SkywrightError, UserError

GENESIS = "0" * 64
LOG = "audit/log.jsonl"


@dataclass(frozen=True, slots=True)
class Break:
    """Where a chain no longer holds: the line (from 1), and why."""

    line: int
    why: str


def chain_hash(entry: dict[str, Any]) -> str:
    """Hash of an entry less its own hash, over canonical JSON."""
    body = {key: value for key, value in entry.items() if key != "hash"}
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class ChainedLog:
    """A hash-chained JSON-lines file. Writers of several processes take turns by a lock on the file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, **fields: Any) -> dict[str, Any]:
        """Write one entry, flushed to disk. Raises SkywrightError when the file can't be written."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path, "a+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                last, count = self._tail(file)
                entry: dict[str, Any] = {"seq": count + 1, "at": round(time.time(), 3), **fields, "prev": last}
                entry["hash"] = chain_hash(entry)
                file.seek(0, os.SEEK_END)
                if file.tell() and self._last_byte(file) != b"\n":
                    file.write(b"\n")  # a torn line stays, and stays visible
                file.write(json.dumps(entry, sort_keys=True).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
                self._write_head(entry)
        except OSError as error:
            raise SkywrightError(
                f"{self.path} can't be written: {error.strerror}", "Free the disk or mend its rights."
            ) from None
        return entry

    @property
    def _head(self) -> Path:
        return self.path.with_name(f".{self.path.name}.head")

    def _write_head(self, entry: dict[str, Any]) -> None:
        """How far the log goes, beside it: so a cut end is found. It may lag behind after a crash, never run ahead."""
        with contextlib.suppress(OSError):
            self._head.write_text(f"{entry['seq']:020d} {entry['hash']}\n")

    def _read_head(self) -> tuple[int, str] | None:
        try:
            number, entry_hash = self._head.read_text().split()
            return int(number), entry_hash
        except (OSError, ValueError):
            return None

    @staticmethod
    def _last_byte(file: Any) -> bytes:
        file.seek(-1, os.SEEK_END)
        return bytes(file.read(1))

    @staticmethod
    def _tail(file: Any) -> tuple[str, int]:
        """Hash and number of the last whole entry; reads only the end of the file."""
        size = file.seek(0, os.SEEK_END)
        span = 1 << 16
        while size:
            file.seek(max(0, size - span))
            for line in reversed(file.read().split(b"\n")[0 if span >= size else 1 :]):
                try:
                    entry = json.loads(line)
                    return str(entry["hash"]), int(entry["seq"])
                except (ValueError, KeyError, TypeError):
                    continue
            if span >= size:
                break
            span *= 4
        return GENESIS, 0

    def lines(self) -> Iterator[dict[str, Any] | None]:
        """Entries, oldest first; None for a line that is not one."""
        if not self.path.exists():
            return
        try:
            with open(self.path, "rb") as file:
                for raw in file:
                    try:
                        entry = json.loads(raw)
                        yield entry if isinstance(entry, dict) else None
                    except ValueError:
                        yield None
        except OSError as error:
            raise UserError(f"{self.path} can't be read: {error.strerror}", "Mend its rights.") from None

    def entries(self) -> list[dict[str, Any]]:
        return [entry for entry in self.lines() if entry is not None]

    def verify(self) -> Break | None:
        """None when the chain holds from the first line to the last, and the last one written is there."""
        head = self._read_head()  # before the lines: a writer may add some meanwhile
        number, previous, reached = 0, GENESIS, head is None
        for number, entry in enumerate(self.lines(), 1):
            if entry is None:
                return Break(number, "not a JSON object")
            if entry.get("prev") != previous:
                return Break(number, "does not follow the line before it")
            if entry.get("hash") != chain_hash(entry):
                return Break(number, "was altered")
            previous = entry["hash"]
            reached = reached or head == (entry.get("seq"), previous)
        return None if reached else Break(number + 1, "is missing: the log was cut")


def audit(artifacts_url: str) -> ChainedLog:
    """The audit log in a local stack's artifact store. Raises UserError for a cloud's, which keeps its own."""
    if "://" in artifacts_url and not artifacts_url.startswith("file://"):
        raise UserError(
            f"the hash-chained log is a local stack's; what happens to a stack with its artifacts at {artifacts_url} "
            "stands in its platform's own audit log",
            "Read CloudTrail, Cloud Audit Logs, the Azure activity log, or the API server's audit log.",
        )
    return ChainedLog(Path(artifacts_url.removeprefix("file://")) / LOG)


def record(
    artifacts_url: str,
    *,
    who: str,
    role: str,
    what: str,
    target: str = "",
    before: Any = None,
    after: Any = None,
    outcome: str = "done",
) -> dict[str, Any]:
    """Append who did what to which target. `outcome` is `done` or `refused`; never pass a secret."""
    return audit(artifacts_url).append(
        who=who, role=role, what=what, target=target, before=before, after=after, outcome=outcome
    )
