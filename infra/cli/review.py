"""`skywright review`: what a stack would cost, which controls it breaks, whether quotas hold it; no credentials."""

from __future__ import annotations

import datetime
import importlib
import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from catalog.errors import UserError
from infra.cli import render
from infra.stack import project_dir, stack_file

if TYPE_CHECKING:
    from policies.report.model import Review

EXIT_FINDINGS, EXIT_NO_REVIEW = 1, 2

FACES = {
    "terminal": "report.terminal", "markdown": "report.markdown", "json": "report.as_json", "sarif": "report.sarif",
    "html": "report.page", "oscal": "frameworks.oscal",
}  # fmt: skip
"""Format -> module under policies; each has `render(review) -> str`."""


class Format(str, Enum):
    TERMINAL = "terminal"
    MARKDOWN = "markdown"
    JSON = "json"
    SARIF = "sarif"
    HTML = "html"
    OSCAL = "oscal"


class Limit(str, Enum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"
    NEVER = "never"


def review(
    stack: Annotated[str, typer.Argument(help="the stack to review", show_default=False)] = "",
    framework: Annotated[
        list[str] | None, typer.Option("--framework", help="soc2, hipaa, ...; may stand several times; default: all")
    ] = None,
    fail_on: Annotated[Limit, typer.Option("--fail-on", help="exit 1 from this severity on")] = Limit.HIGH,
    face: Annotated[Format, typer.Option("--format", help="how the report is written")] = Format.TERMINAL,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="a file; default: standard output")] = None,
    source: Annotated[
        Path | None,
        typer.Option("--from", help="the engine's preview (JSON) or export, in place of the program"),
    ] = None,
    against: Annotated[
        str | None, typer.Option("--against", help="`deployed`, a preview or an export: the report shows the change")
    ] = None,
    live: Annotated[bool, typer.Option("--live-quotas", help="ask the cloud for quotas; needs credentials")] = False,
    rules: Annotated[bool, typer.Option("--rules", help="list the rules and stop")] = False,
) -> None:
    """Review a stack offline. Exit 0: clean; 1: findings at or above --fail-on; 2: it could not be reviewed."""
    if rules:
        _list_rules()
        return
    try:
        made = _made(stack, framework or [], source, against, live)
        text = importlib.import_module(f"policies.{FACES[face.value]}").render(made)
    except UserError as error:
        render.complain(str(error))
        raise typer.Exit(EXIT_NO_REVIEW) from None
    if output:
        output.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
    worst = made.worst()
    if worst and fail_on is not Limit.NEVER and worst.rank >= _rank(fail_on):
        raise typer.Exit(EXIT_FINDINGS)


def _made(stack: str, names: list[str], source: Path | None, against: str | None, live: bool) -> Review:
    from infra import reviewing
    from infra.settings import from_file
    from policies import frameworks

    if not stack:
        raise UserError("no stack is named", "skywright review STACK; the files in stacks/ name them.")
    for name in names:
        frameworks.load(name)
    settings = from_file(stack_file(stack))
    subject = reviewing.subject_of(settings, project_dir(), file=source, against=against)
    now = datetime.datetime.now(datetime.UTC)
    return reviewing.review_of(settings, subject, now=now, names=names, is_live=live)


def _list_rules() -> None:
    from policies.enforcement import describe
    from policies.rules import all_rules
    from policies.whole import STACK_RULES

    columns = (("rule", "rule"), ("severity", "severity"), ("clouds", "clouds"), ("title", "what it asks"))
    render.table("Rules", columns, describe((*all_rules(), *STACK_RULES)))


def _rank(limit: Limit) -> int:
    from policies.rule import Severity

    return Severity(limit.value).rank


def register(app: typer.Typer) -> None:
    app.command()(review)
