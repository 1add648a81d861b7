"""Jobs by name, parameters by pairs, requests by pure functions."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.errors import SkywrightError, UserError
from ml_jobs.contract import Capacity, JobSpec, Resources, StackContract
from ml_jobs.launch import jobs, local
from ml_jobs.launch.base import Origin, new_run
from ml_jobs.launch.lineage import git, lineage
from ml_jobs.launch.local import LocalLauncher

CONTRACT = StackContract.read(
    {
        "stack": "demo",
        "environment": "dev",
        "cloud": "local",
        "identities": {"training": "/none.token", "serving": "/none", "pipeline": "/none", "approver": "/none"},
        "storage": {"data": "file:///d", "artifacts": "file:///a", "checkpoints": "file:///c"},
        "registry": {"tracking_url": "http://127.0.0.1:1", "models_ref": "m"},
        "queues": [{"name": "default", "ref": "http://127.0.0.1:1/"}],
    }
)
KNOWN = {"seed": 0, "learning_rate": 0.1, "name": "a", "layers": [1], "on": True, "free": None}

SPECS = st.builds(
    JobSpec,
    name=st.from_regex(r"\A[a-z][a-z0-9-]{0,20}\Z"),
    entry=st.just("module.sub:function"),
    params=st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5) | st.booleans(), max_size=3),
    resources=st.builds(Resources, count=st.integers(1, 8), nodes=st.integers(1, 8)),
    capacity=st.sampled_from(Capacity),
    priority=st.integers(-100, 100),
)


@settings(deadline=None)
@given(SPECS)
def test_a_rendered_request_is_what_the_scheduler_reads_and_the_same_every_time(spec):
    origin = Origin(new_run(spec), "ada", 1.0, {"git": None})
    request = local.render(spec, CONTRACT, origin)
    assert request == local.render(spec, CONTRACT, origin)
    assert request["id"] == origin.run
    assert JobSpec.read(request["spec"]) == spec
    assert StackContract.read(request["contract"]) == CONTRACT


def test_sample_jobs_are_found_and_misspelt_ones_explained():
    assert jobs.find("digits").name == "digits"
    assert jobs.find("ml_jobs.train.digits:JOB") == jobs.find("ml_jobs.train.digits") == jobs.find("digits")
    for name, told in (
        ("digit", "Did you mean digits?"),
        ("no.such.module", "can't be imported"),
        ("ml_jobs.train.digits:NOPE", "has no NOPE"),
        ("ml_jobs.train.digits:train", "allowed: a JobSpec"),
    ):
        with pytest.raises(UserError) as error:
            jobs.find(name)
        assert told in str(error.value)


@pytest.mark.parametrize(
    ("pair", "key", "value"),
    [("seed=7", "seed", 7), ("learning_rate=1", "learning_rate", 1), ("name=b=c", "name", "b=c"),
     ("layers=[2, 3]", "layers", [2, 3]), ("on=false", "on", False), ("free=x", "free", "x")],
)  # fmt: skip
def test_parameters_are_taken_as_what_the_job_declares(pair, key, value):
    assert jobs.params([pair], KNOWN) == KNOWN | {key: value}


@pytest.mark.parametrize(
    ("pair", "told"),
    [("sed=1", "Did you mean seed?"), ("seed", "key=value"), ("seed=1.5", "a int"), ("seed=true", "a int"),
     ("learning_rate=fast", "a float"), ("name=1", "a str"), ("=1", "key=value")],
)  # fmt: skip
def test_wrong_parameters_are_explained(pair, told):
    with pytest.raises(UserError) as error:
        jobs.params([pair], KNOWN)
    assert told in str(error.value)


def test_a_job_that_declares_no_parameters_takes_any():
    assert jobs.params(["x=1", "y=text"], {}) == {"x": 1, "y": "text"}


@pytest.mark.parametrize(
    ("text", "expected"), [("90", 90), ("90s", 90), ("1.5m", 90), ("70h", 252_000), ("2d", 172_800)]
)
def test_times_have_units(text, expected):
    assert jobs.seconds(text, "--deadline") == expected


@pytest.mark.parametrize("text", ["", "0", "-1", "1w", "h", "1h30m"])
def test_times_that_are_none_are_refused(text):
    with pytest.raises(UserError, match="--deadline"):
        jobs.seconds(text, "--deadline")


def test_changed_specs_are_checked_anew():
    spec = jobs.find("digits")
    assert jobs.adjusted(spec, priority=5, team=None).priority == 5
    assert jobs.adjusted(spec, priority=5).inputs == spec.inputs
    with pytest.raises(UserError, match="longer than deadline_s"):
        jobs.adjusted(spec, deadline_s=1.0)


def test_what_the_stack_lacks_is_one_line():
    with pytest.raises(UserError, match="has no queue"):
        LocalLauncher(CONTRACT.model_copy(update={"queues": ()}))
    with pytest.raises(UserError, match="Did you mean default"):
        LocalLauncher(CONTRACT).render(JobSpec(name="j", entry="a:b", queue="defalt"), Origin("j-1", "ada", 1.0))
    job = JobSpec(name="j", entry="a:b", resources=Resources(accelerator="A10G"))
    with pytest.raises(UserError, match="asks for accelerators; the local stack has none: its slots are CPU ranks"):
        LocalLauncher(CONTRACT).render(job, Origin("j-1", "ada", 1.0))


def test_a_scheduler_that_does_not_answer_is_one_line(tmp_path):
    token = tmp_path / "token"
    token.write_text("x")
    with pytest.raises(SkywrightError, match=r"http://127.0.0.1:1 does not answer .*skywright status"):
        LocalLauncher(CONTRACT, identity=token.as_uri()).status("job-1")


def test_lineage_names_the_commit_and_whether_files_differ_from_it(tmp_path):
    assert git(tmp_path) is None
    run = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*run, "init", "-q"], check=True)
    (tmp_path / "file").write_text("1")
    subprocess.run([*run, "add", "file"], check=True)
    subprocess.run([*run, "commit", "-qm", "x"], check=True)
    found = lineage(tmp_path)
    assert len(found["git"]["commit"]) == 40 and found["git"]["is_dirty"] is False
    (tmp_path / "file").write_text("2")
    assert git(tmp_path)["is_dirty"] is True
    assert found["packages"]["torch"] and found["python"].startswith("3.")


def test_a_job_in_the_present_folder_is_found_and_its_ranks_are_told_where(tmp_path, monkeypatch):
    (tmp_path / "own_job.py").write_text(
        "from ml_jobs.contract import JobSpec\nJOB = JobSpec(name='own', entry='own_job:train')\n"
    )
    monkeypatch.setattr("sys.path", [path for path in sys.path if path])
    monkeypatch.chdir(tmp_path)
    job = jobs.find("own_job:JOB")
    assert jobs.with_folder(job).env == {"PYTHONPATH": str(tmp_path)}
    assert jobs.with_folder(jobs.find("digits")).env == {}
