"""A gang: the ranks of one attempt of one job, and the judgement when they have all ended."""

from __future__ import annotations

import signal
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from catalog.errors import EXIT_PREEMPTED, EXIT_USER_ERROR
from ml_jobs.contract import JobSpec
from ml_jobs.local.scheduler.leftovers import Process

PATIENCE_WITH_KILLS = 5
"""Ends by a signal in a row, with no checkpoint in between, after which a job counts as failed."""


FROM_OUTSIDE = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
"""Signals that a rank does not get for a fault of its own, as it gets SIGSEGV or SIGABRT."""

HUNG = 124
"""What a rank counts as that still ran long after its peers were done; `timeout` exits with it."""


class Cause(str, Enum):
    """Why the scheduler ended a gang, when it did."""

    PREEMPTED = "preempted"
    HELD = "held"
    STOPPED = "stopped"
    LOST = "lost"
    DRAINED = "drained"
    REPLANNED = "replanned"


@dataclass
class Gang:
    """What runs. `codes` fills as ranks end, in that order; at `kill_at` (POSIX) the rest is ended the hard way.

    `ended` are the ranks that the scheduler itself has killed; `killed_at` is when; `exited_at` is when the agent
    saw the last rank end.
    """

    job: str
    attempt: int
    pool: str
    slots: tuple[str, ...]
    world_size: int
    spec: JobSpec
    started_at: float
    cause: Cause | None = None
    slot: str | None = None
    notice_s: float = 0
    killed_at: float | None = None
    exited_at: float | None = None
    kill_at: float | None = None
    stopped: dict[str, str] = field(default_factory=dict)
    processes: dict[int, Process] = field(default_factory=dict)
    codes: dict[int, int] = field(default_factory=dict)
    ended: set[int] = field(default_factory=set)

    def key(self, rank: int) -> str:
        return f"{self.job}/{self.attempt}/{rank}"

    @property
    def remaining(self) -> list[int]:
        return [rank for rank in range(self.world_size) if rank not in self.codes]

    def outcomes(self) -> list[int]:
        """The codes that say how it went: without those of ranks that the scheduler itself ended the hard way.

        Where such ranks were, their peers' zeros alone never make a success: the gang's work was not done.
        """
        own = [code for rank, code in self.codes.items() if rank not in self.ended or code >= 0]
        if len(own) < len(self.codes) and all(code == 0 for code in own):
            return [HUNG] if self.cause is None else []
        return own


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a job becomes after an attempt: `queued` again or a final state. `counts` says as what it is counted."""

    state: str
    outcome: str
    exit_code: int | None = None
    message: str = ""
    counts: str = ""


def judge(
    codes: Iterable[int], cause: Cause | None, *, failures: int, retries: int, kills_in_a_row: int = 0
) -> Verdict:
    """The exit codes of ranks (negative: a signal), and why they were ended, to what the job becomes.

    Work that was done stays done, and a mistake stays a mistake, whatever came in between; a preemption is never a
    failure. Ranks killed from outside are resumed for as long as they come further each time; what their peers exit
    with is then only the echo.
    """
    codes = list(codes)
    if codes and all(code == 0 for code in codes):
        return Verdict("succeeded", "succeeded", 0)
    if EXIT_USER_ERROR in codes:
        return Verdict("failed", "failed", EXIT_USER_ERROR, "the job refused its configuration or data; see its log")
    if cause is Cause.STOPPED:
        return Verdict("stopped", "stopped", EXIT_PREEMPTED if EXIT_PREEMPTED in codes else None)
    if cause is Cause.PREEMPTED:
        return Verdict("queued", "preempted", message="preempted", counts="preemptions")
    if cause is Cause.HELD:
        return Verdict("queued", "held", message="a hold stops spot jobs")
    if cause is Cause.REPLANNED:
        return Verdict("queued", "replanned", message="it moves to other capacity")
    if cause in (Cause.LOST, Cause.DRAINED):
        return Verdict("queued", cause.value, message="the scheduler or its agent ended")
    killed = [-code for code in codes if -code in FROM_OUTSIDE]
    if killed:
        name = signal.Signals(killed[0]).name
        if kills_in_a_row + 1 < PATIENCE_WITH_KILLS:
            return Verdict("queued", "killed", message=f"a rank was ended by {name}", counts="interruptions")
        return Verdict(
            "failed",
            "failed",
            128 + killed[0],
            f"ranks were ended by {name} {PATIENCE_WITH_KILLS} times with no checkpoint in between; is memory short?",
        )
    wrong = [code for code in codes if code not in (0, EXIT_PREEMPTED)]
    if not wrong:
        return Verdict("queued", "preempted", message="asked to be resumed", counts="preemptions")
    code = wrong[0] if wrong[0] > 0 else 128 - wrong[0]
    if failures < retries:
        return Verdict("queued", "failed", code, f"exit code {code}; tried again", counts="failures")
    tries = f"{failures + 1} failures" if failures else "one failure"
    return Verdict("failed", "failed", code, f"exit code {code} after {tries}; see its log", counts="failures")
