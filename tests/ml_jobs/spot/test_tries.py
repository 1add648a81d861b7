"""A run that went to on-demand comes back to spot where that is worth a try, and no try costs it its deadline."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_jobs.contract import Capacity, JobSpec, Pool, StackContract
from ml_jobs.launch.base import Launcher, Origin, Outputs, Run
from ml_jobs.launch.records import Attempt
from ml_jobs.spot import tries
from ml_jobs.spot.controller import Controller
from ml_jobs.spot.odds import NOBODY, Odds
from ml_jobs.spot.tries import belief, rests_until

PARTS = 4
"""A step has so many parts: spot comes and goes within it."""
OVERHEAD_S = 180.0


class Memory:
    """A run's record, kept here."""

    url = "memory://runs"

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.line: list[dict[str, Any]] = []
        self.made: list[Attempt] = []
        self.useful_s = 0.0

    def ids(self) -> list[str]:
        return ["run"] if self.made else []

    def attempts(self, run: str) -> list[Attempt]:
        return list(self.made)

    def events(self, run: str) -> list[dict[str, Any]]:
        return list(self.line)

    def note(self, run: str, kind: str, **fields: Any) -> None:
        self.line.append({"at": self.clock.at, "type": kind, **fields})

    def summary(self, run: str) -> dict[str, Any]:
        return {"useful_s": self.useful_s}


class Clock:
    at = 1_000_000.0

    def time(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds


class World(Launcher):
    """Spot by a series of parts of a step; on-demand always. What runs pays the restart, then works."""

    cloud, title = "kubernetes", "a world by hand"

    def __init__(self, stack: StackContract, there: Sequence[bool]) -> None:
        super().__init__(stack)
        self.clock, self.there, self.part = Clock(), there, 0
        self.records = Memory(self.clock)
        self.state, self.pending_s, self.spot_s = "", 0.0, 0.0

    def render(self, job: JobSpec, origin: Origin, *, attempt: int = 0) -> dict[str, Any]:
        return {"kind": "on_demand" if job.capacity is Capacity.ON_DEMAND_ONLY else "spot", "number": attempt}

    def submit(self, request: dict[str, Any]) -> str:
        assert self.state not in ("running", "queued"), "two at once"
        self.records.made.append(Attempt(request["number"], "ref", request["kind"], request["kind"], self.clock.at))
        self.records.note("run", "submitted")
        self.state, self.pending_s = "queued", OVERHEAD_S
        self._grant()
        return "run"

    def _grant(self) -> None:
        if self.state == "queued" and (self.records.made[-1].capacity == "on_demand" or self.has_spot):
            self.state = "running"

    @property
    def has_spot(self) -> bool:
        return self.part < len(self.there) and self.there[self.part]

    def pass_by(self, seconds: float, work_s: float) -> None:
        """Time goes on by a part of a step."""
        self._grant()
        is_spot = bool(self.records.made) and self.records.made[-1].capacity == "spot"
        if self.state == "running" and is_spot and not self.has_spot:
            self.state, self.pending_s = "failed", OVERHEAD_S
            self.records.note("run", "preempted")
        if self.state == "running":
            paid = min(self.pending_s, seconds)
            self.pending_s -= paid
            done_s = min(seconds - paid, work_s - self.records.useful_s)
            self.records.useful_s += done_s
            self.spot_s += done_s * is_spot
            if self.records.useful_s >= work_s - 1e-6:
                self.state, seconds = "succeeded", paid + done_s
        self.part += 1
        self.clock.at += seconds

    def status(self, run: str) -> Run:
        return Run(run, "long", self.state)

    def stop(self, run: str, *, by: str, reason: str) -> Run:
        self.records.note(run, "stopping", by=by, reason=reason)
        self.state = "stopped"
        return self.status(run)

    def runs(self, limit: int = 100) -> list[Run]:
        raise NotImplementedError

    def events(self, run: str, *, follow: bool = False) -> Iterator[dict[str, Any]]:
        raise NotImplementedError

    def logs(self, run: str, *, rank: int = 0, follow: bool = False) -> Iterator[str]:
        raise NotImplementedError

    def outputs(self, run: str) -> Outputs:
        raise NotImplementedError


def stack(spot_usd: float) -> StackContract:
    return StackContract.model_validate(
        {
            "stack": "demo", "environment": "dev", "cloud": "kubernetes",
            "identities": {"training": "t", "serving": "s", "pipeline": "p", "approver": "a"},
            "storage": {key: f"memory://{key}" for key in ("data", "artifacts", "checkpoints")},
            "registry": {"tracking_url": "", "models_ref": "m"},
            "pools": [
                Pool(name="spot", instance_type="x", is_spot=True, usd_per_hour=spot_usd),
                Pool(name="on-demand", instance_type="x", usd_per_hour=3.0),
            ],
        }
    )  # fmt: skip


def lived(
    there: Sequence[bool], work_s: float, deadline_s: float, odds: Callable[[], Odds], spot_usd: float = 1.0
) -> tuple[World, float]:
    """The world after the run, and when it was done, in seconds from its start."""
    world = World(stack(spot_usd), there)
    job = JobSpec(name="long", entry="a:b", image="i", estimated_work_s=work_s, deadline_s=deadline_s)
    origin = Origin("run", "ada", world.clock.at)
    controller = Controller(world, world.records, job, origin, clock=world.clock, odds=odds)  # type: ignore[arg-type]
    while world.state != "succeeded":
        assert world.clock.at - origin.at < 2 * deadline_s, "it never ends"
        controller.step(controller.look())
        for _ in range(PARTS):
            world.pass_by(controller.step_s / PARTS, work_s)
            if world.state == "succeeded":
                break
    return world, world.clock.at - origin.at


def spells(*lengths: int) -> list[bool]:
    """Spot there and away by turns, in parts of a step; there first."""
    return [number % 2 == 0 for number, length in enumerate(lengths) for _ in range(length)]


HOURS = 3600.0
AWAY_THEN_THERE = spells(0, 500, 4000)


@pytest.mark.parametrize("odds", [NOBODY, Odds(0.9, "somebody says so")], ids=["nobody tells", "a high chance"])
def test_a_run_on_on_demand_comes_back_to_spot(odds: Odds) -> None:
    """Spot is away for longer than the run waits, and then stays: most of the work is done on it."""
    world, took_s = lived(AWAY_THEN_THERE, 20 * HOURS, 26 * HOURS, lambda: odds)
    kinds = [attempt.capacity for attempt in world.records.made]
    assert kinds[0] == "spot" and "on_demand" in kinds and kinds[-1] == "spot"
    assert world.spot_s > 5 * HOURS
    assert took_s <= 26 * HOURS
    assert [event["chance"] for event in world.records.line if event["type"] == "tried"]


def test_what_has_no_chance_is_not_tried() -> None:
    world, _ = lived(AWAY_THEN_THERE, 20 * HOURS, 26 * HOURS, lambda: Odds(0.0, "the quota leaves none"))
    assert "tried" not in [event["type"] for event in world.records.line]


def test_spot_that_is_no_cheaper_is_not_tried() -> None:
    world, _ = lived(AWAY_THEN_THERE, 20 * HOURS, 26 * HOURS, lambda: Odds(1.0, "plenty"), spot_usd=3.0)
    assert "tried" not in [event["type"] for event in world.records.line]


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 160), max_size=12),
    work_s=st.floats(60, 1500),
    slack_s=st.floats(0, 900),
    chances=st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=1, max_size=6),
    spot_usd=st.floats(0, 3),
    apart=st.sampled_from([0.0, 0.5, 10.0]),
)
def test_no_deadline_is_missed_whatever_spot_does_and_whoever_tells_what(
    lengths: list[int], work_s: float, slack_s: float, chances: list[float | None], spot_usd: float, apart: float
) -> None:
    """Answers are wrong as they like, spot goes in the middle of steps, and tries come one after another."""
    told = iter(chances * 1000)
    usual, tries.APART = tries.APART, apart
    try:
        deadline_s = work_s + OVERHEAD_S + slack_s
        world, took_s = lived(spells(*lengths), work_s, deadline_s, lambda: Odds(next(told), "so"), spot_usd)
    finally:
        tries.APART = usual
    assert took_s <= deadline_s + 1e-6, (world.records.line, took_s, deadline_s)


