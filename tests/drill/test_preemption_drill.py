"""The drill itself, through launcher and queue on the real job, and its reckoning."""

from __future__ import annotations

from scheduler_stand import POOLS

from ml_jobs.contract import StackContract
from ml_jobs.identity import Role
from ml_jobs.launch.jobs import adjusted
from ml_jobs.launch.local import LocalLauncher
from ml_jobs.local.drill import Drill, Preemption, Report, account, quantile
from ml_jobs.local.process import ServiceConfig
from ml_jobs.local.scheduler.environment import contract_of
from ml_jobs.local.scheduler.settings import SchedulerSettings
from ml_jobs.train.digits import JOB

RUNTIME = {"rank_main": "ml_jobs.runtime.main:main", "preload": ["ml_jobs.runtime.preload"]}


def test_preempted_digits_resume_and_end_with_equal_weights(drill_stand, registry):
    scheduler = drill_stand(**RUNTIME, pools=POOLS)
    config = ServiceConfig.load(str(scheduler.config))
    contract = StackContract.read(contract_of(config, SchedulerSettings.read(config.settings)))
    drill = Drill(
        LocalLauncher(contract),
        LocalLauncher(contract, identity=scheduler.token_file(Role.ADMIN).as_uri()),
        adjusted(JOB, params=JOB.params | {"epochs": 8, "width": 8}),
        by="ada",
        lineage={},
        seed=1,
        away_s=0.1,
    )
    report = drill.run(4)
    assert report.is_passed, report.as_dict()
    assert len(report.preemptions) == 4
    assert {each.notice_s > 0 for each in report.preemptions} == {True, False}
    assert sorted(report.versions.values()) == list(range(1, len(registry.versions) + 1))
    detect = report.summary()["detect_s"]["p99"]
    assert detect is not None and detect < 2


def test_what_a_preemption_cost_is_read_from_the_time_line():
    line = [
        {"type": "started", "at": 10.0},
        {"type": "notice", "at": 19.0},
        {"type": "preempted", "at": 20.05, "ended_at": 20.0, "slot": "spot-0", "notice_s": 5},
        {"type": "started", "at": 21.05},
        {"type": "lost", "at": 22.0, "steps": 7, "seconds": 0.5},
        {"type": "resumed", "at": 22.05, "load_s": 0.25},
        {"type": "preempted", "at": 30.5, "ended_at": 30.25, "slot": "spot-1", "notice_s": 0},
        {"type": "succeeded", "at": 40.0},
    ]
    first, second = account("digits-1", line)
    assert first == Preemption(
        job="digits-1", slot="spot-0", notice_s=5, is_resumed=True, lost_steps=7, lost_s=0.5, save_s=1.0,
        detect_s=0.05, wait_s=1.0, start_s=0.75, load_s=0.25,
    )  # fmt: skip
    assert first.recovery_s == 0.05 + 0.75 + 0.25
    assert (second.save_s, second.wait_s, second.recovery_s) == (None, None, None)
    assert second.is_resumed


def test_a_drill_fails_when_a_job_is_lost_or_its_weights_differ():
    fine = Preemption("a", "spot-0", 0, True)
    assert Report((fine,), {"ref": "1", "a": "1"}, {}, 1, 0).is_passed
    assert not Report((fine,), {"ref": "1", "a": "2"}, {}, 1, 0).is_passed
    assert not Report((fine,), {"ref": "", "a": ""}, {}, 1, 0).is_passed
    assert not Report((Preemption("a", "spot-0", 0, False),), {"ref": "1", "a": "1"}, {}, 1, 0).is_passed
    assert not Report((fine,), {"ref": "1", "a": "1"}, {}, 1, 0, failed={"a": "failed"}).is_passed


def test_quantiles_are_values_that_occurred():
    assert quantile([], 0.5) is None
    assert quantile([3, 1, 2], 0.5) == 2
    assert quantile(list(range(1, 101)), 0.99) == 99
    assert quantile([5], 0.99) == 5
