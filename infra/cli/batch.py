"""`skywright batch`: score a table with a model of the registry, as a job of the stack."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from infra.cli import render
from infra.cli.options import JsonOption, StackOption
from infra.cli.train import finish
from infra.stack import project_dir, stack_contract
from ml_jobs.batch import score
from ml_jobs.batch.resolve import resolve
from ml_jobs.contract import Capacity
from ml_jobs.identity import current_user
from ml_jobs.image import resolve_image
from ml_jobs.launch import jobs
from ml_jobs.launch.base import Origin, launcher, new_run, of_stack
from ml_jobs.launch.lineage import lineage


def batch(
    model: Annotated[str, typer.Argument(help="a registered model")],
    given: Annotated[str, typer.Option("--input", help="URL of a Parquet, CSV or npz file, or of a folder of them")],
    output: Annotated[str, typer.Option(help="URL of a folder; the run's own in the artifact store if not given")] = "",
    version: Annotated[int | None, typer.Option(min=1, help="what the stack serves if not given")] = None,
    keep: Annotated[list[str] | None, typer.Option(help="a column to keep beside the answers, once per column")] = None,
    rows_per_part: Annotated[int, typer.Option(min=1, help="rows of each file that comes out")] = 4096,
    ranks: Annotated[int, typer.Option(min=1, help="ranks that share the parts")] = 1,
    capacity: Annotated[Capacity | None, typer.Option(help="which capacity it may take")] = None,
    stack: StackOption = "local",
    wait: Annotated[bool, typer.Option("--follow/--detach", help="watch it to its end, or only send it")] = True,
    as_json: JsonOption = False,
) -> None:
    """Score a table: each row exactly once, in parts, resumed wherever it is preempted."""
    contract = stack_contract(stack)
    spec = score.job(
        resolve(contract, model, version),
        given,
        output=output,
        rows_per_part=rows_per_part,
        keep=tuple(keep or ()),
        ranks=ranks,
    )
    spec = jobs.adjusted(
        spec, capacity=capacity, image=None if of_stack(contract) == "local" else resolve_image(contract, "train")
    )
    sender = launcher(contract)
    origin = Origin(new_run(spec), current_user(), time.time(), lineage(project_dir()))
    run = sender.submit(sender.render(spec, origin))
    where = output or f"{contract.storage.artifacts}/predictions/{run}"
    if wait:
        finish(sender, run, stack, as_json=as_json)
    elif as_json:
        render.emit({"run": run, "output": where})
    if not as_json:
        render.say(f"{'the answers lie in' if wait else 'the answers will lie in'} {where}")
        if not wait:
            render.next_step(f"skywright runs logs {run} --follow -s {stack}")


def register(app: typer.Typer) -> None:
    app.command()(batch)
