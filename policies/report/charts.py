"""Charts that stand in the page: words and numbers as text, which a screen reader reads, and bars as inline SVG."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from policies.report import figures
from policies.report.markup import text

ZERO = Decimal(0)
SPAN = 100.0
"""Of a bar's own coordinates; the style sheet makes it as wide as there is room."""
THINNEST = 0.6
"""What isn't nothing is seen."""


def bars(title: str, found: Sequence[figures.Bar]) -> str:
    """What is likely in full colour, what it may be at the most behind it in pale, and how much nobody knows."""
    most = max((max(bar.high, bar.likely or ZERO) for bar in found), default=ZERO) or Decimal(1)
    rows = []
    for bar in found:
        likely = bar.likely or ZERO
        pieces = [(0.0, _length(bar.high, most), "high-end")] if bar.high > likely else []
        pieces.append((0.0, _length(likely, most), "likely"))
        unknown = f"+ {bar.unknown} unknown" if bar.unknown else ""
        rows.append(_row(bar.name, pieces, "" if bar.likely is None else figures.usd(likely), unknown))
    key = _key((("likely", "likely"), ("high-end", "up to the upper bound"))) if found else ""
    return _figure(title, rows, key)


def changes(title: str, deltas: Sequence[tuple[str, Decimal]]) -> str:
    """Bars to the right for more, to the left for less; from the middle where there are both."""
    most = max((abs(delta) for _, delta in deltas), default=ZERO) or Decimal(1)
    is_more, is_less = any(delta > 0 for _, delta in deltas), any(delta < 0 for _, delta in deltas)
    share = SPAN / 2 if is_more and is_less else SPAN
    zero = SPAN - share if is_more else SPAN
    rows = []
    for name, delta in deltas:
        length = _length(abs(delta), most) * share / SPAN
        bar = (zero, length, "more") if delta > 0 else (zero - length, length, "less")
        rows.append(_row(name, [bar, (min(zero, SPAN - 0.2), 0.2, "axis")], figures.signed(delta)))
    return _figure(title, rows, style="whole")


def shares(title: str, parts: Sequence[tuple[str, Sequence[tuple[int, str]]]], key: Sequence[tuple[str, str]]) -> str:
    """A bar for each name, made of (count, class) pieces. `key`: (class, what it means)."""
    rows = []
    for name, pieces in parts:
        total = sum(count for count, _ in pieces) or 1
        start, drawn = 0.0, []
        for count, style in pieces:
            length = count / total * SPAN
            drawn.append((start, length, style))
            start += length
        words = ", ".join(f"{count} {meaning}" for (count, _), (_, meaning) in zip(pieces, key, strict=True) if count)
        rows.append(_row(name, drawn, words))
    return _figure(title, rows, _key(key), "whole shares")


def _length(amount: Decimal, most: Decimal) -> float:
    return max(float(amount / most) * SPAN, THINNEST) if amount > 0 else 0.0


def _row(name: str, pieces: Iterable[tuple[float, float, str]], value: str, unknown: str = "") -> str:
    drawn = "".join(
        f'<rect class="{style}" x="{start:.2f}" y="0" width="{length:.2f}" height="10"/>'
        for start, length, style in pieces
        if length
    )
    svg = f'<svg viewBox="0 0 {SPAN:g} 10" preserveAspectRatio="none" aria-hidden="true">{drawn}</svg>'
    return (
        f'<tr><th scope="row">{text(name)}</th><td class="bar">{svg}</td>'
        f'<td class="number">{text(value)}</td><td class="plus">{text(unknown)}</td></tr>'
    )


def _key(meanings: Iterable[tuple[str, str]]) -> str:
    shown = "".join(
        f'<li><svg viewBox="0 0 10 10" aria-hidden="true"><rect class="{style}" width="10" height="10"/></svg>'
        f"{text(meaning)}</li>"
        for style, meaning in meanings
    )
    return f'<ul class="key">{shown}</ul>'


def _figure(title: str, rows: Sequence[str], key: str = "", style: str = "") -> str:
    caption = f"<figcaption>{text(title)}</figcaption>"
    return f'<figure class="{style}">{caption}<table class="chart">{"".join(rows)}</table>{key}</figure>'
