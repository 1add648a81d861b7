"""`skywright plan`, `train` and `clouds jobs` as typed, on contracts of clouds that nobody can reach."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from contracts import STACKS, contract
from typer.testing import CliRunner, Result

from catalog.errors import SkywrightError
from infra.cli import clouds, plan, train
from ml_jobs.contract import StackContract

HOURS = ("--work", "48h", "--deadline", "70h")


@pytest.fixture(scope="module")
def app() -> typer.Typer:
    made = typer.Typer()
    plan.register(made)
    train.register(made)
    made.add_typer(clouds.app, name="clouds")
    return made


@pytest.fixture
def typed(app: typer.Typer, monkeypatch: pytest.MonkeyPatch) -> Any:
    def run(stack: str | Path, *words: str) -> Result:
        path = stack if isinstance(stack, Path) else STACKS / f"{stack}.json"
        monkeypatch.setenv("SKYWRIGHT_CONTRACT", str(path))
        return CliRunner().invoke(app, list(words))

    return run


def test_a_plan_is_told_with_its_range_its_course_and_what_it_assumes(typed: Any) -> None:
    words = ("plan", "digits", "-s", "aws-prod", "--accelerator", "A10G", "--ranks", "1", *HOURS)
    done = typed("aws-prod", *words)
    assert done.exit_code == 0, done.output
    for told in ("expected cost", "8 of 10 markets", "% saved)", "on spot", "waiting", "preemptions"):
        assert told in done.output
    assert "spot's price is not known and taken as 40% of on-demand's" in " ".join(done.output.split())
    assert "how long a start takes is not known and taken as 180 s" in " ".join(done.output.split())
    assert done.output.splitlines()[-1] == (
        "-> skywright train digits -s aws-prod --deadline 70h --work 48h --accelerator A10G --ranks 1"
    )


def test_given_prices_go_before_the_stacks_own(typed: Any) -> None:
    words = ("plan", "digits", "-s", "aws-prod", "--accelerator", "A10G", "--ranks", "1", *HOURS, "--json")
    told = json.loads(typed("aws-prod", *words, "--spot-price", "1", "--on-demand-price", "10").output)
    assert told["on_demand_usd"] == pytest.approx(480.5, abs=0.1)
    assert told["spot_usd"] < told["low_usd"] <= told["expected_usd"] <= told["high_usd"] < told["on_demand_usd"] * 1.1
    assert (told["spot_pool"], told["on_demand_pool"]) == ("spot-small", "on-demand")


@pytest.mark.parametrize(
    ("stack", "words", "told"),
    [
        ("aws-cluster", ("--accelerator", "A10G", "--ranks", "1", *HOURS), "leaves nothing to plan on stack"),
        ("aws-prod", ("--accelerator", "H100", "--ranks", "1", *HOURS), "stack aws-prod has: spot-large"),
        ("aws-prod", ("--accelerator", "A10G", "--ranks", "1"), "has no deadline_s, so there is nothing to plan"),
        ("gcp-prod", ("--accelerator", "L4", "--ranks", "1", *HOURS), "Give it: --on-demand-price"),
        ("aws-prod", ("--accelerator", "A10G", "--ranks", "1", "--work", "69h", "--deadline", "69h"),
         "at least 248580 s: 248400 s of work and one start of 180 s"),
    ],
)  # fmt: skip
def test_what_can_not_be_planned_is_one_line(typed: Any, stack: str, words: tuple[str, ...], told: str) -> None:
    done = typed(stack, "plan", "digits", "-s", stack, *words)
    assert isinstance(done.exception, SkywrightError) and told in str(done.exception)


def test_a_job_for_a_cloud_needs_an_image_that_was_pushed(typed: Any, tmp_path: Path) -> None:
    stack = contract("aws-prod")
    storage = stack.storage.model_copy(update={"artifacts": f"file://{tmp_path}"})
    here: StackContract = stack.model_copy(update={"storage": storage})
    path = tmp_path / "contract.json"
    path.write_text(here.model_dump_json())
    done = typed(path, "train", "digits", "-s", "aws-prod", "--accelerator", "A10G", "--ranks", "1")
    assert "has no train image yet. Push one: skywright image push -s aws-prod --target train --cuda" in str(
        done.exception
    )
    assert list(tmp_path.iterdir()) == [path]


def test_the_table_of_platforms_is_printed_whole(typed: Any) -> None:
    done = typed("aws-prod", "clouds", "jobs", "--json")
    rows = json.loads(done.output)
    assert {row["SageMaker"] for row in rows} == {"yes", "no"}
    assert next(row for row in rows if row["feature"].startswith("priority"))["Kubernetes"] == "yes"
