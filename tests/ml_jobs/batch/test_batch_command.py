"""`skywright batch`: which version, which job, sent by the stack's own launcher."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from catalog.errors import SkywrightError, UserError
from infra.cli import batch
from ml_jobs.batch.resolve import released, resolve
from ml_jobs.contract import StackContract
from ml_jobs.image import record
from ml_jobs.launch.base import Run

SHA = "ab" * 32
IMAGE = "registry.example.com/ml@sha256:" + "c" * 64


def release(model="signs", version=1, weight=0.0):
    return {
        "model": model, "version": version, "artifact_url": f"s3://b/{model}/{version}", "artifact_sha256": SHA,
        "weight_percent": weight,
    }  # fmt: skip


@pytest.fixture
def contract(tmp_path, monkeypatch) -> StackContract:
    releases = {"old": release(version=1, weight=90), "new": release(version=2, weight=10)}
    store = (tmp_path / "store").as_uri()
    roles = dict.fromkeys(("training", "serving", "pipeline", "approver"), "arn:aws:iam::1:role/x")
    data = {
        "stack": "aws-prod", "environment": "prod", "cloud": "aws", "identities": roles,
        "storage": {name: f"{store}/{name}" for name in ("data", "artifacts", "checkpoints")},
        "registry": {"tracking_url": "", "models_ref": "group", "image_url": "registry.example.com/ml"},
        "endpoints": {"main": {"url": "https://x", "releases": releases}},
    }  # fmt: skip
    (tmp_path / "contract.json").write_text(json.dumps(data))
    monkeypatch.setenv("SKYWRIGHT_CONTRACT", str(tmp_path / "contract.json"))
    return StackContract.read(data)


class Recorder:
    """A launcher that keeps what it is given."""

    sent: list = []  # noqa: RUF012

    def __init__(self, stack):
        self.stack = stack

    def render(self, job, origin):
        return {"job": job, "run": origin.run}

    def submit(self, request):
        self.sent.append(request["job"])
        return request["run"]

    def status(self, run):
        return Run(id=run, name="score", state="succeeded")


def typed(monkeypatch, *words):
    monkeypatch.setattr(batch, "launcher", Recorder)
    app = typer.Typer()
    batch.register(app)
    app.command("other")(lambda: None)
    return CliRunner().invoke(app, ["batch", *words])


def test_the_job_names_the_served_version_the_image_and_where_the_answers_go(contract, monkeypatch):
    pushed = {"target": "train", "image": IMAGE, "tag": "t", "platform": "linux/amd64", "at": 1}
    record.write(contract, record.ImageRecord(**pushed))
    done = typed(monkeypatch, "signs", "--input", "s3://b/rows", "--keep", "id", "--ranks", "2", "--detach", "--json")
    assert done.exit_code == 0, done.exception
    told = json.loads(done.output)
    assert told["output"] == f"{contract.storage.artifacts}/predictions/{told['run']}"
    job = Recorder.sent[-1]
    assert (job.image, job.resources.count, job.inputs[0].url) == (IMAGE, 2, "s3://b/rows")
    assert job.params["release"]["version"] == 1 and job.params["keep"] == ["id"]
    assert job.entry == "ml_jobs.batch.score:score"


def test_without_an_image_the_command_says_how_to_push_one(contract, monkeypatch):
    failed = typed(monkeypatch, "signs", "--input", "s3://b/rows")
    assert isinstance(failed.exception, SkywrightError) and "skywright image push -s aws-prod" in str(failed.exception)


def test_the_largest_weight_is_scored_with_unless_a_version_is_asked_for(contract):
    assert resolve(contract, "signs").version == 1
    assert resolve(contract, "signs", 2).version == 2
    assert released(contract, "signs", 3) is None


def recorded(contract, model, version):
    """As the job that made it leaves it in the artifact store."""
    folder = Path(contract.storage.artifacts.removeprefix("file://")) / "models" / model / "versions"
    folder.mkdir(parents=True, exist_ok=True)
    told = {
        "artifact_url": f"s3://b/{model}/{version}",
        "artifact_sha256": SHA,
        "job": "j",
        "by": "ada",
        "created_at": 1,
    }
    (folder / f"{version:06d}.json").write_text(json.dumps({"model": model, "version": version, **told}))


def test_without_a_registry_of_ours_what_jobs_recorded_is_scored_with(contract):
    for version in (1, 2, 10):
        recorded(contract, "digits", version)
    assert resolve(contract, "digits").version == 10
    found = resolve(contract, "digits", 2)
    assert (found.version, found.artifact_url, found.artifact_sha256) == (2, "s3://b/digits/2", SHA)


@pytest.mark.parametrize(
    ("model", "version", "told"),
    [
        ("signs", 3, "signs has no version 3; known versions: 1, 2"),
        ("sign", None, "model 'sign' is unknown; known: signs. Did you mean signs"),
    ],
)
def test_a_version_that_is_not_there_is_told_with_those_that_are(contract, model, version, told):
    recorded(contract, "signs", 1)
    recorded(contract, "signs", 2)
    with pytest.raises(UserError, match=told):
        resolve(contract, model, version)
