"""Installing a managed engine: whole or not at all, one at a time, by the first way that this machine allows."""

from __future__ import annotations

import shutil
import time

from filelock import FileLock, Timeout

from catalog.errors import SkywrightError
from infra.engine import cache, pins, ways
from infra.engine.find import Found, cli_copy, managed, on_path, version_of
from infra.engine.ways import Progress, Unavailable

WAYS = {"official": ways.official, "go": ways.go_build}
"""In order of preference. The official one brings its own language host."""


def install(progress: Progress, *, managed_only: bool = False) -> Found:
    """The engine on PATH, the managed copy, or a new one; `managed_only` passes over the one on PATH.

    A second install waits for the first and takes its result. Raises SkywrightError with every way's reason.
    """
    found = None if managed_only else on_path()
    if found := found or managed():
        return found
    with cache.writable() as folder:
        lock = FileLock(folder / "install.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            progress("another install is at work; waiting for it", None)
            lock.acquire()
        try:
            if (found := managed()) is None:
                for left in folder.glob(f".{cli_copy().name}-*"):  # of an install that was killed: we hold the lock
                    shutil.rmtree(left, ignore_errors=True)
                _make(progress)
                found = managed()
        finally:
            lock.release()
    if found is None:
        raise SkywrightError(f"the engine at {cli_copy()} vanished right after it was made", "Install it again.")
    return found


def _make(progress: Progress) -> None:
    refused: list[Unavailable] = []
    for name, way in WAYS.items():
        began = time.monotonic()
        try:
            with cache.made_aside(cli_copy()) as aside:
                way(aside, progress)
                progress("checking the new engine", None)
                if (version := version_of(aside / "bin" / "pulumi")) != pins.ENGINE:
                    raise Unavailable(
                        f"the new engine says it is {version or 'broken'}, not {pins.ENGINE}", "Try again"
                    )
                cache.complete(aside, version=pins.ENGINE, way=name, seconds=round(time.monotonic() - began, 1))
            return
        except Unavailable as reason:
            refused.append(reason)
    reasons = "; ".join(str(reason) for reason in refused)
    remedies = "; or ".join(reason.remedy[:1].lower() + reason.remedy[1:] for reason in refused)
    raise SkywrightError(f"the Pulumi engine can't be installed: {reasons}", remedies[:1].upper() + remedies[1:] + ".")
