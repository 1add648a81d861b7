"""Charts as SVG that stands in the page: bars to read, not to admire. Colours are the style sheet's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from html import escape

WIDTH, ROW, LABEL, VALUE = 360, 26, 104, 74
SPAN = WIDTH - LABEL - VALUE
LONGEST_LABEL = 15


def bars(title: str, amounts: Mapping[str, Decimal]) -> str:
    """A bar for each amount, in USD, the largest first as they come."""
    most = max(amounts.values(), default=Decimal(0)) or Decimal(1)
    rows = [
        _row(index, name, f"{amount:,.2f}", [(LABEL, float(amount / most) * SPAN, "bar")])
        for index, (name, amount) in enumerate(amounts.items())
    ]
    return _figure(title, rows)


def changes(title: str, deltas: Sequence[tuple[str, Decimal]]) -> str:
    """Bars to the left of the middle for less, to the right for more."""
    most = max((abs(delta) for _, delta in deltas), default=Decimal(0)) or Decimal(1)
    middle = LABEL + SPAN / 2
    rows = []
    for index, (name, delta) in enumerate(deltas):
        length = float(abs(delta) / most) * SPAN / 2
        bar = (middle, length, "more") if delta > 0 else (middle - length, length, "less")
        rows.append(_row(index, name, f"{delta:+,.2f}", [bar]))
    return _figure(title, rows)


def shares(title: str, parts: Mapping[str, Sequence[tuple[int, str]]], key: str) -> str:
    """A bar for each name, made of (count, class) pieces. `key`: what the classes mean, as HTML."""
    rows = []
    for index, (name, pieces) in enumerate(parts.items()):
        total = sum(count for count, _ in pieces) or 1
        start, drawn = float(LABEL), []
        for count, style in pieces:
            length = count / total * SPAN
            drawn.append((start, length, style))
            start += length
        rows.append(_row(index, name, str(total), drawn))
    return _figure(title, rows, key)


def _row(index: int, name: str, value: str, pieces: Sequence[tuple[float, float, str]]) -> str:
    top = index * ROW
    short = name if len(name) <= LONGEST_LABEL else f"{name[: LONGEST_LABEL - 1]}…"
    drawn = "".join(
        f'<rect class="{style}" x="{start:.1f}" y="{top + 5}" width="{max(length, 1):.1f}" height="{ROW - 10}" rx="2"/>'
        for start, length, style in pieces
        if length
    )
    return (
        f"<g><title>{escape(name)}: {escape(value)}</title>"
        f'<text x="0" y="{top + 17}">{escape(short)}</text>{drawn}'
        f'<text class="soft" x="{WIDTH}" y="{top + 17}" text-anchor="end">{escape(value)}</text></g>'
    )


def _figure(title: str, rows: Sequence[str], key: str = "") -> str:
    height = max(len(rows), 1) * ROW
    drawn = f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">{"".join(rows)}</svg>'
    return f"<figure><figcaption>{escape(title)}</figcaption>{drawn}{key}</figure>"
