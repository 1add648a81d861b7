"""Processes that a dead agent or scheduler may have left: known by pid and start time, so that no stranger is hit."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable

import psutil  # type: ignore[import-untyped]

Process = tuple[int, float]
"""(pid, start time in POSIX seconds)"""


def identify(pids: Iterable[int]) -> list[Process]:
    """Pids with their start times; those that have ended meanwhile are left out."""
    found = []
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            found.append((pid, psutil.Process(pid).create_time()))
    return found


def alive(processes: Iterable[Process]) -> list[Process]:
    """Those that still run; a zombie doesn't."""
    found = []
    for pid, started in processes:
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            if abs(process.create_time() - started) < 0.1 and process.status() != psutil.STATUS_ZOMBIE:
                found.append((pid, started))
    return found


def end(processes: Iterable[Process]) -> None:
    """SIGKILL to the process groups of those that still run."""
    for pid, _ in alive(processes):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
