"""The planner applied to a run: a platform that is told what to answer, the record on disk, a clock by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from catalog.errors import UserError
from ml_jobs.contract import Capacity, JobSpec, Pool, StackContract
from ml_jobs.launch.base import Launcher, LaunchError, Origin, Outputs, Run
from ml_jobs.launch.records import Attempt, Records
from ml_jobs.spot.controller import Controller
from ml_jobs.spot.market import Pools, market
from ml_jobs.spot.observation import Capacity as Chosen

HOUR = 3600.0


class Platform(Launcher):
    """Grants or refuses by `spot` and `on_demand`: running, queued, or the refusal's kind."""

    cloud, title = "kubernetes", "a platform by hand"

    def __init__(self, stack: StackContract) -> None:
        super().__init__(stack)
        self.records = Records(stack)
        self.answers = {"spot": "running", "on_demand": "running"}
        self.ended: dict[str, str] = {}
        self.stopped: list[str] = []

    def render(self, job: JobSpec, origin: Origin, *, attempt: int = 0) -> dict[str, Any]:
        return {"job": job, "origin": origin, "attempt": attempt}

    def submit(self, request: dict[str, Any]) -> str:
        job, origin, number = request["job"], request["origin"], request["attempt"]
        kind = "on_demand" if job.capacity is Capacity.ON_DEMAND_ONLY else "spot"
        self.records.open(job, origin)
        if self.answers[kind] not in ("running", "queued"):
            self.records.note(origin.run, "refused", why=self.answers[kind])
            raise LaunchError(self.answers[kind], f"no {kind} today")
        self.records.attempt(origin.run, Attempt(number, f"{origin.run}-{number}", kind, kind, 0.0))
        self.records.note(origin.run, "submitted", attempt=number)
        return origin.run

    def status(self, run: str) -> Run:
        attempts = self.records.attempts(run)
        if not attempts:
            return self.records.run(run, "failed", "refused")
        last = attempts[-1]
        return self.records.run(run, self.ended.get(last.ref) or self.answers[last.capacity])

    def stop(self, run: str, *, by: str, reason: str) -> Run:
        last = self.records.attempts(run)[-1]
        self.records.note(run, "stopping", by=by, reason=reason)
        self.ended[last.ref] = "stopped"
        self.stopped.append(last.capacity)
        return self.status(run)

    def runs(self, limit: int = 100) -> list[Run]:
        raise NotImplementedError

    def events(self, run: str, *, follow: bool = False) -> Iterator[dict[str, Any]]:
        return iter(self.records.events(run))

    def logs(self, run: str, *, rank: int = 0, follow: bool = False) -> Iterator[str]:
        raise NotImplementedError

    def outputs(self, run: str) -> Outputs:
        raise NotImplementedError


class Clock:
    """`at` is moved by whoever sleeps; what is to happen meanwhile is called with the time."""

    def __init__(self, at: float) -> None:
        self.at = at

    def time(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds


class Bench:
    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, *, deadline_h: float = 70) -> None:
        self.stack = StackContract.model_validate(
            {
                "stack": "demo", "environment": "dev", "cloud": "kubernetes",
                "identities": {"training": "t", "serving": "s", "pipeline": "p", "approver": "a"},
                "storage": {key: f"file://{folder}/{key}" for key in ("data", "artifacts", "checkpoints")},
                "registry": {"tracking_url": "", "models_ref": "m"},
                "pools": [
                    Pool(name="spot", instance_type="x", is_spot=True, usd_per_hour=1.0),
                    Pool(name="on-demand", instance_type="x", usd_per_hour=3.0),
                ],
            }
        )  # fmt: skip
        self.platform = Platform(self.stack)
        self.clock = Clock(1_000_000.0)
        monkeypatch.setattr("ml_jobs.launch.records.time.time", self.clock.time)
        self.alarms: list[str] = []
        self.job = JobSpec(
            name="long", entry="a:b", image="i", estimated_work_s=48 * HOUR, deadline_s=deadline_h * HOUR
        )
        self.origin = Origin("long-00000001", "ada", self.clock.at)
        self.controller = self.another()

    def another(self) -> Controller:
        return Controller(
            self.platform, self.platform.records, self.job, self.origin, clock=self.clock, alarm=self.alarms.append
        )

    def step(self) -> Chosen:
        """One decision, by a controller that remembers nothing, and a step's time."""
        self.controller = self.another()
        found = self.controller.step(self.controller.look())
        self.clock.sleep(self.controller.step_s)
        return found.chosen

    @property
    def attempts(self) -> list[str]:
        return [attempt.capacity for attempt in self.platform.records.attempts(self.origin.run)]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, monkeypatch)


def test_a_run_starts_on_spot_and_stays_there_while_it_runs(bench: Bench) -> None:
    assert [bench.step() for _ in range(5)] == [Chosen.SPOT] * 5
    assert bench.attempts == ["spot"] and bench.platform.stopped == []


def test_to_wait_is_a_request_that_waits(bench: Bench) -> None:
    """The first request is the question; while it isn't granted the planner waits, and the request stands."""
    bench.platform.answers["spot"] = "queued"
    assert bench.step() is Chosen.SPOT
    assert [bench.step() for _ in range(4)] == [Chosen.NONE] * 4
    assert bench.attempts == ["spot"]
    bench.platform.answers["spot"] = "running"
    assert bench.step() is Chosen.SPOT
    assert bench.attempts == ["spot"]


