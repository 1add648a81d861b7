"""A run's folder: its job.json, its time line, its logs. It alone is enough to rebuild the queue from."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml_jobs.contract import JobSpec


@dataclass(frozen=True, slots=True)
class Origin:
    """Who submitted a job, when, from which code."""

    id: str
    by: str
    submitted_at: float
    lineage: dict[str, Any]


class RunDir:
    """The folder of one job. Events are one JSON object a line, appended whole; an event's number is its line's."""

    def __init__(self, runs: Path, job: str) -> None:
        self.path = runs / job
        self.job_file = self.path / "job.json"
        self.events_file = self.path / "events.jsonl"
        self.contract_file = self.path / "contract.json"

    def create(self, spec: JobSpec, origin: Origin, contract: dict[str, Any]) -> None:
        """Write job.json (the JobSpec, and its origin under `job`), durably. Raises OSError."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.contract_file.write_text(json.dumps(contract, indent=2))
        origin_fields = {
            "id": origin.id,
            "by": origin.by,
            "submitted_at": origin.submitted_at,
            "lineage": origin.lineage,
        }
        write_whole(
            self.job_file, json.dumps({**spec.model_dump(mode="json", by_alias=True), "job": origin_fields}, indent=2)
        )

    def read(self) -> tuple[JobSpec, Origin]:
        """Raises OSError, ValueError or UserError when job.json is missing or broken."""
        data = json.loads(self.job_file.read_text())
        origin = data["job"]
        return (
            JobSpec.read({key: value for key, value in data.items() if key != "job"}, where=str(self.job_file)),
            Origin(self.path.name, origin["by"], float(origin["submitted_at"]), origin.get("lineage") or {}),
        )

    def log_file(self, rank: int) -> Path:
        return self.path / f"rank-{rank}.log"

    def write(self, kind: str, **fields: Any) -> None:
        """Append an event, in one write, so that it stands whole beside those of the ranks."""
        line = json.dumps({"at": round(time.time(), 4), "type": kind, **fields}, default=str) + "\n"
        descriptor = os.open(self.events_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)

    def events(self, after: int = 0) -> tuple[list[dict[str, Any]], int]:
        """Events numbered above `after`, and the number to ask after next. A torn line is left out, its number used."""
        try:
            whole, _, _ = self.events_file.read_bytes().rpartition(b"\n")
        except FileNotFoundError:
            return [], after
        lines = whole.split(b"\n") if whole else []
        found = []
        for number, line in enumerate(lines[after:], after + 1):
            event = parse(line)
            if event is not None:
                found.append({"seq": number, **event})
        return found, max(after, len(lines))

    def size(self) -> int:
        try:
            return self.events_file.stat().st_size
        except FileNotFoundError:
            return 0

    def log(self, rank: int, offset: int, limit: int = 65_536) -> tuple[str, int]:
        """Up to `limit` bytes of a rank's log from `offset`, and the offset to go on from."""
        try:
            with open(self.log_file(rank), "rb") as file:
                file.seek(offset)
                data = file.read(limit)
        except FileNotFoundError:
            return "", offset
        return data.decode(errors="replace"), offset + len(data)

    def summary(self) -> dict[str, Any]:
        """What the runtime left at the end; empty when it left nothing that can be read."""
        try:
            data = json.loads((self.path / "summary.json").read_text())
        except (OSError, ValueError):
            return {}
        return data if isinstance(data, dict) else {}


class Tail:
    """New events of a run since the last look, read from where that one ended."""

    def __init__(self, run: RunDir) -> None:
        self._path = run.events_file
        self._offset = 0

    def new(self) -> list[dict[str, Any]]:
        try:
            with open(self._path, "rb") as file:
                file.seek(self._offset)
                whole, newline, _ = file.read().rpartition(b"\n")
        except FileNotFoundError:
            return []
        self._offset += len(whole) + len(newline)
        return [event for line in whole.split(b"\n") if (event := parse(line)) is not None]


def parse(line: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(line, parse_constant=lambda _: None)  # NaN and infinities are no JSON
    except ValueError:
        return None
    return event if isinstance(event, dict) and "type" in event else None


def write_whole(path: Path, text: str) -> None:
    """Replace a file atomically, flushed to disk."""
    aside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with open(aside, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
