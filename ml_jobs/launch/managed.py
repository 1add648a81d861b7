"""What the launchers of managed services share: the run's record first, then the request; and what the platform tells
beside what the record tells.

They act as whoever the SDK's own chain of credentials finds. Such a service has no planner of ours: `spot_preferred` is
sent to spot, and whoever applies the planner stops the attempt and submits the next one elsewhere.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from catalog.errors import SkywrightError, UserError, mistake
from catalog.names import NameRule, name_for
from ml_jobs.contract import JobSpec, Pool, StackContract
from ml_jobs.launch.base import Launcher, LaunchError, Origin, Outputs, Run
from ml_jobs.launch.pools import possible
from ml_jobs.launch.records import Attempt, Records, environment
from ml_jobs.launch.refusals import told

POLL_S = 5.0
READERS = 16
PROJECT = "skywright"
ON_KUEUE = "or run on a stack with Kueue (training.runtime: kubernetes)"
AGAIN = "`skywright train --follow` submits it again"
COMMAND = ("python", "-m", "ml_jobs.entry")
"""Our image's entry point, named so that an image of the user's needs no ENTRYPOINT of its own."""
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_EXIT = re.compile(r"(?i)(?:exit(?:ed)?(?: with)?(?: a)?(?: non-zero)?(?: exit)?(?: status| code)+(?: of)?)[:\s]+(\d+)")


class Request(dict[str, Any]):
    """A request as it goes over the wire, and what it was rendered from: whoever sends it records that first."""

    def __init__(self, wire: Mapping[str, Any], *, job: JobSpec, origin: Origin, pool: Pool, attempt: int) -> None:
        super().__init__(wire)
        self.job, self.origin, self.pool, self.attempt = job, origin, pool, attempt


@dataclass(frozen=True, slots=True)
class Seen:
    """One attempt as the platform tells it; `state` is one of `Run`'s."""

    state: str
    message: str = ""
    started_at: float | None = None
    ended_at: float | None = None
    exit_code: int | None = None
    preemptions: int = 0
    detail: dict[str, Any] = field(default_factory=dict)


