"""A review for a terminal, a hundred columns wide: what is wrong first, then money, quotas, controls."""

from __future__ import annotations

import io
import shutil
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from policies.frameworks import State
from policies.report.model import FindingLine, Review
from policies.rule import Severity

WIDTH = 100
STYLES = {
    Severity.CRITICAL: "bold red", Severity.HIGH: "red", Severity.MEDIUM: "yellow", Severity.LOW: "dim",
}  # fmt: skip
DEAREST = 12
"""Lines of cost that are shown; the other faces have all."""


def render(review: Review) -> str:
    """The report as text, with colours where it goes to a terminal."""
    import sys

    is_terminal = sys.stdout.isatty()
    width = max(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns) if is_terminal else WIDTH
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=is_terminal, highlight=False)
    _head(console, review)
    _findings(console, review)
    _cost(console, review)
    _quotas(console, review)
    _controls(console, review)
    for note in review.notes:
        console.print(Text(f"note: {note}", style="dim"))
    return out.getvalue()


def _head(console: Console, review: Review) -> None:
    place = " ".join(part for part in (review.cloud, review.region, review.environment) if part)
    console.print(Text.assemble((f"Review of {review.stack}", "bold"), f"  {place}"))
    counts = ", ".join(f"{count} {it.value}" for it in reversed(Severity) if (count := review.count(it)))
    console.print(
        f"{review.examined} resources read from the {review.source}, {review.rules} rules: "
        + (counts or "no open finding")
        + ("; an update would be stopped" if review.is_blocked else "")
    )


def _findings(console: Console, review: Review) -> None:
    for severity in reversed(Severity):
        mine = [item for item in review.findings if item.is_open and item.severity is severity]
        if not mine:
            continue
        console.print()
        console.print(Text(f"{severity.value} ({len(mine)})", style=STYLES[severity]))
        for rule, lines in _by_rule(mine):
            console.print(Text(f"  {rule}: {lines[0].title}", style="bold"))
            for line in lines:
                _say(console, f"{line.resource}: {line.detail}", 4)
            _say(console, f"-> {lines[0].remedy}", 4, "dim")
    for status, words in (("exempted", "exempted"), ("unknown", "not certain yet")):
        mine = [item for item in review.findings if item.status == status]
        if mine:
            console.print()
            console.print(Text(f"{words} ({len(mine)})", style="dim"))
        for rule, lines in _by_rule(mine):
            known = lines[0].exemption
            more = f"  until {known.expires}, {known.owner}: {known.reason}" if known else ""
            names = sorted({line.resource for line in lines})
            shown = ", ".join(names[:4])
            count = f" and {len(names) - 4} more" if len(names) > 4 else ""
            _say(console, f"{rule}: {shown}{count}{more}", 2, "dim")


def _say(console: Console, text: str, indent: int, style: str = "") -> None:
    console.print(Padding(Text(text, style=style), (0, 0, 0, indent)))


def _by_rule(lines: Iterable[FindingLine]) -> list[tuple[str, list[FindingLine]]]:
    found: dict[str, list[FindingLine]] = {}
    for line in lines:
        found.setdefault(line.rule, []).append(line)
    return list(found.items())


def _cost(console: Console, review: Review) -> None:
    if (estimate := review.estimate) is None:
        return
    console.print()
    unknown = len(estimate.unknown)
    console.print(
        Text.assemble(
            ("Cost of a month: ", "bold"),
            (f"{estimate.total:,.2f} USD", "bold"),
            f"  ({estimate.low:,.2f} to {estimate.high:,.2f}; {unknown} line{'' if unknown == 1 else 's'} unknown)",
        )
    )
    if review.change:
        percent = f" ({review.change.percent:+} %)" if review.change.percent is not None else ""
        console.print(f"  change: {review.change.delta:+,.2f} USD{percent}")
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("  component", "resource", "what", "USD", "low", "high"):
        table.add_column(heading, justify="right" if heading in ("USD", "low", "high") else "left", overflow="fold")
    lines = sorted(estimate.lines, key=lambda line: -(line.monthly_usd or line.high_usd or Decimal(0)))
    for line in lines[:DEAREST]:
        amounts = [_usd(line.monthly_usd), _usd(line.low_usd), _usd(line.high_usd)]
        table.add_row(f"  {line.part or '-'}", line.resource, line.component, *amounts)
    console.print(table)
    if len(lines) > DEAREST:
        _say(console, f"and {len(lines) - DEAREST} cheaper lines: --format json has all, with their sources", 2, "dim")
    for line in estimate.unknown:
        _say(console, f"unknown: {line.resource} {line.component}: {line.note}", 2, "dim")
    if estimate.assumptions:
        console.print(Text(f"  {len(estimate.assumptions)} assumptions: --format json lists them", style="dim"))


def _usd(amount: Decimal | None) -> str:
    return "unknown" if amount is None else f"{amount:,.2f}"


def _quotas(console: Console, review: Review) -> None:
    if not review.quotas:
        return
    console.print()
    counts = Counter(line.status.value for line in review.quotas)
    told = ", ".join(f"{counts[name]} {name}" for name in ("short", "enough", "unknown") if counts[name])
    console.print(Text.assemble(("Quotas: ", "bold"), told))
    for line in review.quotas:
        if line.status.value == "short":
            least = "at least " if line.is_at_least else ""
            _say(console, f"short: {line.title}: needs {least}{line.needed:g}, {line.basis.value} {line.limit:g}", 2)


def _controls(console: Console, review: Review) -> None:
    if not review.controls:
        return
    console.print()
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("Controls", *(state.value for state in State)):
        table.add_column(heading, justify="left" if heading == "Controls" else "right")
    for name, controls in review.controls.items():
        counts = Counter(item.state for item in controls)
        table.add_row(name, *(str(counts[state]) if counts[state] else "-" for state in State))
    console.print(table)
