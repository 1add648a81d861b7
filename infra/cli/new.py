"""`skywright new`: files to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infra.cli import render

app = typer.Typer(help="Begin something: a job.", no_args_is_help=True)


@app.callback()
def group() -> None: ...


@app.command()
def job(name: Annotated[str, typer.Argument(help="lower case letters, digits and dashes")]) -> None:
    """Write a job that works, and its test, into this folder: a function and a JobSpec, which run on any stack."""
    from ml_jobs.train import scaffold

    module, test = scaffold.write(name, Path.cwd())
    render.say(f"wrote {module.name} and {test.name}")
    render.next_step(f"python -m pytest {test.name}, then skywright train {module.stem}:JOB")
