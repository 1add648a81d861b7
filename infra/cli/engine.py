"""`skywright engine`: have a Pulumi engine, and know where it is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from infra.cli import render
from infra.cli.options import JsonOption, StackOption
from infra.engine import environment
from infra.engine.find import Found, find
from infra.stack import project_dir

if TYPE_CHECKING:
    from infra.engine.golang import Progress

app = typer.Typer(help="The Pulumi engine: find it, install it.", no_args_is_help=True)


@app.command()
def install(
    managed: Annotated[bool, typer.Option("--managed", help="also when there is a Pulumi on PATH")] = False,
    kubernetes: Annotated[
        bool, typer.Option("--kubernetes", help="also the Kubernetes API server that rehearsals apply to")
    ] = False,
    cluster: Annotated[
        bool, typer.Option("--cluster", help="also what makes workloads run there: controllers, queues, nodes")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Install the engine into the user's cache folder, unless there is one. Some minutes, once."""
    from infra.engine.install import install as put

    with shown() as progress:
        found = put(progress, managed_only=managed)
        if kubernetes or cluster:
            from infra.rehearsal.kubernetes.install import install as put_kubernetes

            put_kubernetes(progress, is_whole=cluster)
    _tell(found, as_json)
    if not as_json:
        render.next_step('use it by hand: eval "$(skywright engine where --shell)"')


@app.command()
def where(
    stack: StackOption = "local",
    shell: Annotated[bool, typer.Option("--shell", help="lines for a POSIX shell to evaluate")] = False,
    as_json: JsonOption = False,
) -> None:
    """Where the engine is; with --shell, what `pulumi` typed by hand needs to work on the stack as our commands do."""
    found = find()
    if not shell:
        _tell(found, as_json)
        return
    backend = environment.backend_of(project_dir(), stack)
    environment.prepare(backend)
    for line in environment.shell_lines(project_dir(), backend, found):
        typer.echo(line)


@contextmanager
def shown() -> Iterator[Progress]:
    """Progress as one living line on a terminal, else as a line every ten seconds; on standard error."""
    if render.errors.is_terminal:
        with render.errors.status("looking for the engine") as status:
            yield lambda message, share: status.update(escape(_line(message, share)))
        return
    last = 0.0

    def log(message: str, share: float | None) -> None:
        nonlocal last
        if time.monotonic() - last >= 10:
            last = time.monotonic()
            render.errors.print(escape(_line(message, share)))

    yield log


def _line(message: str, share: float | None) -> str:
    return f"{message} ({share:.0%})" if share is not None else message


def _tell(found: Found, as_json: bool) -> None:
    if as_json:
        render.emit(asdict(found))
        return
    whose = "yours, on PATH" if found.source == "path" else "managed by skywright"
    host = "official" if found.host == "official" else "skywright's"
    render.say(f"Pulumi {found.version} ({whose}; language host: {host})\n{found.cli}")
