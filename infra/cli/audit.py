"""`skywright audit`: who did what, and whether the log still holds."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from catalog.errors import SkywrightError
from infra.cli import render
from infra.cli.options import JsonOption, StackOption
from infra.stack import stack_contract
from ml_jobs.audit import ChainedLog
from ml_jobs.audit import audit as audit_log

_COLUMNS = (
    ("seq", "#"),
    ("when", "when"),
    ("who", "who"),
    ("role", "role"),
    ("what", "what"),
    ("target", "target"),
    ("outcome", "outcome"),
)


def register(app: typer.Typer) -> None:
    app.command("audit")(audit)


def audit(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="newest entries to show")] = 20,
    only_verify: Annotated[bool, typer.Option("--verify", help="only say whether the log holds")] = False,
    stack: StackOption = "local",
    as_json: JsonOption = False,
) -> None:
    """What was changed, refused, approved, held or lifted. Ends with 1 when the log was tampered with."""
    log = audit_log(stack_contract(stack).storage.artifacts)
    entries = log.entries()
    if not only_verify:
        rows = [{**entry, "when": _when(entry)} for entry in entries[-limit:]]
        render.table("", _COLUMNS, rows, as_json=as_json)
    require_whole(log)
    if only_verify and as_json:
        render.emit({"ok": True, "entries": len(entries), "path": str(log.path)})
    elif not as_json:
        render.say(f"{len(entries)} entries, unbroken", style="dim")


def _when(entry: dict[str, Any]) -> str | None:
    at = entry.get("at")  # in a log that was tampered with, anything
    return render.when(at) if isinstance(at, int | float) else None


def require_whole(log: ChainedLog) -> None:
    """Raises SkywrightError that names the first line where the chain breaks."""
    if broken := log.verify():
        raise SkywrightError(
            f"{log.path} line {broken.line} {broken.why}: the log was changed after it was written",
            "Keep the file as it is and compare it with a backup.",
        )