@pytest.mark.parametrize("slack_s", [0.0, 200.0, 420.0, 599.0, 700.0, 1300.0])
@pytest.mark.parametrize("there", [[], spells(3), spells(4 * 100 + 2), spells(4 * 380 + 1)], ids=len)
def test_steps_that_are_longer_than_a_restart_keep_the_deadline_too(there: list[bool], slack_s: float) -> None:
    """What looks like most of a step of work may be none: spot is not granted, or goes in the middle of the step."""
    work_s = 66 * HOURS
    _, took_s = lived(there, work_s, work_s + OVERHEAD_S + slack_s, lambda: NOBODY)
    assert took_s <= work_s + OVERHEAD_S + slack_s + 1e-6


def test_on_demand_runs_longer_after_each_try_that_was_refused() -> None:
    line: list[dict[str, Any]] = []
    waits = []
    for _ in range(3):
        waits.append(rests_until(line, 60.0, 1000.0) - 1000.0)
        line.append({"at": 1.0, "type": "tried"})
    assert waits == [600, 1200, 2400]
    line.append({"at": 2.0, "type": "started", "is_spot": True})
    assert rests_until(line, 60.0, 1000.0) == 1600


def test_belief_goes_from_the_last_answer_to_the_share_of_time_that_spot_is_there() -> None:
    rare = [False] * 40 + [True] * 2 + [False] * 40 + [True] * 2 + [False]
    often = [not there for there in rare]
    beliefs = [belief([*rare, *[False] * more], len(rare)) for more in (0, 5, 40, 400)]
    assert beliefs[0] < 0.25 < beliefs[1] and beliefs[2] == pytest.approx(beliefs[3], abs=0.02)
    assert belief([*often, *[False] * 400], len(often)) > 0.5 > beliefs[3]
    assert belief([], 0) == pytest.approx(0.5, abs=0.05)
