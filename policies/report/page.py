"""A review as one page that needs nothing else: no request, no script; for a screen, a phone, paper, light and dark."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterator
from importlib.resources import files

from policies.report import figures, html_checks, html_cost
from policies.report.markup import section, tag, text
from policies.report.model import Review
from policies.rule import Severity

SOURCES = {"graph": "its program", "preview": "a preview of the engine", "export": "an export of its state"}


def render(review: Review) -> str:
    style = (files(__package__) / "review.css").read_text(encoding="utf-8")
    body = "\n".join(_body(review))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Review of {text(review.stack)}</title><style>{style}</style></head>\n"
        f"<body>\n{body}\n</body></html>\n"
    )


def _body(review: Review) -> Iterator[str]:
    charts = "".join([*html_cost.drawn(review), *html_checks.drawn(review)])
    sections = [
        *([section("glance", "At a glance", [f'<div class="charts">{charts}</div>'])] if charts else []),
        *html_checks.findings(review),
        *html_cost.cost(review),
        *html_checks.quotas(review),
        *html_checks.controls(review),
    ]
    yield _head(review)
    yield f"<main>{_verdict(review)}{_key_figures(review)}"
    yield "\n".join(sections)
    if review.notes:
        items = "".join(f"<li>{text(note)}</li>" for note in review.notes)
        yield section("notes", "Notes", [f"<ul>{items}</ul>"])
    yield "</main>"
    yield f"<footer>{_made(review)}</footer>"


def _head(review: Review) -> str:
    links = [("findings", "Findings")]
    links += [("cost", "Cost")] if review.estimate else []
    links += [("quotas", "Quotas")] if review.quotas else []
    links += [("controls", "Controls")] if review.controls else []
    shown = "".join(f'<a href="#{name}">{title}</a>' for name, title in links)
    place = " · ".join(figures.place(review))
    return (
        f'<header class="top"><div><h1>Review of {text(review.stack)}</h1><p>{text(place)}</p></div>'
        f'<p class="when">{text(_when(review.made_at))}</p><nav>{shown}</nav></header>'
    )


def _verdict(review: Review) -> str:
    said, why = figures.verdict(review)
    tone = "stopped" if review.is_blocked else "attention" if figures.opened(review) else "free"
    return f'<p class="verdict {tone}"><b>{text(said)}</b> {text(why)}</p>'


def _key_figures(review: Review) -> str:
    """The few numbers that decide; all of them are HTML below."""
    shown = []
    if (estimate := review.estimate) is not None:
        unknown = len(estimate.unknown)
        more = f"<b>+ {figures.plural(unknown, 'unknown line')}</b>" if unknown else "every line has a price"
        bounds = f"{estimate.low:,.0f} to {estimate.high:,.0f} where bounds are known"
        shown.append(_figure("USD a month", figures.usd(figures.total(estimate)), f"{more}<br>{text(bounds)}"))
    if review.change:
        share = figures.percent(review) or "nothing is there yet"
        shown.append(_figure("Change, USD a month", figures.signed(review.change.delta), text(share)))
    counts = [(item, review.count(item)) for item in reversed(Severity)]
    tags = " ".join(tag(f"{count} {item.value}", item.value) for item, count in counts if count)
    shown.append(_figure("Open findings", str(len(figures.opened(review))), tags or "none of any severity"))
    if review.quotas:
        states = Counter(line.status.value for line in review.quotas)
        rest = f"of {len(review.quotas)}; {states['unknown']} unknown"
        shown.append(_figure("Quotas too small", str(states["short"]), text(rest)))
    return f'<div class="figures">{"".join(shown)}</div>'


def _figure(name: str, value: str, rest: str) -> str:
    """`rest` is HTML."""
    return f'<dl><dt>{text(name)}</dt><dd class="value">{text(value)}</dd><dd>{rest}</dd></dl>'


def _when(made_at: str) -> str:
    try:
        when = datetime.datetime.fromisoformat(made_at)
    except ValueError:
        return made_at
    return f"{when.day} {when:%B %Y, %H:%M} UTC"


def _made(review: Review) -> str:
    source = SOURCES.get(review.source, review.source)
    return (
        f"Made by <code>skywright review {text(review.stack)}</code>: {review.examined} resources read from "
        f"{text(source)}, {review.rules} rules. It judges what is declared, before anything is created."
    )
