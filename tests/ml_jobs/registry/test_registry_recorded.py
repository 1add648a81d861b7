"""`skywright models` where the stack has no registry of ours: what jobs recorded in its artifact store."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from catalog.errors import UserError
from infra import operations
from infra.cli import models
from ml_jobs.contract import StackContract
from ml_jobs.runtime.registration import Candidate, register

SHA = "0123456789abcdef" * 4


@pytest.fixture(params=[("aws", ""), ("kubernetes", "http://mlflow.skywright.svc:5000"), ("azure", "azureml://x")])
def stack(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StackContract:
    cloud, tracking_url = request.param
    store = tmp_path.as_uri()
    release = {"model": "digits", "version": 2, "artifact_url": "u", "artifact_sha256": SHA, "weight_percent": 100}
    found = StackContract.read(
        {
            "stack": "prod", "environment": "prod", "cloud": cloud,
            "identities": dict.fromkeys(("training", "serving", "pipeline", "approver", "viewer"), "role/x"),
            "storage": {name: f"{store}/{name}" for name in ("data", "artifacts", "checkpoints")},
            "registry": {"tracking_url": tracking_url, "models_ref": "m"},
            "endpoints": {"predict": {"url": "https://x", "releases": {"v2": release}}},
        }
    )  # fmt: skip
    (tmp_path / "contract.json").write_text(found.model_dump_json())
    monkeypatch.setenv("SKYWRIGHT_CONTRACT", str(tmp_path / "contract.json"))
    return found


def record(stack: StackContract, model: str, run: str) -> int:
    nothing: dict[str, Any] = {name: {} for name in ("params", "metrics", "signature")}
    evaluation = {"primary": "accuracy", "accuracy": 0.9}
    made = Candidate(
        model=model, run=run, url=f"{stack.storage.artifacts}/models/{model}/{run}", sha256=SHA, by="ada",
        lineage={"git": {"commit": "c0ffee"}}, evaluation=evaluation, **nothing,
    )  # fmt: skip
    return register(made, stack, lambda: None)


@pytest.fixture
def typed() -> Callable[..., Result]:
    app = typer.Typer()
    app.add_typer(models.app, name="models")
    return lambda *words: CliRunner().invoke(app, ["models", *words])


def test_what_jobs_recorded_is_listed_and_shown(stack: StackContract, typed: Callable[..., Result]) -> None:
    assert "none" in typed("list").stdout
    for run in ("run-1", "run-2", "run-3"):
        record(stack, "digits", run)
    record(stack, "signs", "run-9")
    Path(stack.storage.artifacts.removeprefix("file://"), "models/empty").mkdir()
    rows = json.loads(typed("list", "--json").stdout)
    assert [(row["model"], row["version"], row["job"], row["is_production"]) for row in rows] == [
        ("digits", 1, "run-1", False), ("digits", 2, "run-2", True), ("digits", 3, "run-3", False),
        ("signs", 1, "run-9", False),
    ]  # fmt: skip
    assert {(row["value"], row["by"], row["artifact_sha256"]) for row in rows} == {(0.9, "ada", SHA)}
    assert not {"lineage", "state"} & set(rows[0])
    shown = typed("list")
    assert shown.exit_code == 0, shown.exception
    assert SHA[:12] in shown.stdout and "approve, reject, release, rollback and export" in " ".join(
        shown.stdout.split()
    )
    assert [row["version"] for row in json.loads(typed("show", "signs", "--json").stdout)] == [1]
    whole = json.loads(typed("show", "digits", "3", "--json").stdout)
    assert (whole["artifact_sha256"], whole["lineage"]) == (SHA, {"git": {"commit": "c0ffee"}})


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("show", "digit"), r"known: digits.*Did you mean digits\?"),
        (("show", "digit", "1"), r"known: digits.*Did you mean digits\?"),
        (("show", "digits", "7"), "digits has no version 7; known versions: 1"),
        (
            ("approve", "digits", "1", "--reason", "x"),
            "release, rollback and export, .* are not offered there. Declare a release",
        ),
        (("reject", "digits", "1", "--reason", "x"), "are not offered there"),
    ],
)
def test_what_there_is_not_is_one_line(
    stack: StackContract, typed: Callable[..., Result], words: tuple[str, ...], told: str
) -> None:
    record(stack, "digits", "run-1")
    failed = typed(*words)
    with pytest.raises(UserError, match=told):
        raise failed.exception or AssertionError(failed.stdout)


def test_a_release_is_refused_before_anybody_is_asked(stack: StackContract, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "stack_file", lambda _: Path("stacks/Pulumi.local.yaml").resolve())
    with pytest.raises(UserError, match=r"skywright:endpoint\.releases of the stack's file: `skywright models show"):
        operations.release("prod", "digits", 1, 100, 0, "v1")


def test_a_record_that_is_torn_names_its_file(stack: StackContract, typed: Callable[..., Result]) -> None:
    record(stack, "digits", "run-1")
    path = Path(stack.storage.artifacts.removeprefix("file://"), "models/digits/versions/000001.json")
    path.write_text("{")
    assert str(path) in str(typed("list").exception)


def test_artifacts_that_lie_inside_of_a_cluster_are_told_of(
    stack: StackContract, typed: Callable[..., Result], tmp_path: Path
) -> None:
    inside = stack.storage.model_copy(update={"artifacts": "http://mlflow.skywright.svc:5000/artifacts"})
    (tmp_path / "contract.json").write_text(stack.model_copy(update={"storage": inside}).model_dump_json())
    assert "skywright:kubernetes.storage_url" in str(typed("list").exception)
