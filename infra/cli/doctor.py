"""`skywright doctor`: what a stack needs of this machine, and what is missing."""

from __future__ import annotations

from dataclasses import asdict

import typer

from infra.cli import render
from infra.cli.options import JsonOption, StackOption
from infra.stack import project_dir, stack_file

COLUMNS = (("name", "what"), ("state", "state"), ("found", "found"), ("remedy", "remedy"))


def register(app: typer.Typer) -> None:
    @app.command()
    def doctor(stack: StackOption = "local", as_json: JsonOption = False) -> None:
        """Look at Python, engine, plugins, credentials, disk, memory; exit 1 when something needed is missing."""
        from infra.engine.checks import State, checks

        stack_file(stack)

        rows = [asdict(check) | {"state": check.state.value} for check in checks(project_dir(), stack)]
        render.table(f"Stack {stack} on this machine", COLUMNS, rows, as_json=as_json)
        if any(row["state"] == State.MISSING.value for row in rows):
            raise typer.Exit(1)
