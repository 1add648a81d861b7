"""Where this process stands: platform, rank, world size, master; and the job that it runs.

A rank reads its `Place` from what started it, which speaks torchrun's variables. What starts the ranks of a node reads
its `Node` from the platform's own variables and files (platforms.py).
"""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from catalog.errors import UserError, mistake
from ml_jobs.contract import CONTRACT_VARIABLE, JobSpec, StackContract
from ml_jobs.runtime.platforms import Node, integer, node

__all__ = ["Job", "Node", "Place", "contract", "detect", "folder", "job", "node"]

JOB_VARIABLE = "SKYWRIGHT_JOB"
RUN_ID_VARIABLE = "SKYWRIGHT_RUN_ID"
RUN_DIR_VARIABLE = "SKYWRIGHT_RUN_DIR"
RUN_URL_VARIABLE = "SKYWRIGHT_RUN_URL"
"""Where the run's time line and summary are published, an fsspec URL; unset where the folder itself is read."""
ATTEMPT_VARIABLE = "SKYWRIGHT_ATTEMPT"
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


def detect(env: Mapping[str, str] = os.environ) -> Place:
    """Where this process stands: alone without RANK and WORLD_SIZE, which torchrun, the image's entry point and the
    local stack's agent set alike. Raises UserError when the variables contradict each other.
    """
    if not (env.get("RANK") and env.get("WORLD_SIZE")):
        return Place(platform="alone")
    world_size = integer(env, "WORLD_SIZE")
    return Place(
        platform="torchrun",
        rank=integer(env, "RANK"),
        world_size=world_size,
        local_rank=integer(env, "LOCAL_RANK", 0),
        local_world_size=integer(env, "LOCAL_WORLD_SIZE", world_size),
        node=integer(env, "GROUP_RANK", integer(env, "NODE_RANK", 0)),
        attempt=integer(env, "TORCHELASTIC_RESTART_COUNT", 0),
        master_addr=env.get("MASTER_ADDR", "127.0.0.1"),
        master_port=integer(env, "MASTER_PORT") if "MASTER_PORT" in env else None,
    )


@dataclass(frozen=True, slots=True)
class Job:
    """What runs here: its spec, id, folder (events, summary) and the notice that its capacity gives, in seconds.

    `origin`: who submitted it, when and from which code. `url`: where its time line is published, if anywhere.
    `attempt` counts from 0 where the launcher knows it.
    """

    spec: JobSpec
    id: str
    folder: Path
    notice_s: float
    pool: str | None
    url: str | None = None
    attempt: int | None = None
    origin: Mapping[str, Any] = field(default_factory=dict)


def job(env: Mapping[str, str] = os.environ) -> Job:
    """The job that SKYWRIGHT_JOB names. Raises UserError in one line for a missing or wrong variable or file."""
    place = env.get(JOB_VARIABLE)
    if not place:
        raise UserError(
            f"{JOB_VARIABLE} is not set", "Start the job with `skywright train`, or name its JobSpec's file."
        )
    data = _read(place, JOB_VARIABLE)
    spec = JobSpec.read(data, where=place)
    run_id = env.get(RUN_ID_VARIABLE) or spec.name
    if "/" in run_id or run_id.startswith("."):
        raise mistake(RUN_ID_VARIABLE, run_id, "a name without slashes that begins with no dot")
    origin = data.get("job")
    here = folder(env)
    assert here is not None
    return Job(
        spec=spec,
        id=run_id,
        folder=here,
        notice_s=seconds(env, NOTICE_VARIABLE, DEFAULT_NOTICE_S),
        pool=env.get(POOL_VARIABLE) or None,
        url=(env.get(RUN_URL_VARIABLE) or "").rstrip("/") or None,
        attempt=integer(env, ATTEMPT_VARIABLE) if env.get(ATTEMPT_VARIABLE) else None,
        origin=origin if isinstance(origin, dict) else {},
    )


def contract(env: Mapping[str, str] = os.environ) -> StackContract:
    """The contract that SKYWRIGHT_CONTRACT names, a path or a URL. Raises UserError when there is none."""
    place = env.get(CONTRACT_VARIABLE)
    if not place:
        raise UserError(
            f"{CONTRACT_VARIABLE} is not set", "Start the job with `skywright train`, or name the contract's file."
        )
    return StackContract.read(_read(place, CONTRACT_VARIABLE), where=place)


def _read(place: str, variable: str) -> Any:
    """The JSON that `variable` names by `place`, a path or an fsspec URL. StorageError for a store that is away."""
    from ml_jobs.runtime.storage import Folder

    try:
        if "://" not in place:
            return json.loads(Path(place).read_text())
        parent, _, name = place.rpartition("/")
        return json.loads(Folder(parent).read(name))
    except (OSError, ValueError) as error:
        raise UserError(f"{variable} names {place}, which can't be read: {error}") from None


def folder(env: Mapping[str, str] = os.environ) -> Path | None:
    """Where the run's events go, as far as the environment alone can tell; None without a job."""
    if given := env.get(RUN_DIR_VARIABLE):
        return Path(given)
    place = env.get(JOB_VARIABLE)
    if not place:
        return None
    if "://" in place:  # no folder of this machine: what is written there is scratch
        return Path(tempfile.gettempdir()) / "skywright" / (env.get(RUN_ID_VARIABLE) or "run")
    return Path(place).parent


def seconds(env: Mapping[str, str], name: str, default: float) -> float:
    """A variable of seconds. Raises UserError for what is none."""
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
