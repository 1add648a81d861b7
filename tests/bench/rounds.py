"""Interleaved rounds, and the clouds that they time. Others share the machine: a slow minute meets both sides alike."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO))

from components.exports import HOMES  # noqa: E402

ROUNDS = 7
SDKS = {"aws": "pulumi_aws", "gcp": "pulumi_gcp", "azure": "pulumi_azure_native", "kubernetes": "pulumi_kubernetes"}
"""The clouds with a provider's SDK, and it."""


@dataclass(frozen=True)
class Compared:
    """Medians of both sides, and the median of the rounds' ratios."""

    floor: float
    ours: float
    ratio: float

    def line(self, what: str, goal: float | None = None, unit: str = "s") -> str:
        aim = f"(goal <= {goal})" if goal else ""
        verdict = "" if goal is None or self.ratio <= goal else "  MISSED"
        told = (
            f"{what:28} floor {self.floor:6.3f} {unit}   ours {self.ours:6.3f} {unit}   ratio {self.ratio:5.2f} {aim}"
        )
        return told.rstrip() + verdict


def interleaved(floor: Callable[[], float], ours: Callable[[], float], rounds: int = ROUNDS) -> Compared:
    """Each side gives what one turn of it cost; they take turns at going first."""
    pairs = []
    for number in range(rounds):
        if number % 2:
            mine, least = ours(), floor()
        else:
            least, mine = floor(), ours()
        pairs.append((least, mine))
    return Compared(
        floor=statistics.median(least for least, _ in pairs),
        ours=statistics.median(mine for _, mine in pairs),
        ratio=statistics.median(mine / least for least, mine in pairs),
    )


def clouds() -> list[str]:
    """Those of SDKS whose components are all there."""
    return [
        cloud for cloud in SDKS if all((REPO / "components" / cloud / f"{home}.py").exists() for home in HOMES.values())
    ]


def stack_of(cloud: str) -> Path:
    """The cloud's example for production, else that for development."""
    files = [REPO / "stacks" / f"Pulumi.{cloud}-{purpose}.yaml" for purpose in ("prod", "dev")]
    return next(file for file in files if file.exists())


def child(program: str, *words: str) -> str:
    """What a program prints in an interpreter of its own, which finds our packages."""
    environ = {**os.environ, "PYTHONPATH": str(REPO)}
    done = subprocess.run([sys.executable, "-c", program, *words], env=environ, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{done.stderr[-3000:]}\na measured program failed")
    return done.stdout
