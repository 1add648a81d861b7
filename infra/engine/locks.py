"""The engine's locks on a file backend, and which of them nobody holds any more."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psutil  # type: ignore[import-untyped]


@dataclass(frozen=True, slots=True)
class Lock:
    """One lock file, as the engine wrote it."""

    file: Path
    pid: int
    user: str
    host: str
    since: datetime

    @property
    def is_stale(self) -> bool:
        """Its process ran on this machine and is gone; of another machine nothing can be known."""
        if self.host != socket.gethostname():
            return False
        try:
            process = psutil.Process(self.pid)
            # A later process that was given the same number is not the one that took the lock.
            return bool(process.status() == psutil.STATUS_ZOMBIE or process.create_time() > self.since.timestamp() + 1)
        except psutil.NoSuchProcess:
            return True
        except psutil.Error:
            return False


def locks(backend: Path, project: str, stack: str) -> list[Lock]:
    """The locks on a stack; a file that isn't one is passed over."""
    found = []
    for file in sorted((backend / ".pulumi" / "locks" / "organization" / project / stack).glob("*.json")):
        try:
            told = json.loads(file.read_text())
            since = datetime.fromisoformat(told["timestamp"])
            found.append(Lock(file, int(told["pid"]), str(told["username"]), str(told["hostname"]), since))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return found
