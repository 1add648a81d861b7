"""Making a managed copy: whole or not at all, one at a time, by the first way that this machine allows."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from catalog.errors import SkywrightError
from infra.engine import cache
from infra.engine.golang import Progress, Unavailable

Way = Callable[[Path, Progress], None]
"""Fills a folder's `bin`, or raises Unavailable; touches nothing else of the cache."""


@contextmanager
def alone(of: str, progress: Progress, lock_name: str = "install") -> Iterator[None]:
    """The right to install into the cache folder; a second one waits for the first."""
    with cache.writable(of) as folder:
        lock = FileLock(folder / f"{lock_name}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            progress("another install is at work; waiting for it", None)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()


def make(
    copy: Path,
    ways: Mapping[str, Way],
    *,
    what: str,
    binary: str,
    version: str,
    says: Callable[[Path], str | None],
    progress: Progress,
) -> None:
    """Fill `copy` by the first of `ways` that gives a binary which `says` it is of `version`. Only for who is `alone`.

    Raises SkywrightError with every way's reason.
    """
    for left in copy.parent.glob(f".{copy.name}-*"):  # of an install that was killed: nobody else is at work
        shutil.rmtree(left, ignore_errors=True)
    refused: list[Unavailable] = []
    for name, way in ways.items():
        began = time.monotonic()
        try:
            with cache.made_aside(copy) as aside:
                way(aside, progress)
                progress(f"checking the new {what}", None)
                if (found := says(aside / "bin" / binary)) != version:
                    raise Unavailable(f"the new {what} says it is {found or 'broken'}, not {version}", "Try again")
                cache.complete(aside, binary, version=version, way=name, seconds=round(time.monotonic() - began, 1))
            return
        except Unavailable as reason:
            refused.append(reason)
    reasons = "; ".join(str(reason) for reason in refused)
    remedies = "; or ".join(reason.remedy[:1].lower() + reason.remedy[1:] for reason in refused)
    title = "the Pulumi engine" if what == "engine" else what
    raise SkywrightError(f"{title} can't be installed: {reasons}", remedies[:1].upper() + remedies[1:] + ".")
