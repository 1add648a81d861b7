"""Jobs on the local stack: sent to its scheduler over HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from catalog.errors import SkywrightError, UserError, did_you_mean
from ml_jobs.contract import JobSpec, StackContract
from ml_jobs.identity import read_token
from ml_jobs.launch.base import Feature, Launcher, Origin, Outputs, Run

if TYPE_CHECKING:
    import httpx

POLL_S = 10.0
"""How long the scheduler holds a request for events that has nothing to tell yet."""


def render(job: JobSpec, stack: StackContract, origin: Origin) -> dict[str, Any]:
    """The body of POST /jobs for `job` on `stack`. Pure: equal inputs, equal request."""
    return {
        "id": origin.run,
        "spec": job.model_dump(mode="json", by_alias=True),
        "by": origin.by,
        "lineage": origin.lineage,
        "contract": stack.model_dump(mode="json"),
    }


class LocalLauncher(Launcher):
    """The local stack's launcher; shows the stack's trainer token unless `identity` refers to another."""

    cloud: ClassVar[str] = "local"
    title: ClassVar[str] = "the local stack"
    lacks: ClassVar[Mapping[Feature, str]] = {
        Feature.ACCELERATORS: "its slots are CPU ranks. Ask for resources.cpu, or train on a cloud.",
        Feature.TIME_LIMIT: "a job that overruns its deadline goes on. Stop it: skywright runs stop.",
    }

    def __init__(self, stack: StackContract, *, identity: str | None = None) -> None:
        super().__init__(stack, identity=identity)
        queue = next((queue for queue in stack.queues if queue.ref), None)
        if queue is None or queue.ref is None:
            raise UserError(f"stack {stack.stack} has no queue to send jobs to", "Bring it up: skywright up")
        self.url = queue.ref.rstrip("/")
        self._client: httpx.Client | None = None

    def render(self, job: JobSpec, origin: Origin, *, attempt: int = 0) -> dict[str, Any]:
        """The scheduler counts attempts itself: a run is sent once."""
        self.require(job)
        known = [queue.name for queue in self.stack.queues]
        if job.queue is not None and job.queue not in known:
            raise UserError(
                f"queue is {job.queue!r}; stack {self.stack.stack} has: {', '.join(known)}",
                did_you_mean(job.queue, known),
            )
        return render(job, self.stack, origin)

    def submit(self, request: dict[str, Any]) -> str:
        return str(self.ask("POST", "/jobs", request)["id"])

    def status(self, run: str) -> Run:
        return _run(self.ask("GET", f"/jobs/{run}"))

    def runs(self, limit: int = 100) -> list[Run]:
        return [_run(job) for job in self.ask("GET", f"/jobs?limit={limit}")["jobs"]]

    def events(self, run: str, *, follow: bool = False) -> Iterator[dict[str, Any]]:
        after = 0
        while True:
            wait_s = POLL_S if follow else 0
            page = self.ask("GET", f"/jobs/{run}/events?after={after}&wait_s={wait_s:g}")
            yield from page["events"]
            after = page["next"]
            if not page["events"] and (not follow or self.status(run).is_over):
                return

    def logs(self, run: str, *, rank: int = 0, follow: bool = False) -> Iterator[str]:
        import time

        offset = 0
        while True:
            is_over = not follow or self.status(run).is_over  # asked first: what comes later is still read below
            page = self.ask("GET", f"/jobs/{run}/logs?rank={rank}&offset={offset}")
            offset = page["next"]
            if page["text"]:
                yield page["text"]
            elif is_over:
                return
            else:
                time.sleep(0.3)

    def stop(self, run: str, *, by: str, reason: str) -> Run:
        return _run(self.ask("POST", f"/jobs/{run}/stop", {"by": by, "reason": reason}))

    def outputs(self, run: str) -> Outputs:
        found = self.status(run)
        storage, model = self.stack.storage, found.model or {}
        name = model.get("name")
        return Outputs(
            model=name,
            version=model.get("version"),
            artifact_url=f"{storage.artifacts}/models/{name}/{run}" if name else None,
            checkpoints_url=f"{storage.checkpoints}/{run}",
        )

    def slots(self) -> dict[str, Any]:
        """The stack's slots and who waits for what."""
        return dict(self.ask("GET", "/slots"))

    def preempt(self, slot: str, *, notice_s: float, away_s: float) -> dict[str, Any]:
        """Take a slot away as a market does. Needs the admin's token."""
        return dict(self.ask("POST", f"/slots/{slot}/preempt", {"notice_s": notice_s, "away_s": away_s}))

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """One request; its JSON. What the scheduler refuses is raised in its own words."""
        import httpx

        if self._client is None:
            token = read_token(self.identity)
            self._client = httpx.Client(
                base_url=self.url, headers={"authorization": f"Bearer {token}"}, timeout=POLL_S + 20, trust_env=False
            )
        try:
            answer = self._client.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise SkywrightError(
                f"the scheduler at {self.url} does not answer ({type(error).__name__})",
                "See `skywright status`; `skywright up` mends a stack whose processes died.",
            ) from None
        try:
            data = answer.json()
        except ValueError:
            data = {"error": answer.text[:200]}
        if answer.is_error:
            told = str(data.get("error") or answer.reason_phrase) if isinstance(data, dict) else answer.reason_phrase
            raise (UserError if answer.status_code in (400, 404) else SkywrightError)(told)
        return data


def _run(job: dict[str, Any]) -> Run:
    same = ("id", "name", "state", "message", "by", "team", "submitted_at", "started_at", "ended_at", "attempts",
            "preemptions", "failures", "exit_code", "goodput", "cost_usd", "model", "lineage")  # fmt: skip
    told = {key: job[key] for key in same}
    return Run(**told, slots=tuple(job["slots"]), params=job["spec"]["params"], detail=job)
