"""A rank that hangs is found, says where, and ends; what a log's line holds."""

from __future__ import annotations

import json
import logging
import sys

import pytest

from catalog.errors import UserError
from ml_jobs.runtime.heartbeat import EXIT_HUNG, FIRST_S, FLOOR_ALONE_S, FLOOR_S, Heartbeat, floor, where
from ml_jobs.runtime.logs import JsonFormatter, form


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def watched(step_s: float | None, floor_s: float = FLOOR_S) -> tuple[Heartbeat, Clock]:
    clock = Clock()
    found = Heartbeat(lambda _: None, floor_s=floor_s, clock=clock)
    for number in range(5 if step_s is not None else 0):
        found.begin(number)
        clock.now += step_s or 0
        found.end()
    found.begin(5)
    return found, clock


@pytest.mark.parametrize(
    ("step_s", "floor_s", "limit_s"),
    [
        (0.01, FLOOR_S, FLOOR_S),
        (10, FLOOR_S, 200),
        (None, FLOOR_S, FIRST_S),
        (None, FLOOR_ALONE_S, FLOOR_ALONE_S),
        (None, 2.0, 2.0),
    ],
)
def test_a_step_may_take_many_times_the_usual_and_a_floor(step_s, floor_s, limit_s):
    found, clock = watched(step_s, floor_s)
    clock.now += limit_s - 0.5
    assert found.overdue() is None
    clock.now += 1
    assert f"({'no step' if step_s is None else 'steps take'}" in (found.overdue() or "")
    assert f"{limit_s:.0f} s are allowed" in (found.overdue() or "")


def test_between_two_steps_nothing_is_overdue():
    found, clock = watched(0.01)
    found.end()
    clock.now += 1e6
    assert found.overdue() is None


def test_what_is_guarded_has_its_own_limit():
    found, clock = watched(0.01)
    with found.guard("meeting the other ranks", 5.0):
        clock.now += 4
        assert found.overdue() is None
        clock.now += 2
        assert (found.overdue() or "").startswith("meeting the other ranks has not ended after 6 s (5 s are allowed)")
    assert found.overdue() is None


def test_one_slow_step_does_not_raise_what_is_allowed():
    found, clock = watched(1.0)
    clock.now += 40
    found.end()
    assert found.limit_s == FLOOR_S


def test_it_says_the_line_and_the_jobs_own_line_that_called_it():
    def deep() -> str:
        return json.dumps({"a": 1}, default=None, cls=Encoder)

    seen = []

    class Encoder(json.JSONEncoder):
        def encode(self, o):
            seen.append(where(sys._getframe(1)))
            return "x"

    deep()
    inner, own = seen[0].split(", called from ")
    assert "json/__init__.py" in inner and "(deep: return json.dumps" in own and __file__ in own


@pytest.mark.parametrize(("env", "size", "floor_s"), [({}, 2, FLOOR_S), ({}, 1, FLOOR_ALONE_S)])
def test_the_floor_is_shorter_than_what_peers_wait_for(env, size, floor_s):
    from ml_jobs.runtime.group import TIMEOUT

    assert floor(env, size) == floor_s and TIMEOUT.total_seconds() > FLOOR_S
    assert floor({"SKYWRIGHT_HANG_S": "7"}, size) == 7
    with pytest.raises(UserError, match="SKYWRIGHT_HANG_S is 'soon'"):
        floor({"SKYWRIGHT_HANG_S": "soon"}, size)


def test_on_several_nodes_a_rank_that_waits_gives_up_before_it_counts_as_hanging():
    """And whoever waited hears the reason of one that does hang before it leaves."""
    from ml_jobs.runtime.group import TIMEOUT
    from ml_jobs.runtime.lost import LINGER_S

    assert TIMEOUT.total_seconds() < floor({}, 2, are_apart=True) < TIMEOUT.total_seconds() + LINGER_S


def test_a_floor_of_zero_watches_nothing():
    found = Heartbeat(lambda _: None, floor_s=0).start()
    assert found._thread.ident is None
    found.close()


def test_a_rank_that_hangs_ends_with_its_stack_and_the_next_attempt_goes_on(job):
    run = job(epochs=6, pace_s=0.02, sleep_at=60, sleep_s=600, only_rank=1, once=1)
    run.env = {"SKYWRIGHT_HANG_S": "1.5"}
    codes = run.run()
    assert codes[1] == EXIT_HUNG and codes[0] in (1, EXIT_HUNG), run.log()
    told = [event["message"] for event in run.events("failed") if event["rank"] == 1]
    assert "rank 1: step 61 has not ended after" in told[0] and "it hangs in" in told[0]
    assert "sample_jobs.py" in told[0] and "time.sleep" in told[0]
    assert "Current thread" in run.log(1) or "Thread 0x" in run.log(1)
    assert run.run() == [0, 0], run.log()
    assert run.events("resumed")[0]["step"] > 0


def test_a_rank_that_holds_the_interpreters_lock_is_ended_too(job):
    """Its own watch can't run then."""
    run = job("sample_jobs:holds_the_lock", epochs=1)
    run.world_size = 1
    run.env = {"SKYWRIGHT_HANG_S": "0.5"}
    assert run.run() == [1], run.log()
    assert "Timeout" in run.log() and "holds_the_lock" in run.log()


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({}, "human"),
        ({"SKYWRIGHT_LOG_FORMAT": "json"}, "json"),
        ({"SKYWRIGHT_PLATFORM": "kubernetes"}, "json"),
        ({"SKYWRIGHT_PLATFORM": "kubernetes", "SKYWRIGHT_LOG_FORMAT": "human"}, "human"),
        ({"AZUREML_RUN_ID": "x"}, "json"),
    ],
)
def test_lines_are_json_where_a_platform_collects_them(env, expected):
    assert form(env) == expected


def test_an_unknown_format_is_a_mistake():
    with pytest.raises(UserError, match="Did you mean json"):
        form({"SKYWRIGHT_LOG_FORMAT": "jsn"})


def test_a_line_of_json_holds_run_rank_attempt_and_the_traceback():
    record = logging.LogRecord("x", logging.WARNING, __file__, 1, "two\nlines of %s", ("text",), None)
    try:
        raise ValueError("the author's bug")
    except ValueError:
        record.exc_info = sys.exc_info()
    line = JsonFormatter({"run": "digits-1", "rank": 3, "attempt": 2}).format(record)
    assert "\n" not in line
    told = json.loads(line)
    assert told["message"] == "two\nlines of text" and told["severity"] == "WARNING" and told["time"].endswith("+00:00")
    assert (told["run"], told["rank"], told["attempt"]) == ("digits-1", 3, 2)
    assert "ValueError: the author's bug" in told["stack"]


def test_a_run_logs_json_on_request(job):
    run = job(epochs=1, raise_at=3)
    run.env = {"SKYWRIGHT_LOG_FORMAT": "json", "SKYWRIGHT_ATTEMPT": "4"}
    assert run.run() == [1, 1]
    lines = [json.loads(line) for line in run.log(1).splitlines() if line.startswith("{")]
    raised = next(line for line in lines if "stack" in line)
    assert (raised["run"], raised["rank"], raised["attempt"]) == ("job-1", 1, 4)
    assert "the author's bug" in raised["stack"]
    assert not any(line.startswith("Traceback") for line in run.log(1).splitlines())
