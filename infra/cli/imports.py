"""`skywright import`: bring what already runs under a stack."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from catalog.errors import UserError
from infra.cli import render
from infra.cli.options import JsonOption, StackOption
from infra.stack import project_dir, stack_file

app = typer.Typer(help="Bring what already runs under a stack: a plan first, then the imports.", no_args_is_help=True)


@app.command()
def plan(
    stack: StackOption = "local",
    out: Annotated[Path, typer.Option("--out", help="where the plan is written")] = Path("import.json"),
    ids: Annotated[
        Path | None, typer.Option("--ids", help="JSON: {resource name: the cloud's id}, for what names don't tell")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List what the stack declares and its state lacks, each with the id under which the cloud knows it."""
    from infra import importing
    from infra.engine.run import Engine

    stack_file(stack)
    made = importing.make(Engine(project_dir(), stack), _ids(ids))
    made.write(out)
    if as_json:
        render.emit(made.content)
        return
    render.table(
        f"{out}: {len(made.entries)} resources",
        (("name", "resource"), ("type", "type"), ("id", "id"), ("note", "note")),
        [{"note": "", **entry} for entry in made.entries],
    )
    later, by_up, missing = (
        len(made.with_id(word)) for word in (importing.LATER, importing.BY_UP, importing.PLACEHOLDER)
    )
    if later:
        render.say(f"{later} ids follow while the others are imported", style="dim")
    if by_up:
        render.say(f"{by_up} resources have no import: `up` makes them again, without harm", style="dim")
    render.next_step(
        f"write the ids of {missing} resources into {out}, where the notes say how to find them, or drop their "
        f"entries; then: skywright import run {out} -s {stack}" if missing else f"skywright import run {out} -s {stack}"
    )  # fmt: skip


@app.command()
def run(
    plan: Annotated[Path, typer.Argument(help="the plan, all ids filled in")],
    stack: StackOption = "local",
) -> None:
    """Read each resource of the plan from its cloud into the stack's state; nothing is changed there."""
    from infra import importing
    from infra.engine.run import Engine

    stack_file(stack)
    came = importing.carry_out(Engine(project_dir(), stack), plan, lambda line: render.say(f"  {line}", style="dim"))
    render.say(f"{len(came.names)} resources are now under stack {stack}", style="bold")
    if came.left:
        render.say(f"left to `up`: {', '.join(came.left)}", style="dim")
    render.next_step(f"pulumi preview -s {stack}   # what still differs from the declaration")


def _ids(path: Path | None) -> dict[str, str]:
    if path is None:
        return {}
    try:
        given = json.loads(path.read_text())
        if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
            raise ValueError("it is not a mapping of names to ids")
    except (OSError, ValueError) as error:
        raise UserError(
            f"--ids {path} can't be read: {error}", 'Allowed: JSON such as {"network-vpc": "vpc-1a2b"}.'
        ) from None
    return given
