"""A review for a pull request: the verdict and the worst first, the rest folded away."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from policies.frameworks import State
from policies.report.model import FindingLine, Review
from policies.rule import Severity

MARK = "<!-- skywright-review -->"
"""By which a workflow finds its own comment again."""
DEAREST = 10


def render(review: Review) -> str:
    return "\n".join(_lines(review)) + "\n"


def _lines(review: Review) -> Iterator[str]:
    place = " · ".join(part for part in (review.cloud, review.region, review.environment) if part)
    yield MARK
    yield f"## Review of `{review.stack}`"
    yield f"{_text(place)} · {review.examined} resources from the {review.source} · {review.rules} rules"
    yield ""
    yield "**An update would be stopped.**" if review.is_blocked else "An update would not be stopped."
    yield ""
    yield from _summary(review)
    opened = [item for item in review.findings if item.is_open]
    yield from _table(("severity", "rule", "resource", "finding", "remedy"), (_row(item) for item in opened))
    for status, title in (("exempted", "Exempted"), ("unknown", "Not certain yet")):
        mine = [item for item in review.findings if item.status == status]
        yield from _folded(
            f"{title} ({len(mine)})", ("severity", "rule", "resource", "finding", "why it stands"),
            [(*_row(item)[:4], _text(_excuse(item))) for item in mine],
        )  # fmt: skip
    yield from _cost(review)
    yield from _quotas(review)
    yield from _controls(review)
    for note in review.notes:
        yield f"> {_text(note)}"


def _summary(review: Review) -> Iterator[str]:
    counts = ", ".join(f"{count} {it.value}" for it in reversed(Severity) if (count := review.count(it)))
    yield f"- findings: {counts or 'none open'}"
    if review.estimate:
        unknown = len(review.estimate.unknown)
        yield (
            f"- cost of a month: **{review.estimate.total:,.2f} USD** ({review.estimate.low:,.2f} to "
            f"{review.estimate.high:,.2f}), {unknown} lines unknown"
        )
    if review.change:
        percent = f" ({review.change.percent:+} %)" if review.change.percent is not None else ""
        yield f"- change: **{review.change.delta:+,.2f} USD**{percent}"
    if review.quotas:
        counts = ", ".join(f"{n} {name}" for name, n in Counter(it.status.value for it in review.quotas).items())
        yield f"- quotas: {counts}"
    yield ""


def _row(item: FindingLine) -> tuple[str, ...]:
    return (item.severity.value, f"`{item.rule}`", _text(item.resource), _text(item.detail), _text(item.remedy))


def _excuse(item: FindingLine) -> str:
    known = item.exemption
    return f"until {known.expires}, {known.owner}: {known.reason}" if known else "only the update will tell"


def _cost(review: Review) -> Iterator[str]:
    if (estimate := review.estimate) is None:
        return
    lines = sorted(estimate.lines, key=lambda line: -(line.monthly_usd or line.high_usd or Decimal(0)))
    yield from _folded(
        f"Cost, the dearest {min(DEAREST, len(lines))} of {len(lines)} lines", ("component", "resource", "what", "USD"),
        [(_text(it.part), _text(it.resource), _text(it.component), _usd(it.monthly_usd)) for it in lines[:DEAREST]],
    )  # fmt: skip
    if review.change:
        changed = review.change.resources
        yield from _folded(
            f"Change by resource ({len(changed)})",
            ("resource", "before", "after", "change"),
            [(_text(it.resource), _usd(it.before), _usd(it.after), f"{it.delta:+,.2f}") for it in changed],
        )


def _quotas(review: Review) -> Iterator[str]:
    short = [line for line in review.quotas if line.status.value == "short"]
    yield from _folded(
        f"Quotas too small ({len(short)})", ("quota", "needed", "limit", "where to ask"),
        [(_text(it.title), f"{it.needed:g}", f"{it.limit:g} {it.basis.value}", _text(it.where_to_ask)) for it in short],
    )  # fmt: skip


def _controls(review: Review) -> Iterator[str]:
    rows = []
    for name, controls in review.controls.items():
        counts = Counter(item.state for item in controls)
        rows.append((name, *(str(counts[state]) for state in State)))
    yield from _folded("Controls by framework", ("framework", *(state.value for state in State)), rows)


def _folded(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    if rows:
        yield f"<details><summary>{title}</summary>"
        yield ""
        yield from _table(heads, rows)
        yield "</details>"
        yield ""


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    rows = list(rows)
    if rows:
        yield f"| {' | '.join(heads)} |"
        yield f"|{'---|' * len(heads)}"
        for row in rows:
            yield f"| {' | '.join(row)} |"
        yield ""


def _usd(amount: Decimal | None) -> str:
    return "unknown" if amount is None else f"{amount:,.2f}"


def _text(value: str) -> str:
    """Text that neither Markdown nor HTML reads anything into."""
    flat = " ".join(value.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|@#~])", r"\\\1", flat)
