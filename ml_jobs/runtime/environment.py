"""Where this process stands: platform, rank, world size, master. Read from a table of platforms, first match wins.

A new platform is one more row: the variables that give it away, and a reader of them.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalog.errors import UserError, mistake
from ml_jobs.contract import JobSpec

JOB_VARIABLE = "SKYWRIGHT_JOB"
RUN_ID_VARIABLE = "SKYWRIGHT_RUN_ID"
RUN_DIR_VARIABLE = "SKYWRIGHT_RUN_DIR"
NOTICE_VARIABLE = "SKYWRIGHT_NOTICE_S"
POOL_VARIABLE = "SKYWRIGHT_POOL"
"""The pool that the ranks run in, where the launcher says so; else the spec's possible pools are looked at."""

DEFAULT_NOTICE_S = 30.0
"""What GCP, Azure and Kubernetes give between SIGTERM and SIGKILL unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Place:
    """One rank among its peers. `node` counts instances, `attempt` restarts from 0."""

    platform: str
    rank: int = 0
    world_size: int = 1
    local_rank: int = 0
    local_world_size: int = 1
    node: int = 0
    attempt: int = 0
    master_addr: str = "127.0.0.1"
    master_port: int | None = None

    def __post_init__(self) -> None:
        if self.world_size < 1:
            raise mistake("WORLD_SIZE", self.world_size, "1 or more")
        if not 0 <= self.rank < self.world_size:
            raise mistake("RANK", self.rank, f"0 to {self.world_size - 1} (WORLD_SIZE is {self.world_size})")
        if not 0 <= self.local_rank < self.local_world_size:
            raise mistake("LOCAL_RANK", self.local_rank, f"0 to {self.local_world_size - 1}")
        if self.world_size > 1 and self.master_port is None:
            raise UserError("MASTER_PORT is not set, and there is more than one rank", "Start the ranks with torchrun.")


@dataclass(frozen=True, slots=True)
class Platform:
    """A row of the table: it is this platform when all of `markers` are set."""

    name: str
    markers: tuple[str, ...]
    read: Callable[[Mapping[str, str]], Place]


def _integer(env: Mapping[str, str], name: str, default: int | None = None) -> int:
    value = env.get(name, "")
    if not value and default is not None:
        return default
    try:
        return int(value)
    except ValueError:
        raise mistake(name, value, "a whole number", "Start the ranks with torchrun or `skywright train`.") from None


def _torchrun(env: Mapping[str, str]) -> Place:
    world_size = _integer(env, "WORLD_SIZE")
    return Place(
        platform="torchrun",
        rank=_integer(env, "RANK"),
        world_size=world_size,
        local_rank=_integer(env, "LOCAL_RANK", 0),
        local_world_size=_integer(env, "LOCAL_WORLD_SIZE", world_size),
        node=_integer(env, "GROUP_RANK", 0),
        attempt=_integer(env, "TORCHELASTIC_RESTART_COUNT", 0),
        master_addr=env.get("MASTER_ADDR", "127.0.0.1"),
        master_port=_integer(env, "MASTER_PORT") if "MASTER_PORT" in env else None,
    )


def _alone(_: Mapping[str, str]) -> Place:
    return Place(platform="alone")


PLATFORMS: tuple[Platform, ...] = (
    Platform("torchrun", ("RANK", "WORLD_SIZE"), _torchrun),  # the local stack's agent speaks it too
    Platform("alone", (), _alone),
)


def detect(env: Mapping[str, str] = os.environ) -> Place:
    """Where this process stands. Raises UserError when the platform's variables contradict each other."""
    return next(row for row in PLATFORMS if all(env.get(marker) for marker in row.markers)).read(env)


@dataclass(frozen=True, slots=True)
class Job:
    """What runs here: its spec, id, folder (events, summary) and the notice that its capacity gives, in seconds."""

    spec: JobSpec
    id: str
    folder: Path
    notice_s: float
    pool: str | None


def job(env: Mapping[str, str] = os.environ) -> Job:
    """The job that SKYWRIGHT_JOB names. Raises UserError in one line for a missing or wrong variable or file."""
    path = env.get(JOB_VARIABLE)
    if not path:
        raise UserError(
            f"{JOB_VARIABLE} is not set", "Start the job with `skywright train`, or name its JobSpec's file."
        )
    try:
        data: Any = json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"{JOB_VARIABLE} names {path}, which can't be read: {error}") from None
    spec = JobSpec.read(data, where=path)
    run_id = env.get(RUN_ID_VARIABLE) or spec.name
    if "/" in run_id or run_id.startswith("."):
        raise mistake(RUN_ID_VARIABLE, run_id, "a name without slashes that begins with no dot")
    return Job(
        spec=spec,
        id=run_id,
        folder=Path(env.get(RUN_DIR_VARIABLE) or Path(path).parent),
        notice_s=_seconds(env, NOTICE_VARIABLE, DEFAULT_NOTICE_S),
        pool=env.get(POOL_VARIABLE) or None,
    )


def folder(env: Mapping[str, str] = os.environ) -> Path | None:
    """Where the run's events go, as far as the environment alone can tell."""
    given = env.get(RUN_DIR_VARIABLE) or (str(Path(env[JOB_VARIABLE]).parent) if env.get(JOB_VARIABLE) else "")
    return Path(given) if given else None


def _seconds(env: Mapping[str, str], name: str, default: float) -> float:
    text = env.get(name)
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if value < 0 or not math.isfinite(value):
        raise mistake(name, text, "seconds, 0 or more")
    return value
