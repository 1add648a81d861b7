"""Installing what a rehearsed cluster is made of, unless it is there."""

from __future__ import annotations

from pathlib import Path

from infra.engine.golang import Progress
from infra.rehearsal.kubernetes import binaries, charts, pins, snapshot


def install(progress: Progress, *, is_whole: bool = False) -> list[Path]:
    """etcd and the API server, and the operators' definitions; `is_whole`: also what makes workloads run.

    Raises SkywrightError, in one line, with why and what would mend it.
    """
    found = binaries.install([*pins.SERVER, *(pins.CLUSTER if is_whole else ())], progress)
    return [*found, snapshot.make(progress), charts.make(progress)]
