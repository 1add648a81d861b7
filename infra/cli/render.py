"""The one place where commands turn results into what a person or a program reads."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

console = Console(highlight=False, width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else 120)
errors = Console(stderr=True, highlight=False, soft_wrap=True)

Columns = Sequence[tuple[str, str]]
"""(key of the row, heading) in the order in which they are shown."""


def emit(data: Any) -> None:
    """Data as JSON on standard output."""
    sys.stdout.write(json.dumps(data, indent=2, default=str) + "\n")


def table(title: str, columns: Columns, rows: Iterable[Mapping[str, Any]], *, as_json: bool = False) -> None:
    """Rows as a table, or as a JSON list of objects with the same keys (and those that the table leaves out)."""
    rows = list(rows)
    if as_json:
        emit(rows)
        return
    shown = Table(
        title=title or None, title_justify="left", title_style="bold", header_style="dim", box=None, pad_edge=False
    )
    for key, heading in columns:
        values = [row[key] for row in rows if row.get(key) is not None]
        is_numeric = bool(values) and all(isinstance(value, int | float) for value in values)
        shown.add_column(heading, justify="right" if is_numeric else "left", overflow="fold")
    for row in rows:
        shown.add_row(*(cell(row.get(key)) for key, _ in columns))
    if not rows:
        shown.add_row(Text("none", style="dim"))
    console.print(shown)


def cell(value: Any) -> Text:
    """A value as people write it; text is never taken for markup."""
    if value is None:
        return Text("-", style="dim")
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    if isinstance(value, float):
        return Text(f"{value:,.4g}" if abs(value) < 10_000 else f"{value:,.0f}")
    return Text(str(value))


def when(timestamp: float | None) -> str | None:
    """A POSIX time as local time, to the second."""
    return None if timestamp is None else datetime.fromtimestamp(timestamp).strftime("%Y-%m-%d %H:%M:%S")


def ago(timestamp: float | None) -> str | None:
    """A POSIX time as people say it: `3 min ago`; the date once it is more than a week away."""
    if timestamp is None:
        return None
    seconds = max(0.0, time.time() - timestamp)
    for unit, size, limit in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 172_800), ("days", 86_400, 691_200)):
        if seconds < limit:
            return f"{seconds / size:.0f} {unit} ago"
    return datetime.fromtimestamp(timestamp).strftime("%Y-%m-%d")


def usd(amount: float | None) -> str | None:
    """USD with cents, and with more digits below one cent."""
    if amount is None:
        return None
    return f"${amount:,.2f}" if amount == 0 or abs(amount) >= 0.01 else f"${amount:.5f}"


def say(text: str, *, style: str = "") -> None:
    console.print(Text(text, style=style))


def next_step(text: str) -> None:
    """The last line of a command: what to do now, in one line however narrow the terminal, so that it can be copied."""
    console.print(Text(f"-> {text}", style="bold"), soft_wrap=True)


def complain(text: str) -> None:
    """An error, on standard error, in one line."""
    errors.print(Text.assemble(("error: ", "bold red"), text))
