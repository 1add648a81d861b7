"""A review for a terminal, a hundred columns wide: the verdict, what is wrong, then money, quotas, controls."""

from __future__ import annotations

import io
import shutil
import sys
from collections import Counter
from decimal import Decimal

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from policies.enforcement import Level
from policies.frameworks import State
from policies.report import figures
from policies.report.model import Review
from policies.rule import Severity

WIDTH = 100
STYLES = {Severity.CRITICAL: "bold red", Severity.HIGH: "red", Severity.MEDIUM: "yellow", Severity.LOW: "cyan"}
DEAREST = 10
"""Lines of cost that are shown; `--format html` and `json` have all."""
NAMED, NAMED_ASIDE = 6, 3
"""Resources that are named of one rule, open and set aside; the others are counted."""


def render(review: Review) -> str:
    """The report as text, with colours where it goes to a terminal."""
    is_terminal = sys.stdout.isatty()
    width = max(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns) if is_terminal else WIDTH
    out = io.StringIO()
    Console(file=out, width=width, force_terminal=is_terminal, highlight=False).print(renderable(review))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def renderable(review: Review) -> RenderableType:
    """The same for any console of rich."""
    parts = (_head, _findings, _set_aside, _cost, _quotas, _controls)
    return Group(*(item for part in parts for item in part(review)), *(_say(note, 0, "dim") for note in review.notes))


def _say(text: str, indent: int, style: str = "") -> Padding:
    return Padding(Text(text, style=style), (0, 0, 0, indent), expand=False)


def _hung(mark: str, text: Text, indent: int) -> Padding:
    """A text whose further lines stand below its first word."""
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_row(Text(mark, style=text.style or "dim"), text)
    return Padding(grid, (0, 0, 0, indent), expand=False)


def _title(text: str, more: str = "", style: str = "bold") -> Text:
    return Text.assemble("\n", (text, style), f"  {more}" if more else "")


def _grid(*headings: str, right: tuple[str, ...] = ()) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, justify="right" if heading in right else "left", overflow="fold")
    return table


def _head(review: Review) -> list[RenderableType]:
    verdict, why = figures.verdict(review)
    lines: list[RenderableType] = [
        Text.assemble((f"Review of {review.stack}", "bold"), f"  {' · '.join(figures.place(review))}"),
        Text.assemble((verdict, "bold red" if review.is_blocked else "bold green"), f". {why}"),
    ]
    if tally := figures.tally(review):
        lines.append(Text(tally))
    read = f"{review.examined} resources from the {review.source}, {review.rules} rules, {review.made_at}"
    return [*lines, Text(read, style="dim")]


def _findings(review: Review) -> list[RenderableType]:
    shown: list[RenderableType] = []
    for severity in reversed(Severity):
        mine = [item for item in figures.opened(review) if item.severity is severity]
        stopping = sum(item.level is Level.MANDATORY for item in mine)
        if mine:
            told = "" if not stopping else " stops the update" if len(mine) == 1 else f" {stopping} stop the update"
            shown.append(_title(f"{severity.value} ({len(mine)})", told.strip(), STYLES[severity]))
        for group in figures.groups(mine):
            item = group.first
            shown.append(_hung("•", Text.assemble((item.title, "bold"), (f"  {item.rule}", "dim")), 2))
            shown += [_say(f"{line.resource}: {line.detail}", 4) for line in group.lines[:NAMED]]
            shown += _rest(len(group.lines) - NAMED)
            shown.append(_hung("→", Text(item.remedy, style="dim"), 4))
    return shown


def _set_aside(review: Review) -> list[RenderableType]:
    """What doesn't count: exempted, or not to be told yet."""
    shown: list[RenderableType] = []
    for status, words in (("exempted", "exempted"), ("unknown", "can't be told before the update")):
        mine = figures.of_status(review, status)
        if mine:
            shown.append(_title(f"{words} ({len(mine)})", style="dim bold"))
        for group in figures.groups(mine):
            shown.append(_hung("•", Text(f"{group.first.title}  {group.first.rule}", style="dim"), 2))
            for line in group.lines[:NAMED_ASIDE]:
                shown.append(_say(f"{line.resource}: {line.detail}", 4, "dim"))
                if line.exemption:
                    shown.append(_say(figures.excuse(line), 6, "dim"))
            shown += _rest(len(group.lines) - NAMED_ASIDE)
    return shown


