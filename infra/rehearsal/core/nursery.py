"""One process for a whole rehearsal that has imported what every run of the engine needs: programs, policy packs and
stand-ins are forked from it. An import of a cloud's SDK takes most of the time of a run that changes nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from components.exports import HOMES
from infra.engine.launchers import BESIDE
from infra.rehearsal.core import launch
from infra.rehearsal.core.account import Account

VARIABLE = "SKYWRIGHT_NURSERY"
"""Where the language host and the stand-ins' launchers look for its socket."""


def started(account: Account, cloud: str, *, project: Path, environ: Mapping[str, str]) -> str:
    """Start it for stacks of this cloud; the socket's path. It ends with the rehearsal; whoever finds nobody there
    starts by itself. What else is needed it learns from the first run."""
    modules = [f"components.{cloud}.{home}" for home in HOMES.values()]
    modules += ["policies.analyzer", "pulumi.provider.experimental.server", f"infra.rehearsal.{cloud}.stand_in"]
    process = subprocess.Popen(
        [sys.executable, str(BESIDE / "host.py"), "keep", *modules],
        cwd=project,
        env={**environ, "PYTHONPATH": launch.HOME},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    launch.note(account, process.pid)
    assert process.stdout is not None
    return process.stdout.readline().strip()
