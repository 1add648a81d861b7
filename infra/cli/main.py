"""The `skywright` command: groups of commands, one module each."""

from __future__ import annotations

import gc
import importlib
import sys

import typer

from catalog.errors import SkywrightError
from infra.cli import render
from infra.engine.beside.skywright_child import COLLECTED_AFTER

app = typer.Typer(
    name="skywright",
    help="One ML platform, any cloud: declare it with Pulumi, train, approve, release and roll back on it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

GROUPS = {
    "engine": "engine", "config": "config", "runs": "runs", "models": "models", "budget": "budget", "drill": "drill",
    "import": "imports", "clouds": "clouds", "prices": "prices", "image": "image", "new": "new",
}  # fmt: skip
"""Commands with sub-commands, and the module of each: it has `app`."""

COMMANDS = (
    "doctor", "init", "up", "train", "release", "predict", "status", "audit", "page", "demo",
    "rehearse", "review", "compare", "plan", "batch", "export",
)  # fmt: skip
"""Modules with commands of their own: each has `register(app)`."""


def build() -> typer.Typer:
    for name in COMMANDS:
        importlib.import_module(f"infra.cli.{name}").register(app)
    for name, module in GROUPS.items():
        app.add_typer(importlib.import_module(f"infra.cli.{module}").app, name=name)
    return app


def run() -> None:
    """Entry point. A mistake is one line and a non-zero exit; ^C is 130; only our own bugs end in a traceback."""
    gc.set_threshold(COLLECTED_AFTER)
    try:
        build()()
    except SkywrightError as error:
        render.complain(str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(141)