def _rest(more: int) -> list[RenderableType]:
    return [_say(f"and {more} more", 4, "dim")] if more > 0 else []


def _cost(review: Review) -> list[RenderableType]:
    if (estimate := review.estimate) is None:
        return []
    bounds = f"{figures.usd(estimate.low)} to {figures.usd(estimate.high)} where bounds are known"
    shown: list[RenderableType] = [_title(f"Cost of a month: {figures.usd(figures.total(estimate))} USD", bounds)]
    if review.change:
        share = figures.percent(review)
        shown.append(_say(f"change: {figures.signed(review.change.delta)} USD{f' ({share})' if share else ''}", 2))
    if missing := figures.money(estimate):
        shown.append(_say(missing, 2, "yellow"))
    if not estimate.lines:
        return shown
    table = _grid("component", "USD", "at the most", "unknown", right=("USD", "at the most", "unknown"))
    for bar in figures.bars(estimate, by_part=True):
        table.add_row(bar.name, figures.usd(bar.likely), figures.usd(bar.high or None), str(bar.unknown or ""))
    shown += [Text(""), Padding(table, (0, 0, 0, 2), expand=False), Text("")]
    table = _grid("dearest lines", "what", "USD", "low", "high", right=("USD", "low", "high"))
    known = [line for line in figures.dearest(estimate.lines) if line.monthly_usd is not None]
    for line in known[:DEAREST]:
        table.add_row(line.resource, line.component, *_amounts(line.monthly_usd, line.low_usd, line.high_usd))
    shown.append(Padding(table, (0, 0, 0, 2), expand=False))
    if len(known) > DEAREST:
        shown.append(_say(f"and {len(known) - DEAREST} cheaper ones", 2, "dim"))
    if estimate.unknown:
        shown.append(_title(f"  unknown ({len(estimate.unknown)})", style="yellow"))
    for line in figures.dearest(estimate.unknown):
        shown.append(_hung("?", Text(f"{line.resource}, {line.component}: {line.note}", style="yellow"), 2))
    assumed = figures.plural(len(estimate.assumptions), "assumption")
    traced = figures.plural(len(figures.sources(estimate)), "source")
    shown.append(_say(f"{assumed}, {traced}: --format html or json lists them", 2, "dim"))
    return shown


def _amounts(*amounts: Decimal | None) -> list[str]:
    return [figures.usd(amount) for amount in amounts]


def _quotas(review: Review) -> list[RenderableType]:
    if not review.quotas:
        return []
    counts = Counter(line.status.value for line in review.quotas)
    told = ", ".join(f"{counts[name]} {name}" for name in ("short", "unknown", "enough") if counts[name])
    shown: list[RenderableType] = [_title(f"Quotas: {told}")]
    table = _grid("", "quota", "needed", "limit", "known from", right=("needed", "limit"))
    for line in figures.quotas(review):
        if line.status.value != "enough":
            code = f"{line.title} ({line.code})" if line.code else line.title
            table.add_row(line.status.value, code, figures.needed(line), figures.limit(line), line.basis.value)
    if table.row_count:
        shown.append(Padding(table, (0, 0, 0, 2), expand=False))
    asks = dict.fromkeys(line.where_to_ask for line in review.quotas if line.status.value == "short")
    return [*shown, *(_hung("→", Text(ask, style="dim"), 2) for ask in asks if ask)]


def _controls(review: Review) -> list[RenderableType]:
    if not review.controls:
        return []
    states = tuple(state.value for state in State)
    table = _grid("framework", *states, right=states)
    for name, controls in review.controls.items():
        counts = Counter(item.state for item in controls)
        table.add_row(name, *(str(counts[state] or "") for state in State))
    return [_title("Controls", "what declarations show; the rest is for people"), Padding(table, (0, 0, 0, 2))]