class ManagedLauncher(Launcher):
    """A managed service. Below it stand the request, and the few calls that its API has."""

    def __init__(self, stack: StackContract, *, identity: str | None = None) -> None:
        super().__init__(stack, identity=identity)
        self.records = Records(stack)

    @abstractmethod
    def _wire(self, job: JobSpec, origin: Origin, pool: Pool, attempt: int) -> dict[str, Any]:
        """The request. Pure."""

    @abstractmethod
    def _send(self, request: Request) -> str:
        """Send it, unless the platform has the job already; the platform's name of it."""

    @abstractmethod
    def _ref(self, run: str) -> str | None:
        """The platform's name of a run's first attempt where no record has it; None where it can't be found."""

    @abstractmethod
    def _seen(self, ref: str) -> Seen | None:
        """None when the platform knows no such job."""

    @abstractmethod
    def _list(self, limit: int) -> dict[str, Seen]:
        """The stack's newest jobs by the platform's name."""

    @abstractmethod
    def _log(self, ref: str, node: int, cursor: Any) -> tuple[list[str], Any]:
        """The lines of a node's log after `cursor` (None: all), and the cursor after them."""

    @abstractmethod
    def _cancel(self, ref: str) -> None: ...

    def render(self, job: JobSpec, origin: Origin, *, attempt: int = 0) -> Request:
        """`attempt`: which of the run's jobs this is, from 0; each has a name of its own on the platform."""
        self.require(job)
        pool = possible(job, self.stack)[0]
        return Request(self._wire(job, origin, pool, attempt), job=job, origin=origin, pool=pool, attempt=attempt)

    def submit(self, request: dict[str, Any]) -> str:
        """What is submitted a second time finds its job running and starts no other."""
        if not isinstance(request, Request):
            raise UserError("this request was not rendered by this launcher", "Submit what its `render` gave.")
        run, number = request.origin.run, request.attempt
        with told(self.cloud):
            self.records.need(request.job, request.origin)
        try:
            with told(self.cloud):
                ref = self._send(request)
        except LaunchError as refused:
            with contextlib.suppress(SkywrightError):
                self.records.note(run, "refused", attempt=number, why=refused.kind, message=refused.what)
            raise
        with told(self.cloud):
            if all(number != known.number for known in self.records.attempts(run)):
                capacity = "spot" if request.pool.is_spot else "on_demand"
                self.records.submitted(run, Attempt(number, ref, capacity, request.pool.name, round(time.time(), 3)))
        return run

    def status(self, run: str) -> Run:
        with told(self.cloud):
            self.records.read(run)
            ref = self._refs(run)[-1:]
            seen = self._seen(ref[0]) if ref else None
            return self._merged(run, seen)

    def runs(self, limit: int = 100) -> list[Run]:
        with told(self.cloud):
            known = self.records.newest(limit)
            listed = self._list(limit)
            with ThreadPoolExecutor(READERS) as readers:
                return list(readers.map(lambda pair: self._row(pair[0], pair[1], listed), known))

    def events(self, run: str, *, follow: bool = False) -> Iterator[dict[str, Any]]:
        with told(self.cloud):
            self.records.read(run)
            yield from self.records.follow(run, lambda: not follow or self.status(run).is_over, POLL_S)

    def logs(self, run: str, *, rank: int = 0, follow: bool = False) -> Iterator[str]:
        """Of all attempts, oldest first. The platform keeps one log for each node, the ranks of one node in it."""
        with told(self.cloud):
            job, _ = self.records.read(run)
            if not 0 <= rank < job.resources.world_size:
                raise mistake("rank", rank, f"0 to {job.resources.world_size - 1}")
            node, cursors = rank // job.resources.count, dict[str, Any]()
            while True:
                is_over = not follow or self.status(run).is_over
                for ref in self._refs(run):
                    lines, cursors[ref] = self._log(ref, node, cursors.get(ref))
                    if kept := [line for line in lines if is_of(line, rank)]:
                        yield "\n".join(kept) + "\n"
                if is_over:
                    return
                time.sleep(POLL_S)

    def stop(self, run: str, *, by: str, reason: str) -> Run:
        found = self.status(run)
        if found.is_over:
            return found
        with told(self.cloud):
            self.records.note(run, "stopped", by=by, reason=reason)
            for ref in self._refs(run)[-1:]:
                self._cancel(ref)
        return self.status(run)

    def outputs(self, run: str) -> Outputs:
        with told(self.cloud):
            self.records.read(run)
            return self.records.outputs(run)

    def _refs(self, run: str) -> list[str]:
        recorded = [attempt.ref for attempt in self.records.attempts(run)]
        first = None if recorded else self._ref(run)  # sent, and then cut off before the record
        return recorded or ([first] if first else [])

    def _merged(self, run: str, seen: Seen | None) -> Run:
        if seen is None:
            refused = [event for event in self.records.events(run) if event["type"] == "refused"]
            why = refused[-1]["message"] if refused else f"{self.title} knows no job of this run; submit it again"
            return self.records.run(run, "failed", why)
        found = self.records.run(
            run, seen.state, self._stopped_by(run) if seen.state == "stopped" else seen.message,
            started_at=seen.started_at, ended_at=seen.ended_at, exit_code=seen.exit_code, detail=seen.detail,
        )  # fmt: skip
        return replace(found, preemptions=max(found.preemptions or 0, seen.preemptions))

    def _stopped_by(self, run: str) -> str:
        asked = [event for event in self.records.events(run) if event["type"] == "stopped"]
        return (
            f"stopped by {asked[-1]['by']}: {asked[-1]['reason']}" if asked else f"stopped on {self.title}, not by us"
        )

    def _row(self, job: JobSpec, origin: Origin, listed: Mapping[str, Seen]) -> Run:
        """A run with what one look at its folder tells; `status` reads its time line too."""
        refs = self._refs(origin.run)
        seen = (listed.get(refs[-1]) or self._seen(refs[-1])) if refs else None
        summary = self.records.summary(origin.run)
        return Run(
            id=origin.run, name=job.name, state=seen.state if seen else "failed", by=origin.by, team=job.team,
            message=seen.message if seen else f"{self.title} has no job of it", submitted_at=origin.at,
            started_at=seen.started_at if seen else None, ended_at=seen.ended_at if seen else None,
            attempts=max(len(refs), 1), goodput=summary.get("goodput"), cost_usd=summary.get("usd"),
            params=job.params, lineage=origin.lineage,
        )  # fmt: skip


