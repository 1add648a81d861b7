"""Installing a managed engine, unless there is one."""

from __future__ import annotations

from catalog.errors import SkywrightError
from infra.engine import making, pins, ways
from infra.engine.find import Found, cli_copy, managed, on_path, version_of
from infra.engine.golang import Progress

WAYS = {"official": ways.official, "go": ways.go_build}
"""In order of preference. The official one brings its own language host."""


def install(progress: Progress, *, managed_only: bool = False) -> Found:
    """The engine on PATH, the managed copy, or a new one; `managed_only` passes over the one on PATH.

    A second install waits for the first and takes its result. Raises SkywrightError with every way's reason.
    """
    found = None if managed_only else on_path()
    if found := found or managed():
        return found
    with making.alone("engine", progress):
        if (found := managed()) is None:
            making.make(
                cli_copy(),
                WAYS,
                what="engine",
                binary="pulumi",
                version=pins.ENGINE,
                says=version_of,
                progress=progress,
            )
            found = managed()
    if found is None:
        raise SkywrightError(f"the engine at {cli_copy()} vanished right after it was made", "Install it again.")
    return found
