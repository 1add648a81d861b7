"""`skywright config`: the stack's settings explained and checked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infra.cli import render
from infra.cli.options import JsonOption
from infra.settings import InvalidSettings, from_file
from infra.settings.schema import stack_file_schema
from infra.stack import stack_file

app = typer.Typer(help="Check a stack's settings, or print their JSON schema.", no_args_is_help=True)


@app.command()
def schema(
    out: Annotated[Path | None, typer.Option("--out", help="write it there instead of printing it")] = None,
) -> None:
    """Print the JSON schema of stack files (editors complete and check with it)."""
    import json

    from infra.stackfile import replace

    if out is None:
        render.emit(stack_file_schema())
        return
    earlier = out.read_bytes() if out.is_file() else None
    replace(out, (json.dumps(stack_file_schema(), indent=2) + "\n").encode(), expected=earlier)
    render.say(f"wrote {out}")
    render.next_step(f"First line of a stack file, for editors: # yaml-language-server: $schema={out}")


@app.command()
def check(
    stack: Annotated[str, typer.Argument(help="a stack's name, or the path of a stack file")],
    as_json: JsonOption = False,
) -> None:
    """Explain every mistake in a stack's settings; exit 78 when there are any. Needs no engine and no credentials."""
    path = Path(stack) if stack.endswith((".yaml", ".yml")) else stack_file(stack)
    try:
        settings = from_file(path)
    except InvalidSettings as error:
        if not as_json:
            raise
        rows = [
            {"path": item.path, "problem": item.problem.lstrip(": "), "remedy": item.remedy, "message": line}
            for item, line in zip(error.mistakes, error.lines, strict=True)
        ]
        render.emit({"file": str(path), "ok": False, "mistakes": rows})
        raise typer.Exit(error.exit_code) from None
    if as_json:
        render.emit({"file": str(path), "ok": True, "mistakes": [], "settings": settings.model_dump(mode="json")})
        return
    place = f" in {settings.region}" if settings.region else ""
    render.say(f"{path.name}: good. {settings.environment} on {settings.cloud}{place}.")
    render.next_step(f"See what it would make: pulumi preview -s {settings.stack}")
