"""The page's sections on what was checked: findings, quotas, controls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from policies import frameworks
from policies.frameworks import ControlReport, State
from policies.report import charts, figures
from policies.report.markup import Column, folded, section, table, tag, text
from policies.report.model import FindingLine, Review

if TYPE_CHECKING:
    from policies.quota import QuotaLine

STATES = {State.MET: "met", State.BROKEN: "broken", State.NEEDS_PERSON: "person", State.NOT_APPLICABLE: "none"}
TONES = {State.MET: "good", State.BROKEN: "high", State.NEEDS_PERSON: "person", State.NOT_APPLICABLE: "low"}
NAMED = 8
"""Resources that are named of one rule; the others are folded."""
QUOTA_TONES = {"short": "high", "unknown": "medium", "enough": "good"}


def findings(review: Review) -> Iterator[str]:
    found = figures.groups(figures.opened(review))
    content = [_group(group) for group in found] or ['<p class="good">No finding is open.</p>']
    for status, title in (("exempted", "Exempted"), ("unknown", "Can't be told before the update")):
        mine = figures.of_status(review, status)
        if mine:
            inner = "".join(_group(group) for group in figures.groups(mine))
            content.append(folded(f"{title} ({len(mine)})", inner))
    lead = text(f"{figures.tally(review)}, by {figures.plural(review.rules, 'rule')}." if found else "")
    yield section("findings", "Findings", content, lead=lead)


def _group(group: figures.Group) -> str:
    item = group.first
    level = "" if not item.is_open else "stops the update" if group.is_mandatory else "advisory"
    facts = "".join(map(_fact, group.lines[:NAMED]))
    if rest := group.lines[NAMED:]:
        others = "".join(map(_fact, rest))
        facts += f"<li>{folded(f'and {len(rest)} more', f'<ul>{others}</ul>')}</li>"
    return (
        f'<article class="finding {item.severity.value}"><header>{tag(item.severity.value, item.severity.value)}'
        f"<h3>{text(item.title)}</h3><code>{text(item.rule)}</code><small>{text(level)}</small></header>"
        f"<ul>{facts}</ul><p>{text(item.why)}</p><p><b>Remedy</b> {text(item.remedy)}</p></article>"
    )


def _fact(line: FindingLine) -> str:
    excuse = f"<br><em>{text(figures.excuse(line))}</em>" if line.exemption else ""
    return f"<li><code>{text(line.resource)}</code> {text(line.detail)}{excuse}</li>"


def quotas(review: Review) -> Iterator[str]:
    if not review.quotas:
        return
    lines = figures.quotas(review)
    counts = Counter(line.status.value for line in lines)
    columns = (
        Column("State"), Column("Quota", width="30%"), Column("Needed", True), Column("Limit", True),
        Column("Known from"), Column("Where to ask", width="26%"),
    )  # fmt: skip

    def rows(is_enough: bool) -> list[tuple[str, ...]]:
        return [
            (
                tag(line.status.value, QUOTA_TONES[line.status.value]), _quota(line), text(figures.needed(line)),
                text(figures.limit(line)), text(line.basis.value), text(line.where_to_ask),
            )
            for line in lines
            if (line.status.value == "enough") is is_enough
        ]  # fmt: skip

    content = [table(columns, short)] if (short := rows(False)) else []
    if enough := rows(True):
        content.append(folded(f"Enough ({len(enough)})", table(columns, enough), is_on_paper=False))
    told = ", ".join(f"{counts[name]} {name}" for name in ("short", "unknown", "enough") if counts[name])
    lead = f"{told}, with every resource at its largest. What else the account uses is not in it."
    yield section("quotas", "Quotas", content, lead=text(lead))


def _quota(line: QuotaLine) -> str:
    code = f'<code class="one">{text(line.code)}</code>' if line.code else ""
    note = f"<br><small>{text(line.note)}</small>" if line.note else ""
    return f"{text(line.title)} {code}{note}"


def controls(review: Review) -> Iterator[str]:
    if not review.controls:
        return
    about = _about(review)
    others = [_name(name) for name in review.controls if name not in about]
    content = [_framework(name, found) for name, found in about.items()]
    if others:
        content.append(f'<p class="soft">Not about this stack: {text(", ".join(others))}.</p>')
    lead = (
        "What the declaration shows of each control. It has no word for a framework as a whole, nor for how people "
        "work."
    )
    yield section("controls", "Controls", content, lead=text(lead))


def drawn(review: Review) -> Iterator[str]:
    """The chart of the controls."""
    parts = []
    for name, found in _about(review).items():
        counts = Counter(item.state for item in found)
        parts.append((_name(name), [(counts[state], style) for state, style in STATES.items()]))
    if parts:
        key = [(style, state.value) for state, style in STATES.items()]
        yield charts.shares("Controls by framework", parts, key)


def _about(review: Review) -> dict[str, tuple[ControlReport, ...]]:
    """The frameworks that have a control which is about this stack."""
    return {name: found for name, found in review.controls.items() if any(map(_is_applicable, found))}


def _is_applicable(item: ControlReport) -> bool:
    return item.state is not State.NOT_APPLICABLE


def _framework(name: str, found: tuple[ControlReport, ...]) -> str:
    columns = (
        Column("Control", width="10%"), Column("What it asks", width="30%"), Column("State", width="8rem"),
        Column("To look at"), Column("Examined", True),
    )  # fmt: skip
    order = {state: index for index, state in enumerate((State.BROKEN, State.NEEDS_PERSON, State.MET))}
    rows = [
        (
            text(item.control.id),
            text(item.control.title),
            tag(item.state.value, TONES[item.state]),
            text(item.look_at or ", ".join(sorted({line.resource for line in item.findings}))),
            str(len(item.examined)),
        )
        for item in sorted(found, key=lambda it: order.get(it.state, len(order)))
    ]
    counts = Counter(item.state for item in found)
    told = ", ".join(f"{counts[state]} {state.value}" for state in order if counts[state])
    content = _provenance(name) + table(columns, rows, style="dense")
    return folded(f"{_name(name)}: {told}, of {len(found)} controls", content, is_on_paper=False)


def _provenance(name: str) -> str:
    """Of which version the numbers are, and how that is known."""
    if name not in frameworks.NAMES:
        return ""
    framework = frameworks.load(name)
    return f'<p class="soft">Version {text(framework.version)}. {text(str(framework.checked))}.</p>'


def _name(name: str) -> str:
    """The framework's own name; one that this release doesn't know keeps the name that the review gave it."""
    return frameworks.load(name).name if name in frameworks.NAMES else name
