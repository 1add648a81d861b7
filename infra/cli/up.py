"""`skywright up` and `skywright down`: the guarded up (previewed with the policy pack first), and its end."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from catalog.errors import UserError
from infra.cli import render
from infra.cli.options import JsonOption, StackOption
from infra.stack import project_dir, stack_file

CHANGED = re.compile(r"^ ?[-+~]{1,2} .*(created|updated|deleted|replaced|failed)|error|warning:|\[mandatory\]")
"""Lines of the engine that tell of a change or a refusal; the rest is for --verbose."""


def up(
    stack: StackOption = "local",
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="every line of the engine")] = False,
    as_json: JsonOption = False,
) -> None:
    """Bring the stack to what its file declares. Holds that stand are shown, never lifted."""
    from infra.credentials import need
    from infra.engine.run import Engine
    from infra.program import components_of
    from infra.reviewing import need_small_increase
    from infra.settings import from_file

    settings = from_file(stack_file(stack))  # mistakes, before the engine starts or writes anything
    components_of(settings.cloud)
    need(settings)
    engine = Engine(project_dir(), stack)
    engine.ensure_stack()
    if settings.review.max_increase_percent is not None:
        need_small_increase(settings, project_dir(), engine.export())
    outcome = engine.up(on_line=None if as_json else lambda line: _show(line, verbose))
    if as_json:
        render.emit(engine.outputs())
        return
    counts = ", ".join(f"{count} {_DONE.get(op, op)}" for op, count in sorted(outcome.changes.items()))
    render.say(f"stack {stack} is up in {outcome.duration_s:.0f} s: {counts}", style="bold")
    render.next_step(f"skywright train digits -s {stack} · skywright page -s {stack}")


def down(
    stack: StackOption = "local",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask")] = False,
) -> None:
    """Destroy what the stack declares. Data stays unless skywright:storage.retain_data is false."""
    from infra.engine.run import Engine
    from infra.settings import from_file

    settings = from_file(stack_file(stack))
    if not yes:
        try:
            typer.confirm(f"Destroy stack {stack}?", abort=True)
        except typer.Abort:
            raise UserError("nothing was destroyed", f"To go on: skywright down -s {stack} --yes") from None
    engine = Engine(project_dir(), stack)
    engine.destroy(on_line=lambda line: _show(line, False))
    kept = "its data stays" if settings.storage.retain_data else "its data is gone too"
    render.say(f"stack {stack} is down; {kept}", style="bold")
    render.next_step(f"skywright up -s {stack}")


_DONE = {"same": "unchanged", "create": "created", "update": "updated", "delete": "deleted", "replace": "replaced"}


def _show(line: str, verbose: bool) -> None:
    if verbose or CHANGED.search(line):
        render.say(f"  {line.strip()}", style="dim")


def register(app: typer.Typer) -> None:
    app.command()(up)
    app.command()(down)
