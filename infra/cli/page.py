"""`skywright page`: the address of a stack's page, with the token that it needs."""

from __future__ import annotations

import html
import os
import sys
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from catalog.errors import UserError
from infra.cli import render
from infra.cli.options import JsonOption, StackOption
from infra.stack import call, stack_contract, state_dir
from ml_jobs.contract import StackContract
from ml_jobs.identity import read_token

OpenOption = Annotated[
    bool | None, typer.Option("--open/--no-open", help="open a browser  [default: on a terminal with a display]")
]


def register(app: typer.Typer) -> None:
    app.command("page")(page)


def page(stack: StackOption = "local", is_opened: OpenOption = None, as_json: JsonOption = False) -> None:
    """Where the stack's page is: runs, releases, spend, alarms and audit, live."""
    url = address(stack_contract(stack))
    if as_json:
        render.emit({"url": url})
    else:
        render.console.print(url, markup=False, soft_wrap=True)
    if is_opened or (is_opened is None and not as_json and has_display()):
        opened = webbrowser.open(hand_over(url, state_dir(stack)).as_uri())
        if not opened and is_opened:
            render.complain("no browser could be started. Open the address above by hand.")
            raise typer.Exit(1)
    if not as_json:
        render.next_step("open it; the address carries a token that may look at everything and change nothing")


def address(contract: StackContract) -> str:
    """The page's URL with the viewer's token in its fragment, which a browser keeps to itself.

    Raises UserError where the stack has no page, SkywrightError where it does not answer.
    """
    base = contract.telemetry.metrics_url
    if contract.cloud != "local" or not base:
        raise UserError(
            f"stack {contract.stack} ({contract.cloud}) has no page of ours; only local stacks have",
            f"See what it runs: skywright status -s {contract.stack}",
        )
    base = base.rstrip("/")
    call("GET", f"{base}/healthz", what="the monitor")
    return f"{base}/#token={read_token(contract.identities.viewer)}"


def has_display() -> bool:
    """Whether a person sits there who would see a browser open; one inside the terminal would be in the way."""
    graphical = sys.platform in ("darwin", "win32") or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))
    return sys.stdout.isatty() and graphical


def hand_over(url: str, folder: Path) -> Path:
    """A file for this user alone that sends the browser on, so that the token is on nobody's list of processes."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "page.html"
    path.unlink(missing_ok=True)
    target = html.escape(url, quote=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(
            f'<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url={target}">'
            f'<title>Skywright</title><a href="{target}">The page</a>\n'
        )
    return path
