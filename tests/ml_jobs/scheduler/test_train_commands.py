"""`skywright train` and `skywright runs` against a real scheduler, as typed."""

from __future__ import annotations

import json
import sys
import types

import pytest
from scheduler_stand import Stand
from typer.testing import CliRunner, Result

from catalog.errors import SkywrightError
from infra.cli import drill, runs, train
from ml_jobs.contract import JobSpec
from ml_jobs.identity import Role
from ml_jobs.local.process import ServiceConfig
from ml_jobs.local.scheduler.environment import contract_of
from ml_jobs.local.scheduler.settings import SchedulerSettings


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory):
    """One scheduler for all commands here, its contract where commands look for it, and a job of the user's own."""
    import typer

    running = Stand(tmp_path_factory.mktemp("cli") / "demo")
    config = ServiceConfig.load(str(running.config))
    contract = contract_of(config, SchedulerSettings.read(config.settings))
    contract["identities"] |= {role: running.token_file(Role(role)).as_uri() for role in ("viewer", "admin")}
    (running.root / "contract.json").write_text(json.dumps(contract))
    mine = types.ModuleType("my_jobs")
    mine.JOB = JobSpec(name="mine", entry="a:b", params={"steps": 5, "step_s": 0.02, "exit": {}})
    app = typer.Typer()
    train.register(app)
    app.add_typer(runs.app, name="runs")
    app.add_typer(drill.app, name="drill")
    running.app = app
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "my_jobs", mine)
        patch.setenv("SKYWRIGHT_CONTRACT", str(running.root / "contract.json"))
        patch.setenv("SKYWRIGHT_USER", "ada")
        yield running
    running.kill()


def typed(scheduler, *words: str) -> Result:
    return CliRunner().invoke(scheduler.app, list(words))


def test_train_follows_a_job_and_says_what_to_do_next(scheduler):
    done = typed(scheduler, "train", "my_jobs:JOB", "--param", "steps=3", "--priority", "5")
    assert done.exit_code == 0, done.output
    assert "attempt 1 on spot-" in done.output and "succeeded for $" in done.output
    assert done.output.splitlines()[-1].startswith("-> skywright runs show mine-")
    (shown,) = json.loads(typed(scheduler, "runs", "list", "--limit", "1", "--json").output)
    assert (shown["by"], shown["priority"], shown["spec"]["params"]["steps"]) == ("ada", 5, 3)
    assert shown["lineage"]["git"]["commit"]


def test_a_detached_run_is_shown_preempted_stopped_and_its_log_read(scheduler):
    sent = typed(scheduler, "train", "my_jobs:JOB", "-p", "steps=500", "--detach", "--json")
    run = json.loads(sent.output)["id"]
    scheduler.wait_event(run, "checkpoint", 2)
    preempted = typed(scheduler, "runs", "preempt", run, "--notice", "0", "--away", "0.1")
    assert preempted.exit_code == 0 and "is gone" in preempted.output
    scheduler.wait_event(run, "resumed")
    stopped = typed(scheduler, "runs", "stop", run, "--reason", "enough")
    assert stopped.exit_code == 0
    scheduler.wait(run, "stopped")
    shown = typed(scheduler, "runs", "show", run[:-1])
    assert "stopped by ada: enough" in shown.output and "without notice" in shown.output
    assert "rank 0 attempt 1" in typed(scheduler, "runs", "logs", run, "--follow").output
    line = json.loads(typed(scheduler, "runs", "show", run, "--json").output)["events"]
    assert (line[0]["type"], line[-1]["type"]) == ("submitted", "stopped")
    again = typed(scheduler, "runs", "preempt", run)
    assert isinstance(again.exception, SkywrightError) and "only a running one" in str(again.exception)


def test_a_run_that_fails_ends_the_command_with_its_reason(scheduler):
    failed = typed(scheduler, "train", "my_jobs:JOB", "-p", 'exit={"0": 78}')
    assert isinstance(failed.exception, SkywrightError) and failed.exception.exit_code == 78
    assert "failed:" in str(failed.exception) and "skywright runs logs mine-" in str(failed.exception)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("train", "digitz"), "Did you mean digits?"),
        (("train", "my_jobs:JOB", "-p", "stps=1"), "Did you mean steps?"),
        (("train", "my_jobs:JOB", "--deadline", "soon"), "--deadline is 'soon'"),
        (("train", "my_jobs:JOB", "--nodes", "9"), "which no pool can give"),
        (("train", "my_jobs:JOB", "--priority", "500"), "less than or equal to 100"),
        (("runs", "show", "nothing"), "there is no run 'nothing'"),
        (("drill", "preemption", "--job", "digit"), "Did you mean digits?"),
    ],
)
def test_mistakes_are_one_line(scheduler, words, told):
    failed = typed(scheduler, *words)
    assert isinstance(failed.exception, SkywrightError), failed.output
    assert told in str(failed.exception) and "\n" not in str(failed.exception)


def test_a_token_of_the_wrong_role_is_refused(scheduler, monkeypatch):
    monkeypatch.setenv("SKYWRIGHT_TOKEN_FILE", str(scheduler.token_file(Role.VIEWER)))
    refused = typed(scheduler, "train", "my_jobs:JOB")
    assert isinstance(refused.exception, SkywrightError)
    assert "role viewer may not POST /jobs; allowed: admin, trainer" in str(refused.exception)