def stand_in(variable: str) -> str | None:
    """Where a stand-in for the platform listens, when the variable names one. Raises UserError for another host."""
    given = os.environ.get(variable)
    if given and not given.startswith("http://127.0.0.1:"):
        raise mistake(variable, given, "http://127.0.0.1:PORT, within a rehearsal", "Unset it.")
    return given or None


def named(given: Mapping[str, str], *, longest: int | None = None) -> dict[str, str]:
    """Variables in the order of their names. Raises UserError for a name that a shell would not take."""
    for name in given:
        if not VARIABLE.fullmatch(name):
            raise mistake("env", name, "names of letters, digits and _, not beginning with a digit")
        if longest is not None and len(name) > longest:
            raise mistake("env", name, f"names of up to {longest} characters")
    return dict(sorted(given.items()))


def image_of(job: JobSpec) -> str:
    if job.image is None:
        raise UserError(f"job {job.name} names no image", "Push the stack's own: skywright image push -s STACK")
    return job.image


def variables(
    job: JobSpec, stack: StackContract, origin: Origin, pool: Pool, attempt: int, platform: str
) -> dict[str, str]:
    """The environment of each node's process. The platform's own variables go before the job's."""
    return {
        **job.env,
        **environment(stack, origin.run, attempt, pool.name),
        "SKYWRIGHT_NODES": str(job.resources.nodes),
        "SKYWRIGHT_PLATFORM": platform,
        **({"SKYWRIGHT_NOTICE_S": f"{pool.notice_s:g}"} if pool.notice_s else {}),
    }


def tags_of(job: JobSpec, stack: StackContract, origin: Origin, attempt: int) -> dict[str, str]:
    """What the job is accounted by; the stack's own go before the job's."""
    own = {
        "project": PROJECT,
        "stack": stack.stack,
        "environment": stack.environment,
        "team": job.team,
        "job": job.name,
        "run": origin.run,
        "attempt": str(attempt),
        "data_classification": job.data_classification,
    }
    return {**job.tags, **own}


def attempt_name(stack: StackContract, run: str, attempt: int, *, length: int, prefix_length: int = 40) -> str:
    """`<project>-<stack>-<run>-<attempt>`, within the length; the stack's roles may act on names that begin so."""
    source = "https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrainingJob.html"
    prefix = name_for(NameRule("beginning of job names", prefix_length, source), PROJECT, stack.stack)
    return f"{prefix}-{name_for(NameRule('job', length - len(prefix) - 1, source), run, str(attempt))}"


def exit_code(reason: str) -> int | None:
    """What the container ended with, out of the platform's words; None where these don't tell."""
    found = _EXIT.search(reason)
    return int(found[1]) if found else None


def is_of(line: str, rank: int) -> bool:
    """Whether a line may be that rank's: a structured one names its rank, any other is everybody's."""
    if not line.startswith("{"):
        return True
    try:
        said = json.loads(line)
    except ValueError:
        return True
    return not isinstance(said, dict) or said.get("rank", rank) == rank


def newest(found: Iterable[tuple[str, Seen]], limit: int) -> dict[str, Seen]:
    """The first so many of a listing that begins with the newest."""
    listed: dict[str, Seen] = {}
    for ref, seen in found:
        listed[ref] = seen
        if len(listed) >= limit:
            break
    return listed
