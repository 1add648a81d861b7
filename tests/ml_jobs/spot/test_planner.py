"""What the planner promises: the deadline, whatever spot does; and good decisions where they can be told by hand."""

from __future__ import annotations

import dataclasses
import math

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from catalog.errors import UserError
from ml_jobs.spot import Capacity, Observation, decide
from ml_jobs.spot.simulate import Problem, replay

HOUR = 3600.0
SEEN = Observation(
    elapsed_s=0,
    step_s=600,
    remaining_work_s=48 * HOUR,
    deadline_s=70 * HOUR,
    restart_overhead_s=180,
    pending_overhead_s=0,
    running=Capacity.NONE,
    spot_available=True,
    spot_price=0.97,
    on_demand_price=3.06,
    history=(),
)


def seen(**changes: object) -> Observation:
    return dataclasses.replace(SEEN, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("observation", "expected"),
    [
        (seen(remaining_work_s=0), Capacity.NONE),
        (seen(), Capacity.SPOT),
        (seen(spot_available=False), Capacity.NONE),
        # 48 h of work and a start of one step fill the time: a second start would not fit
        (seen(deadline_s=48 * HOUR + 600, restart_overhead_s=600), Capacity.ON_DEMAND),
        (seen(deadline_s=48 * HOUR + 600, spot_available=False), Capacity.ON_DEMAND),
        # two short starts fit the step that is spare
        (seen(deadline_s=48 * HOUR + 600), Capacity.SPOT),
        # spot that runs costs no start, so that the time that is left stays enough
        (seen(deadline_s=48 * HOUR + 600, running=Capacity.SPOT), Capacity.SPOT),
        # a preemption leaves nothing running, whatever the caller says
        (seen(deadline_s=48 * HOUR + 600, running=Capacity.SPOT, spot_available=False), Capacity.ON_DEMAND),
        # on-demand is too late, the spot that runs is not: it goes on
        (seen(deadline_s=48 * HOUR, running=Capacity.SPOT), Capacity.SPOT),
        # nothing meets it any more: the work goes on
        (seen(deadline_s=10 * HOUR), Capacity.ON_DEMAND),
        (seen(deadline_s=10 * HOUR, running=Capacity.SPOT), Capacity.SPOT),
        (seen(elapsed_s=71 * HOUR), Capacity.ON_DEMAND),
        # spot that costs more than on-demand is not worth it, nor is waiting for it
        (seen(spot_price=4.0), Capacity.ON_DEMAND),
        (seen(spot_price=4.0, spot_available=False), Capacity.ON_DEMAND),
        (seen(on_demand_price=0), Capacity.ON_DEMAND),
        # on-demand that runs goes back to spot that has lasted for hours
        (seen(running=Capacity.ON_DEMAND, history=(False,) * 20 + (True,) * 30), Capacity.SPOT),
        # spot that never comes is not waited for when on-demand is running
        (seen(running=Capacity.ON_DEMAND, spot_available=False, elapsed_s=40 * HOUR, remaining_work_s=25 * HOUR,
              history=(False,) * 240), Capacity.ON_DEMAND),
    ],
)  # fmt: skip
def test_decisions_that_can_be_told_by_hand(observation: Observation, expected: Capacity) -> None:
    assert decide(observation) is expected


def test_how_long_spot_lasts_is_learned() -> None:
    """A start on spot that lasts a step at a time buys nothing; the same start on one that stays does."""
    late = seen(
        restart_overhead_s=600, running=Capacity.ON_DEMAND, remaining_work_s=20 * HOUR, deadline_s=60 * HOUR,
        elapsed_s=36 * HOUR,
    )  # fmt: skip
    flickering = dataclasses.replace(late, history=(True, False) * 108)
    lasting = dataclasses.replace(late, history=(True,) * 190 + (False,) * 6 + (True,) * 20)
    assert (decide(flickering), decide(lasting)) == (Capacity.ON_DEMAND, Capacity.SPOT)


def test_equal_observations_have_equal_decisions_whatever_sequence_holds_the_history() -> None:
    history = [True] * 30 + [False] * 9 + [True] * 2
    assert len({decide(seen(history=kind(history))) for kind in (list, tuple)}) == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [("step_s", 0), ("step_s", -1), ("remaining_work_s", -1), ("spot_price", math.nan), ("deadline_s", math.inf),
     ("pending_overhead_s", -0.1), ("elapsed_s", math.nan)],
)  # fmt: skip
def test_what_can_not_be_observed_is_refused_by_name(field: str, value: float) -> None:
    with pytest.raises(UserError, match=rf"observation\.{field} is"):
        decide(seen(**{field: value}))


@st.composite
def problems(draw: st.DrawFn) -> tuple[list[bool], Problem]:
    """Any market, and a job that on-demand alone can finish in time: steps, works and deadlines of odd lengths too."""
    step_s = draw(st.sampled_from([1.0, 7.5, 60.0, 600.0, 3600.0]))
    work = draw(st.floats(0.1, 40))
    overhead = draw(st.sampled_from([0.0, 0.3, 1.0, 1.2, 5.0]) | st.floats(0, 6))
    slack = draw(st.just(0.0) | st.floats(0, 25))
    available = draw(
        st.lists(st.booleans(), max_size=80)
        | st.lists(st.tuples(st.booleans(), st.integers(1, 30)), max_size=8).map(
            lambda spells: [kind for kind, length in spells for _ in range(length)]
        )
    )
    return available, Problem(
        work_s=work * step_s,
        deadline_s=(work + overhead + slack) * step_s,
        restart_overhead_s=overhead * step_s,
        step_s=step_s,
        spot_price=draw(st.sampled_from([0.0, 0.1, 0.97, 3.06, 5.0])),
        on_demand_price=draw(st.sampled_from([0.0, 3.06])),
    )


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(problems())
@example(([True] * 9, Problem(5.36, 5.66, 0.3, 1.0, 0.1, 3.06)))  # the deadline falls into the last step
@example(([True], Problem(3600.0, 3600.0 + 9e-6, 9e-6, 3600.0, 0.1, 3.06)))  # an overhead that a tolerance could hide
@example(([False, True] * 9, Problem(766.0, 784.0, 18.0, 60.0, 0.1, 3.06)))
def test_no_deadline_is_missed_that_on_demand_could_have_met(problem: tuple[list[bool], Problem]) -> None:
    available, job = problem
    assert replay(decide, available, job).finished_s is not None


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(problems(), st.integers(0, 20))
def test_whoever_counts_in_whole_steps_finds_it_met_too(problem: tuple[list[bool], Problem], spare: int) -> None:
    available, job = problem
    needed = math.ceil((job.work_s + job.restart_overhead_s) / job.step_s - 1e-9)
    job = dataclasses.replace(job, deadline_s=(needed + spare) * job.step_s)
    outcome = replay(decide, available, job)
    assert outcome.finished_s is not None and len(outcome.ran) <= needed + spare


def test_short_steps_are_planned_in_blocks() -> None:
    """A step of 20 s over 70 h is 12,600 steps; the decision is that of ten-minute steps."""
    history = [True] * 300 + [False] * 60 + [True] * 90
    coarse = seen(elapsed_s=15 * HOUR, remaining_work_s=36 * HOUR, history=history[::5][:90])
    for has_spot in (True, False):
        fine = dataclasses.replace(
            coarse, step_s=20, spot_available=has_spot, history=[kind for kind in coarse.history for _ in range(30)]
        )
        assert decide(fine) is decide(dataclasses.replace(coarse, spot_available=has_spot))
