"""A review as one page that needs nothing else: no request, no script; for a screen, a phone, paper, light and dark."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from html import escape
from importlib.resources import files

from policies.frameworks import State
from policies.report import charts
from policies.report.model import FindingLine, Review
from policies.rule import Severity

MOST_CHANGES = 12
STATES = {State.MET: "met", State.BROKEN: "broken", State.NEEDS_PERSON: "person", State.NOT_APPLICABLE: "none"}
COLOURS = {State.MET: "good", State.BROKEN: "high", State.NEEDS_PERSON: "medium", State.NOT_APPLICABLE: "low"}
VARIABLES = {"met": "good", "broken": "high", "person": "medium", "none": "line"}


def render(review: Review) -> str:
    style = (files(__package__) / "review.css").read_text(encoding="utf-8")
    body = "\n".join(_body(review))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Review of {escape(review.stack)}</title><style>{style}</style></head>\n"
        f"<body>\n{body}\n</body></html>\n"
    )


def _body(review: Review) -> Iterator[str]:
    place = " · ".join(part for part in (review.cloud, review.region, review.environment) if part)
    yield f"<h1>Review of {escape(review.stack)}</h1>"
    yield (
        f'<div class="soft">{escape(place)} · {review.examined} resources read from the {escape(review.source)} · '
        f"{review.rules} rules · {escape(review.made_at)}</div>"
    )
    yield from _cards(review)
    yield from _charts(review)
    yield "<h2>Findings</h2>"
    opened = [item for item in review.findings if item.is_open]
    heads = ("Severity", "Rule", "Resource", "Finding", "Remedy")
    yield _table(heads, map(_finding, opened)) if opened else '<p class="good">No finding is open.</p>'
    for status, title in (("exempted", "Exempted"), ("unknown", "Not certain yet")):
        mine = [item for item in review.findings if item.status == status]
        if mine:
            yield _folded(f"{title} ({len(mine)})", _table((*heads[:4], "Why it stands"), map(_excused, mine)))
    yield from _cost(review)
    yield from _quotas(review)
    yield from _controls(review)
    for note in review.notes:
        yield f'<p class="soft">{escape(note)}</p>'


def _cards(review: Review) -> Iterator[str]:
    counts = ", ".join(f"{count} {it.value}" for it in reversed(Severity) if (count := review.count(it)))
    cards = [
        (counts or "none", "open findings; an update " + ("would be stopped" if review.is_blocked else "may go on"))
    ]
    if (estimate := review.estimate) is not None:
        unknown = len(estimate.unknown)
        text = f"USD a month, {estimate.low:,.0f} to {estimate.high:,.0f}; {unknown} lines unknown"
        cards.append((f"{estimate.total:,.2f}", text))
    if review.change:
        percent = f" ({review.change.percent:+} %)" if review.change.percent is not None else ""
        cards.append((f"{review.change.delta:+,.2f}", f"USD a month against what is there{percent}"))
    if review.quotas:
        states = Counter(line.status.value for line in review.quotas)
        cards.append((f"{states['short']} short", f"of {len(review.quotas)} quotas; {states['unknown']} unknown"))
    shown = "".join(f'<div class="card"><b>{escape(big)}</b>{escape(small)}</div>' for big, small in cards)
    yield f'<div class="verdict">{shown}</div>'


def _charts(review: Review) -> Iterator[str]:
    drawn = []
    if review.estimate and review.estimate.lines:
        drawn.append(charts.bars("Cost by component, USD a month", review.estimate.by(lambda it: it.part or "other")))
        drawn.append(charts.bars("Cost by kind, USD a month", review.estimate.by(lambda it: it.kind)))
    if review.change and review.change.resources:
        deltas = [(item.resource, item.delta) for item in review.change.resources[:MOST_CHANGES]]
        drawn.append(charts.changes("Change by resource, USD a month", deltas))
    if review.controls:
        parts = {}
        for name, controls in review.controls.items():
            counts = Counter(item.state for item in controls)
            parts[name] = [(counts[state], style) for state, style in STATES.items()]
        key = "".join(
            f'<span style="background:var(--{VARIABLES[style]})"></span>{state.value}'
            for state, style in STATES.items()
        )
        drawn.append(charts.shares("Controls by framework", parts, f'<div class="key soft">{key}</div>'))
    if drawn:
        yield f'<h2>At a glance</h2><div class="charts">{"".join(drawn)}</div>'


def _finding(item: FindingLine) -> Sequence[str]:
    return (
        f'<span class="tag {item.severity.value}">{item.severity.value}</span>',
        f"<code>{escape(item.rule)}</code><br>{escape(item.title)}",
        escape(item.resource),
        escape(item.detail),
        escape(item.remedy),
    )


def _excused(item: FindingLine) -> Sequence[str]:
    known = item.exemption
    why = f"until {known.expires}, {known.owner}: {known.reason}" if known else "only the update will tell"
    return (*_finding(item)[:4], escape(why))


def _cost(review: Review) -> Iterator[str]:
    if (estimate := review.estimate) is None:
        return
    yield "<h2>Cost of a month, line by line</h2>"
    lines = sorted(estimate.lines, key=lambda line: -(line.monthly_usd or line.high_usd or Decimal(0)))
    rows = [
        (
            escape(line.part), escape(line.resource), escape(line.component), _usd(line.monthly_usd),
            _usd(line.low_usd), _usd(line.high_usd), escape(line.note), escape(line.source),
        )
        for line in lines
    ]  # fmt: skip
    heads = ("Component", "Resource", "What", "USD", "Low", "High", "Note", "Source")
    yield _folded(
        f"{len(lines)} lines; those that are known sum to {estimate.total:,.2f} USD", _table(heads, rows, 3, 6)
    )
    if estimate.assumptions:
        items = "".join(f"<li>{escape(text)}</li>" for text in estimate.assumptions)
        yield _folded(f"{len(estimate.assumptions)} assumptions", f"<ul>{items}</ul>")


def _quotas(review: Review) -> Iterator[str]:
    if review.quotas:
        rows = [
            (
                f'<span class="tag {_QUOTA[line.status.value]}">{line.status.value}</span>', escape(line.title),
                _number(line.needed, "at least " if line.is_at_least else ""), _number(line.limit),
                escape(line.basis.value), escape(line.where_to_ask), escape(line.note),
            )
            for line in sorted(review.quotas, key=lambda it: ("short", "unknown", "enough").index(it.status.value))
        ]  # fmt: skip
        heads = ("State", "Quota", "Needed", "Limit", "Known from", "Where to ask", "Note")
        yield f"<h2>Quotas</h2>{_table(heads, rows, 2, 4)}"


_QUOTA = {"short": "high", "unknown": "medium", "enough": "good"}


def _controls(review: Review) -> Iterator[str]:
    if review.controls:
        yield "<h2>Controls</h2><p class='soft'>What declarations show, control by control; the rest is for people.</p>"
    for name, controls in review.controls.items():
        counts = Counter(item.state for item in controls)
        told = ", ".join(f"{counts[state]} {state.value}" for state in State if counts[state])
        rows = [
            (
                escape(item.control.id), escape(item.control.title),
                f'<span class="tag {COLOURS[item.state]}">{item.state.value}</span>',
                escape(item.look_at or ", ".join(sorted({line.resource for line in item.findings}))),
                str(len(item.examined)),
            )
            for item in controls
        ]  # fmt: skip
        heads = ("Control", "What it asks", "State", "To look at", "Examined")
        yield _folded(f"{name}: {told}", _table(heads, rows, 4, 5))


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], first: int = 0, last: int = 0) -> str:
    """Cells are HTML. Columns from `first` up to `last` are numbers."""

    def style(index: int) -> str:
        return ' class="number"' if first <= index < last else ""

    head = "".join(f"<th{style(index)}>{text}</th>" for index, text in enumerate(heads))
    body = "".join(
        "<tr>"
        + "".join(f'<td{style(index)} data-head="{heads[index]}">{cell}</td>' for index, cell in enumerate(row))
        + "</tr>"
        for row in rows
    )
    return f'<div class="scroll"><table class="wide"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _folded(title: str, content: str) -> str:
    return f"<details><summary>{escape(title)}</summary>{content}</details>"


def _usd(amount: Decimal | None) -> str:
    return '<span class="soft">unknown</span>' if amount is None else f"{amount:,.2f}"


def _number(value: float | None, before: str = "") -> str:
    return '<span class="soft">unknown</span>' if value is None else f"{before}{value:g}"
