"""What a launcher is: the same JobSpec, rendered for and sent to any stack.

A launcher has a pure half, `render`, and a thin half that sends what was rendered and asks how it goes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from catalog.errors import UserError
from ml_jobs.contract import JobSpec, StackContract

FINAL = frozenset({"succeeded", "failed", "stopped"})


@dataclass(frozen=True, slots=True)
class Run:
    """How a run stands. `state`: queued, running, stopping, succeeded, failed, stopped; `detail` is the stack's own."""

    id: str
    name: str
    state: str
    message: str = ""
    model: dict[str, Any] | None = None
    cost_usd: float | None = None
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


class Launcher(Protocol):
    """One stack's way to run jobs. The class attributes say what it can do; what asks for more is refused."""

    cloud: ClassVar[str]
    has_priority: ClassVar[bool]
    has_gangs: ClassVar[bool]
    has_events: ClassVar[bool]

    def render(self, job: JobSpec, *, by: str, lineage: dict[str, Any]) -> dict[str, Any]:
        """The request that starts `job` on this stack. Pure: equal inputs, equal request."""
        ...

    def submit(self, request: dict[str, Any]) -> str:
        """Send it; the run's id. Raises SkywrightError with the stack's own words when it is refused."""
        ...

    def status(self, run: str) -> Run: ...

    def runs(self, limit: int = 100) -> list[Run]:
        """The newest runs, newest first."""
        ...

    def events(self, run: str, *, follow: bool = False) -> Iterator[dict[str, Any]]:
        """The run's time line; with `follow` until the run is over."""
        ...

    def logs(self, run: str, *, rank: int = 0, follow: bool = False) -> Iterator[str]:
        """Pieces of a rank's log; with `follow` until the run is over."""
        ...

    def stop(self, run: str, *, by: str, reason: str) -> Run: ...

    def outputs(self, run: str) -> Outputs: ...


def launcher(stack: StackContract, *, identity: str | None = None) -> Launcher:
    """The stack's launcher, acting with the training identity or the one given (a reference from the contract).

    Raises UserError where there is none yet.
    """
    if stack.cloud == "local":
        from ml_jobs.launch.local import LocalLauncher

        return LocalLauncher(stack, identity=identity)
    raise UserError(
        f"stack {stack.stack} is on {stack.cloud}; jobs can be launched on: local",
        "Select a local stack: skywright train -s local",
    )
