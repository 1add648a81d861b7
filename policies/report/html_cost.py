"""The page's section on money: sums and their bounds, what is unknown, every line, and where prices are from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from policies.report import charts, figures
from policies.report.markup import Column, folded, section, table, tag, text
from policies.report.model import Review

if TYPE_CHECKING:
    from policies.cost import Change, Estimate, Line

MOST_CHANGES = 8
DEAREST = 8


def cost(review: Review) -> Iterator[str]:
    if (estimate := review.estimate) is None:
        return
    bounds = f"between {figures.usd(estimate.low)} and {figures.usd(estimate.high)} USD where bounds are known"
    lead = (
        f"<b>{text(figures.usd(figures.total(estimate)))} USD</b> for a month of 730 hours is what the known lines "
        f"likely cost, {text(bounds)}. {text(figures.money(estimate))} List prices, without tax, discounts or "
        "commitments."
    )
    yield section("cost", "Cost of a month", _parts(estimate), lead=lead)


def drawn(review: Review) -> Iterator[str]:
    """The charts of the money."""
    if review.estimate and review.estimate.lines:
        yield charts.bars("Cost by component, USD a month", figures.bars(review.estimate, by_part=True))
        yield charts.bars("Cost by kind, USD a month", figures.bars(review.estimate, by_part=False))
    if review.change and review.change.resources:
        yield _change(review.change)


def _parts(estimate: Estimate) -> Iterator[str]:
    known = [line for line in figures.dearest(estimate.lines) if line.monthly_usd is not None]
    columns: Sequence[Column]
    if known:
        yield f"<h3>The dearest {min(DEAREST, len(known))} of {len(known)} known lines</h3>"
        columns = (Column("Resource"), Column("What"), *_AMOUNTS, Column("How it is reckoned", width="38%"))
        yield table(columns, [(*_named(line), *_sums(line), _soft(line.note)) for line in known[:DEAREST]])
    if estimate.unknown:
        yield f"<h3>Unknown, and in no sum: {figures.plural(len(estimate.unknown), 'line')}</h3>"
        columns = (Column("Resource"), Column("What"), Column("Why it isn't known", width="55%"))
        yield table(columns, [(*_named(line), text(line.note)) for line in figures.dearest(estimate.unknown)])
    yield from _traced(estimate)


def _change(change: Change) -> str:
    most = change.resources[:MOST_CHANGES]
    deltas = [(item.resource, item.delta) for item in most]
    if others := change.resources[MOST_CHANGES:]:
        deltas.append((figures.plural(len(others), "other"), sum((item.delta for item in others), Decimal(0))))
    return charts.changes("Change of cost against what is there, USD a month", deltas)


def _traced(estimate: Estimate) -> Iterator[str]:
    columns: Sequence[Column] = (
        Column("Prices from"),
        Column("Dated"),
        Column("Lines", True),
        Column("USD on it", True),
    )
    rows = [
        (text(it.name), text(it.date) or tag("undated", "medium"), str(it.lines), text(figures.usd(it.usd)))
        for it in figures.sources(estimate)
    ]
    if rows:
        yield folded(figures.plural(len(rows), "source") + " of prices", table(columns, rows))
    if estimate.assumptions:
        items = "".join(f"<li>{text(said)}</li>" for said in estimate.assumptions)
        yield folded(
            f"{figures.plural(len(estimate.assumptions), 'assumption')} about use", f'<ul class="many">{items}</ul>'
        )
    if estimate.lines:
        columns = (
            Column("Component"), Column("Resource"), Column("What"), *_AMOUNTS, Column("Note", width="20%"),
            Column("Line of the catalogue", width="20%"),
        )  # fmt: skip
        rows_of_all: list[Sequence[str]] = [
            (text(line.part), *_named(line), *_sums(line), _soft(line.note), _soft(line.source))
            for line in figures.dearest(estimate.lines)
        ]
        title = f"All {len(estimate.lines)} lines, each with its price's source"
        yield folded(title, table(columns, rows_of_all, style="dense"), is_on_paper=False)


_AMOUNTS = (Column("USD", True), Column("Low", True), Column("High", True))


def _named(line: Line) -> tuple[str, str]:
    return f"<code>{text(line.resource)}</code>", text(line.component)


def _sums(line: Line) -> list[str]:
    return [_amount(amount) for amount in (line.monthly_usd, line.low_usd, line.high_usd)]


def _amount(amount: Decimal | None) -> str:
    return text(figures.usd(amount)) if amount is not None else '<span class="soft">unknown</span>'


def _soft(value: str) -> str:
    return f'<span class="soft">{text(value)}</span>'
