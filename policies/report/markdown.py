"""A review for a pull request: the verdict and the few numbers that decide first, the rest folded away."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from policies.frameworks import State
from policies.report import figures
from policies.report.model import FindingLine, Review

MARK = "<!-- skywright-review: {stack} -->"
"""The first line, by which a workflow finds its own comment on a stack again."""
MOST_CHARACTERS = 60_000
"""GitHub takes 65,536 in a comment."""
OPEN_ROWS, FOLDED_ROWS, DEAREST = 10, 40, 10


def render(review: Review) -> str:
    """Parts that would make it longer than a comment may be are left out, the last first, and it says so."""
    shown, size, left_out = [], 0, 0
    for part in _parts(review):
        size += len(part) + 1
        if size <= MOST_CHARACTERS:
            shown.append(part)
        else:
            left_out += 1
    if left_out:
        shown.append(
            f"{figures.plural(left_out, 'part')} left out here: a comment has its limit, the HTML report none."
        )
    return "\n".join(shown) + "\n"


def _parts(review: Review) -> Iterator[str]:
    yield "\n".join(_summary(review))
    opened = figures.opened(review)
    heads = ("severity", "rule", "resource", "finding", "remedy")
    rows = [_row(item) for item in opened]
    if rows:
        yield _table(heads, rows[:OPEN_ROWS])
    yield _folded(f"{len(rows) - OPEN_ROWS} more findings", heads, rows[OPEN_ROWS:])
    for status, title in (("exempted", "Exempted"), ("unknown", "Can't be told before the update")):
        mine = figures.of_status(review, status)
        aside = [(*_row(item)[:4], _text(figures.excuse(item))) for item in mine]
        yield _folded(f"{title} ({len(mine)})", ("severity", "rule", "resource", "finding", "why it stands"), aside)
    yield from _cost(review)
    yield from _quotas(review)
    yield from _controls(review)
    yield from (f"> {_text(note)}\n" for note in review.notes)


def _summary(review: Review) -> Iterator[str]:
    verdict, why = figures.verdict(review)
    yield MARK.format(stack=re.sub(r"[^\w.-]", "_", review.stack))
    yield f"## Review of {_text(review.stack)}: {verdict[0].lower()}{verdict[1:]}"
    yield f"{why}\n"
    yield "| | |"
    yield "|---|---|"
    yield f"| findings | {figures.tally(review) or 'none open'} |"
    if estimate := review.estimate:
        unknown = len(estimate.unknown)
        more = f" + {figures.plural(unknown, 'unknown line')}" if unknown else ""
        bounds = f"{figures.usd(estimate.low)} to {figures.usd(estimate.high)} where bounds are known"
        yield f"| cost of a month | **{figures.usd(figures.total(estimate))} USD{more}**, {bounds} |"
    if review.change:
        share = figures.percent(review)
        yield f"| change | **{figures.signed(review.change.delta)} USD**{f' ({share})' if share else ''} |"
    if review.quotas:
        counts = Counter(line.status.value for line in review.quotas)
        yield f"| quotas | {', '.join(f'{counts[it]} {it}' for it in ('short', 'unknown', 'enough') if counts[it])} |"
    read = f"{review.examined} resources from the {review.source}, {review.rules} rules"
    yield f"| read | {_text(' · '.join(figures.place(review)))}: {read} |\n"


def _row(item: FindingLine) -> tuple[str, ...]:
    return (item.severity.value, _text(item.rule), _text(item.resource), _text(item.detail), _text(item.remedy))


def _cost(review: Review) -> Iterator[str]:
    if (estimate := review.estimate) is None:
        return
    sums = [
        (_text(bar.name), figures.usd(bar.likely), figures.usd(bar.high or None), str(bar.unknown or ""))
        for bar in figures.bars(estimate, by_part=True)
    ]
    yield _folded("Cost by component", ("component", "USD a month", "at the most", "unknown lines"), sums, numbers=1)
    known = [line for line in figures.dearest(estimate.lines) if line.monthly_usd is not None]
    yield _folded(
        f"The dearest {min(DEAREST, len(known))} of {len(known)} known lines",
        ("resource", "what", "source of the price", "USD"),
        [(_text(it.resource), _text(it.component), _text(it.source), figures.usd(it.monthly_usd)) for it in known][
            :DEAREST
        ],
        numbers=3,
    )
    yield _folded(
        f"Unknown, and in no sum ({len(estimate.unknown)})",
        ("resource", "what", "why it isn't known"),
        [(_text(it.resource), _text(it.component), _text(it.note)) for it in figures.dearest(estimate.unknown)],
    )
    if review.change:
        changed = [
            (_text(it.resource), figures.usd(it.before), figures.usd(it.after), figures.signed(it.delta))
            for it in review.change.resources
        ]
        title = f"Change by resource ({len(changed)})"
        yield _folded(title, ("resource", "before", "after", "change"), changed, numbers=1)
    origins = [
        (_text(it.name), _text(it.date or "undated"), str(it.lines), figures.usd(it.usd))
        for it in figures.sources(estimate)
    ]
    yield _folded("Where the prices are from", ("source", "dated", "lines", "USD on it"), origins, numbers=2)
    yield _folded("Assumptions about use", ("assumed",), [(_text(said),) for said in estimate.assumptions])


def _quotas(review: Review) -> Iterator[str]:
    lines = [line for line in figures.quotas(review) if line.status.value != "enough"]
    yield _folded(
        f"Quotas that are short or unknown ({len(lines)})",
        ("state", "quota", "needed", "limit", "known from", "where to ask"),
        [
            (
                it.status.value,
                _text(f"{it.title} {it.code}".strip()),
                figures.needed(it),
                figures.limit(it),
                _text(it.basis.value),
                _text(it.where_to_ask),
            )
            for it in lines
        ],
    )


def _controls(review: Review) -> Iterator[str]:
    rows = []
    for name, controls in review.controls.items():
        counts = Counter(item.state for item in controls)
        rows.append((_text(name), *(str(counts[state] or "") for state in State)))
    yield _folded("Controls by framework", ("framework", *(state.value for state in State)), rows, numbers=1)


def _folded(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: int | None = None) -> str:
    if not rows:
        return ""
    more = f"\n{len(rows) - FOLDED_ROWS} more rows: see the HTML report.\n" if len(rows) > FOLDED_ROWS else ""
    inner = _table(heads, rows[:FOLDED_ROWS], numbers)
    return f"<details><summary>{title}</summary>\n\n{inner}{more}\n</details>\n"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], numbers: int | None = None) -> str:
    """From the column `numbers` on they are numbers."""
    marks = ["---:" if numbers is not None and index >= numbers else "---" for index in range(len(heads))]
    lines = [f"| {' | '.join(heads)} |", f"|{'|'.join(marks)}|", *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(lines) + "\n"


def _text(value: str) -> str:
    """Text that neither Markdown nor HTML reads anything into, and that calls nobody by name."""
    flat = " ".join(value.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    escaped = re.sub(r"([\\`*_\[\]|#~!])", r"\\\1", flat)
    return re.sub(r"(?<=@)(?=\w)", "&#8203;", escaped).replace("://", ":&#8203;//")
