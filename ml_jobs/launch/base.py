"""What a launcher is: the same JobSpec, rendered for and sent to any stack.

A launcher has a pure half, `render`, and a thin half that sends what was rendered and asks how it goes.
"""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar

from catalog.errors import SkywrightError, UserError
from ml_jobs.contract import Capacity, JobSpec, StackContract

FINAL = frozenset({"succeeded", "failed", "stopped"})


class Feature(str, Enum):
    """What a job can ask for that not every stack has."""

    SPOT = "spot capacity, resumed after a preemption"
    FALLBACK = "on-demand where there is no spot"
    NODES = "several nodes, started together"
    ACCELERATORS = "accelerators"
    PRIORITY = "priority among waiting jobs"
    QUEUES = "queues by name"
    SECRETS = "secrets by reference"
    RETRIES = "retries after a failure"
    TIME_LIMIT = "an end to a job that overruns its deadline"
    LIVE_LOGS = "logs while it runs"


def asked(job: JobSpec) -> set[Feature]:
    """The features without which `job` would not run as it says."""
    needs = {
        Feature.SPOT: job.capacity is Capacity.SPOT_ONLY,
        Feature.NODES: job.resources.nodes > 1,
        Feature.ACCELERATORS: job.resources.accelerator is not None,
        Feature.PRIORITY: job.priority != 0,
        Feature.QUEUES: job.queue is not None,
        Feature.SECRETS: bool(job.secret_refs),
    }
    return {feature for feature, is_needed in needs.items() if is_needed}


@dataclass(frozen=True, slots=True)
class Origin:
    """A run's id, who asked for it, when (POSIX seconds), from which code."""

    run: str
    by: str
    at: float
    lineage: dict[str, Any] = field(default_factory=dict)


def new_run(job: JobSpec) -> str:
    """An id that no other run has: the job's name and eight hexadecimal digits."""
    return f"{job.name}-{uuid.uuid4().hex[:8]}"


@dataclass(frozen=True, slots=True)
class Run:
    """How a run stands. `state`: queued, running, stopping, succeeded, failed, stopped; times are POSIX seconds.

    What a stack can't tell is None; `detail` is the stack's own answer.
    """

    id: str
    name: str
    state: str
    message: str = ""
    by: str = ""
    team: str = "default"
    submitted_at: float | None = None
    started_at: float | None = None
    ended_at: float | None = None
    attempts: int | None = None
    preemptions: int | None = None
    failures: int | None = None
    exit_code: int | None = None
    goodput: float | None = None
    cost_usd: float | None = None
    model: dict[str, Any] | None = None
    slots: tuple[str, ...] = ()
    params: dict[str, Any] = field(default_factory=dict)
    lineage: dict[str, Any] = field(default_factory=dict)
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        return self.state in FINAL


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where a run left what it made; None for what it did not make."""

    model: str | None
    version: int | None
    artifact_url: str | None
    checkpoints_url: str


class LaunchError(SkywrightError):
    """The stack refused, in its own words. `kind`: quota, permission, capacity, image, data, credentials, request,
    unreachable."""

    def __init__(self, kind: str, message: str, remedy: str = "") -> None:
        super().__init__(message, remedy)
        self.kind = kind


class Launcher(ABC):
    """One stack's way to run jobs. `lacks` says, per feature that it has not, why and what to do instead."""

    cloud: ClassVar[str]
    title: ClassVar[str]
    lacks: ClassVar[Mapping[Feature, str]] = {}

    def __init__(self, stack: StackContract, *, identity: str | None = None) -> None:
        """`identity`: whom to act as, a reference from the contract; the stack's training identity by default."""
        self.stack = stack
        self.identity = identity or stack.identities.training

    def require(self, job: JobSpec) -> None:
        """Raises UserError for what this stack can't do, before anything is sent."""
        for feature in Feature:
            if feature in asked(job) and feature in self.lacks:
                raise UserError(
                    f"job {job.name} asks for {feature.value}; {self.title} has none: {self.lacks[feature]}"
                )

    @abstractmethod
    def render(self, job: JobSpec, origin: Origin, *, attempt: int = 0) -> dict[str, Any]:
        """The request that starts `job` on this stack. Pure: equal inputs, equal request. Raises UserError.

        `attempt`: which of the run's jobs on the platform this is, from 0, where that has one for each.
        """

    @abstractmethod
    def submit(self, request: dict[str, Any]) -> str:
        """Send it; the run's id. Raises LaunchError with the stack's own words when it is refused."""

    @abstractmethod
    def status(self, run: str) -> Run: ...

    @abstractmethod
    def runs(self, limit: int = 100) -> list[Run]:
        """The newest runs, newest first."""

    @abstractmethod
    def events(self, run: str, *, follow: bool = False) -> Iterator[dict[str, Any]]:
        """The run's time line; with `follow` until the run is over."""

    @abstractmethod
    def logs(self, run: str, *, rank: int = 0, follow: bool = False) -> Iterator[str]:
        """Pieces of a rank's log; with `follow` until the run is over."""

    @abstractmethod
    def stop(self, run: str, *, by: str, reason: str) -> Run: ...

    @abstractmethod
    def outputs(self, run: str) -> Outputs: ...


LAUNCHERS: dict[str, str] = {
    "local": "ml_jobs.launch.local:LocalLauncher",
    "kubernetes": "ml_jobs.launch.kubernetes:KubernetesLauncher",
    "aws": "ml_jobs.launch.sagemaker:SageMakerLauncher",
    "gcp": "ml_jobs.launch.vertex:VertexLauncher",
    "azure": "ml_jobs.launch.azureml:AzureMLLauncher",
}
"""Name -> where its class is. A cloud's stack whose queues lie on a cluster is launched by `kubernetes`."""


def of_stack(stack: StackContract) -> str:
    """Which of LAUNCHERS serves this stack: a queue of form NAMESPACE/NAME lies on a cluster."""
    is_on_cluster = any("/" in (queue.ref or "") and "://" not in (queue.ref or "") for queue in stack.queues)
    return "kubernetes" if is_on_cluster else stack.cloud


def launcher_class(name: str) -> type[Launcher]:
    """A launcher's class; its module imports no SDK, so that it needs no extra."""
    from importlib import import_module

    module, _, attribute = LAUNCHERS[name].partition(":")
    found: type[Launcher] = getattr(import_module(module), attribute)
    return found


def launcher(stack: StackContract, *, identity: str | None = None) -> Launcher:
    """The stack's launcher, acting with the training identity or the one given (a reference from the contract)."""
    return launcher_class(of_stack(stack))(stack, identity=identity)