def test_when_the_slack_is_gone_the_run_moves_to_on_demand_and_stays(bench: Bench) -> None:
    bench.platform.answers["spot"] = "queued"
    while bench.attempts != ["spot", "on_demand"]:
        bench.step()
        assert bench.clock.at - bench.origin.at < 22.5 * HOUR
    assert bench.platform.stopped == ["spot"]
    assert bench.step() is Chosen.ON_DEMAND
    assert bench.attempts == ["spot", "on_demand"]


def test_refusals_are_answers_and_on_demand_that_is_refused_is_an_alarm(bench: Bench) -> None:
    bench.platform.answers = {"spot": "capacity", "on_demand": "quota"}
    bench.step()
    assert not bench.platform.records.events(bench.origin.run)[-1]["granted"]
    while not bench.alarms:
        bench.step()
        assert bench.clock.at - bench.origin.at < 22.5 * HOUR
    assert "on-demand is refused too, and is tried again in 600 s: no on_demand today" in bench.alarms[0]
    bench.platform.answers["on_demand"] = "running"
    assert bench.step() is Chosen.ON_DEMAND
    assert bench.attempts == ["on_demand"]


def test_a_refusal_that_waiting_does_not_mend_ends_it(bench: Bench) -> None:
    bench.platform.answers["spot"] = "permission"
    with pytest.raises(LaunchError, match="no spot today"):
        bench.step()


@pytest.mark.parametrize(("state", "events", "is_over"), [
    ("succeeded", [], True),
    ("failed", [("failed", {"exit_code": 78})], True),
    ("failed", [("failed", {"exit_code": 1})], False),
    ("failed", [("failed", {"exit_code": 1}), ("started", {}), ("failed", {"exit_code": 1})], True),
    ("failed", [("failed", {"exit_code": 1}), ("failed", {"exit_code": 1})], False),
    ("failed", [("preempted", {})], False),
    ("stopped", [("stopping", {"by": "ada"})], True),
    ("stopped", [("stopping", {"by": "planner"})], False),
])  # fmt: skip
def test_a_run_is_over_when_it_is_done_or_nobody_may_resume_it(
    bench: Bench, state: str, events: list[tuple[str, dict[str, object]]], is_over: bool
) -> None:
    bench.step()
    for kind, fields in events:
        bench.clock.sleep(1)
        bench.platform.records.note(bench.origin.run, kind, **fields)
    bench.platform.ended[f"{bench.origin.run}-0"] = state
    following = bench.another().events()
    if is_over:
        assert "decided" not in [event["type"] for event in following]
    else:
        assert next(following)["chosen"] == "spot"
        assert bench.attempts == ["spot", "spot"]


def test_work_that_was_done_counts(bench: Bench) -> None:
    """46 of 48 hours are done, and half of the time has gone: there is no hurry."""
    bench.step()
    folder = Path(bench.stack.storage.artifacts.removeprefix("file://")) / "runs" / bench.origin.run
    (folder / "summary.json").write_text('{"useful_s": 165600}')
    bench.clock.sleep(60 * HOUR)
    bench.platform.answers["spot"] = "queued"
    assert bench.step() is Chosen.NONE


def test_what_can_not_be_planned_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="at least 172980 s: 172800 s of work and one start of 180 s"):
        Bench(tmp_path, monkeypatch, deadline_h=48)


def test_a_job_without_a_choice_keeps_its_capacity_and_is_resumed(bench: Bench) -> None:
    """Without a deadline spot is waited for; on-demand only never meets the planner."""
    for changes, kind in (
        ({"deadline_s": None}, "spot"),
        ({"capacity": Capacity.SPOT_ONLY}, "spot"),
        ({"capacity": Capacity.ON_DEMAND_ONLY}, "on_demand"),
    ):
        bench.job = bench.job.model_copy(
            update={"deadline_s": 70 * HOUR, "capacity": Capacity.SPOT_PREFERRED, **changes}
        )
        bench.origin = Origin(f"long-{len(kind):08d}{len(changes)}{kind}", "ada", bench.clock.at)
        bench.step()
        bench.platform.records.note(bench.origin.run, "preempted")
        bench.platform.ended[f"{bench.origin.run}-0"] = "failed"
        bench.step()
        assert bench.attempts == [kind, kind]


def test_the_time_line_is_told_with_what_was_decided(bench: Bench) -> None:
    following = bench.another().events()
    told = [next(following) for _ in range(3)]
    assert [event["type"] for event in told] == ["decided", "submitted", "started"]
    bench.platform.records.note(bench.origin.run, "succeeded")
    bench.platform.ended[f"{bench.origin.run}-0"] = "succeeded"
    assert [event["type"] for event in following] == ["succeeded"]


@pytest.mark.parametrize(("spot_s", "on_demand_s", "overhead_s"), [(0, 0, 180), (120, 0, 180), (120, 600, 660)])
def test_a_known_start_takes_the_place_of_the_assumed_one(
    bench: Bench, spot_s: float, on_demand_s: float, overhead_s: float
) -> None:
    """Of the 180 s that are assumed, 60 s stay: for joining the peers and loading a checkpoint."""
    spot, on_demand = bench.stack.pools
    found = Pools(spot.model_copy(update={"start_s": spot_s}), on_demand.model_copy(update={"start_s": on_demand_s}))
    assert market(bench.job, found).restart_overhead_s == overhead_s
