"""What exit codes mean for a job, and what a rank starts with."""

from __future__ import annotations

import pytest

from catalog.errors import UserError
from ml_jobs.contract import JobSpec, Resources
from ml_jobs.local.scheduler.environment import rank_environment, secrets_of
from ml_jobs.local.scheduler.gang import HUNG, PATIENCE_WITH_KILLS, Cause, Gang, judge


@pytest.mark.parametrize(
    ("codes", "cause", "state", "counts"),
    [
        ([0, 0], None, "succeeded", ""),
        ([0, 0], Cause.PREEMPTED, "succeeded", ""),
        ([0, 0], Cause.STOPPED, "succeeded", ""),
        ([75, 75], None, "queued", "preemptions"),
        ([75, 75], Cause.PREEMPTED, "queued", "preemptions"),
        ([], Cause.PREEMPTED, "queued", "preemptions"),
        ([75, 1], Cause.PREEMPTED, "queued", "preemptions"),
        ([75, 75], Cause.STOPPED, "stopped", ""),
        ([], Cause.STOPPED, "stopped", ""),
        ([75], Cause.HELD, "queued", ""),
        ([], Cause.LOST, "queued", ""),
        ([75], Cause.DRAINED, "queued", ""),
        ([78, 1], None, "failed", ""),
        ([78], Cause.PREEMPTED, "failed", ""),
        ([1], None, "queued", "failures"),
        ([75, 1], None, "queued", "failures"),
        ([0, HUNG], None, "queued", "failures"),
        ([-11], None, "queued", "failures"),
        ([-9], None, "queued", "interruptions"),
        ([1, -9], None, "queued", "interruptions"),
        ([-15, 1], None, "queued", "interruptions"),
    ],
)
def test_codes_and_cause_say_what_a_job_becomes(codes, cause, state, counts):
    verdict = judge(codes, cause, failures=0, retries=1)
    assert (verdict.state, verdict.counts) == (state, counts)


def test_failures_and_kills_without_progress_come_to_an_end():
    assert judge([3], None, failures=1, retries=1).state == "failed"
    assert judge([3], None, failures=0, retries=0).exit_code == 3
    assert judge([-11], None, failures=0, retries=0).exit_code == 139
    assert judge([-9], None, failures=0, retries=0, kills_in_a_row=PATIENCE_WITH_KILLS - 2).state == "queued"
    assert judge([-9], None, failures=0, retries=9, kills_in_a_row=PATIENCE_WITH_KILLS - 1).exit_code == 137


def gang(**fields):
    spec = JobSpec(name="job", entry="a:b", resources=Resources(count=2, nodes=2))
    return Gang("job-1", 1, "spot", ("spot-0", "spot-1"), 4, spec, 0.0, **fields)


def test_ranks_that_the_scheduler_ended_say_nothing_about_the_job():
    assert gang(codes={2: 1, 0: -9, 1: -9, 3: -9}, ended={0, 1, 3}).outcomes() == [1]
    assert gang(codes={2: -9, 0: 1, 1: -9, 3: -9}, ended={1, 3}).outcomes() == [-9, 1]
    assert gang(codes={0: 0, 1: 0, 2: 0, 3: -9}, ended={3}).outcomes() == [HUNG]
    assert gang(codes=dict.fromkeys(range(4), -9), ended=set(range(4)), cause=Cause.LOST).outcomes() == []
    for cause in Cause:  # the others were done when the capacity, the agent or somebody ended the last one
        ended = gang(codes={0: 0, 1: 0, 2: 0, 3: -9}, ended={3}, cause=cause)
        assert judge(ended.outcomes(), cause, failures=0, retries=0).state != "succeeded"
    assert gang(codes={1: 0}).remaining == [0, 2, 3]


def test_a_rank_gets_torchruns_environment_and_the_job_can_not_change_it():
    spec = JobSpec(name="job", entry="a:b", resources=Resources(count=2, nodes=2), env={"RANK": "9", "MINE": "yes"})
    env = rank_environment(
        {"HOME": "/h"},
        spec,
        job="job-1",
        attempt=3,
        rank=3,
        pool="spot",
        port=1234,
        notice_s=2.5,
        run_dir="/runs/job-1",
    )
    assert env == {
        "HOME": "/h", "MINE": "yes", "RANK": "3", "LOCAL_RANK": "1", "GROUP_RANK": "1", "WORLD_SIZE": "4",
        "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1234", "TORCHELASTIC_RUN_ID": "job-1",
        "TORCHELASTIC_RESTART_COUNT": "2", "OMP_NUM_THREADS": "1", "SKYWRIGHT_JOB": "/runs/job-1/job.json",
        "SKYWRIGHT_CONTRACT": "/runs/job-1/contract.json", "SKYWRIGHT_RUN_ID": "job-1",
        "SKYWRIGHT_RUN_DIR": "/runs/job-1", "SKYWRIGHT_NOTICE_S": "2.5", "SKYWRIGHT_POOL": "spot",
    }  # fmt: skip


@pytest.mark.parametrize("reference", ["../key", "missing", "/etc/hostname", "file:///etc/hostname", "."])
def test_secrets_come_from_the_stacks_folder_alone(tmp_path, reference):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "api").write_text("s3cret\n")
    (tmp_path / "key").write_text("not for jobs")
    spec = JobSpec(name="job", entry="a:b", secret_refs={"KEY": "api"})
    assert secrets_of(spec, tmp_path) == {"KEY": "s3cret"}
    with pytest.raises(UserError, match="this stack has the secrets: api"):
        secrets_of(JobSpec(name="job", entry="a:b", secret_refs={"KEY": reference}), tmp_path)
