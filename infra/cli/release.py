"""`skywright release` and `skywright rollback`: change the declared releases, and carry the change out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from infra.cli import render
from infra.cli.options import JsonOption, StackOption

Yes = Annotated[bool, typer.Option("--quiet", "-q", help="leave out the engine's own lines")]


def release(
    model: Annotated[str, typer.Argument(help="model in the registry")],
    version: Annotated[int, typer.Argument(min=1, help="its version")],
    weight: Annotated[float, typer.Option(help="percent of the requests; the others share the rest")] = 100,
    shadow: Annotated[float, typer.Option(help="percent of the requests copied to it, answers only recorded")] = 0,
    name: Annotated[str | None, typer.Option("--as", help="name of the release; v<version> if not given")] = None,
    stack: StackOption = "local",
    quiet: Yes = False,
    as_json: JsonOption = False,
) -> None:
    """Declare a version behind the endpoint and bring it up. Serving goes on without a dropped request."""
    from infra import operations

    after = operations.release(stack, model, version, weight, shadow, name or f"v{version}", _lines(quiet or as_json))
    _show(after, as_json)
    if not as_json:
        render.next_step(f"skywright predict -s {stack} --sample 5 · go back with: skywright rollback -s {stack}")


def rollback(
    reason: Annotated[str, typer.Option(help="why; it goes into the audit log")] = "rolled back by hand",
    now: Annotated[
        bool, typer.Option("--now", help="an emergency: a hold routes everything to the earlier release at once")
    ] = False,
    stack: StackOption = "local",
    quiet: Yes = False,
    as_json: JsonOption = False,
) -> None:
    """Declare the releases as they were before the last change, and bring them up."""
    from infra import operations

    if now:
        hold = operations.route_back(stack, reason)
        if as_json:
            render.emit(hold)
            return
        render.say(f"hold {hold['id']}: every request goes to release {hold['target']}")
        render.next_step(
            f"skywright rollback -s {stack}, then lift it: skywright budget release {hold['id']} -s {stack}"
        )
        return
    after = operations.rollback(stack, reason, _lines(quiet or as_json))
    _show(after, as_json)
    if not as_json:
        render.next_step(f"skywright predict -s {stack} --sample 5")


def _lines(quiet: bool) -> Callable[[str], None] | None:
    return None if quiet else lambda line: render.say(f"  {line}", style="dim")


def _show(releases: dict[str, dict[str, object]], as_json: bool) -> None:
    rows = [{"name": name, **release} for name, release in releases.items()]
    columns = (
        ("name", "release"), ("model", "model"), ("version", "version"), ("weight_percent", "weight %"),
        ("shadow_percent", "shadow %"),
    )  # fmt: skip
    render.table("Declared releases", columns, rows, as_json=as_json)


def register(app: typer.Typer) -> None:
    app.command()(release)
    app.command()(rollback)
