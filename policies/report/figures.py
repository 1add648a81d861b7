"""What every face says of a review in the same words: the verdict, tallies, money and where its prices are from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from policies.enforcement import Level
from policies.report.model import FindingLine, Review
from policies.rule import Severity

if TYPE_CHECKING:
    from policies.cost import Estimate, Line
    from policies.quota import QuotaLine

ZERO = Decimal(0)
_NEXT_ORIGIN = re.compile(r"; (?=[\w.-]+\.csv:\d)")
ELSEWHERE = "outside components"
"""Instead of a component's name, for what stands below none."""


@dataclass(frozen=True)
class Group:
    """What one rule found at one severity and level, in the order of the resources."""

    lines: tuple[FindingLine, ...]

    @property
    def first(self) -> FindingLine:
        return self.lines[0]

    @property
    def is_mandatory(self) -> bool:
        return self.first.level is Level.MANDATORY


@dataclass(frozen=True)
class Bar:
    """A sum of the estimate: of what is likely, None where no line is known; with the upper bounds; lines unknown."""

    name: str
    likely: Decimal | None
    high: Decimal
    unknown: int


@dataclass(frozen=True)
class Source:
    """Where prices are from: `date` as it stands there (empty: undated), lines and USD a month that rest on it."""

    name: str
    date: str
    lines: int
    usd: Decimal


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def usd(amount: Decimal | None) -> str:
    return "unknown" if amount is None else f"{amount:,.2f}"


def signed(amount: Decimal) -> str:
    """With a true minus, so that columns of numbers align."""
    return f"{amount:+,.2f}".replace("-", "\N{MINUS SIGN}")


def percent(review: Review) -> str:
    """Of the cost before: `+12.5 %`; empty where there was none."""
    change = review.change
    return "" if change is None or change.percent is None else f"{change.percent:+} %".replace("-", "\N{MINUS SIGN}")


def place(review: Review) -> list[str]:
    return [part for part in (review.cloud, review.region, review.environment) if part]


def opened(review: Review) -> list[FindingLine]:
    return [item for item in review.findings if item.is_open]


def of_status(review: Review, status: str) -> list[FindingLine]:
    return [item for item in review.findings if item.status == status]


def tally(review: Review) -> str:
    """`2 critical, 5 high`; empty when no finding is open."""
    return ", ".join(f"{count} {item.value}" for item in reversed(Severity) if (count := review.count(item)))


def verdict(review: Review) -> tuple[str, str]:
    """What an update would meet, in a sentence; and why, in another."""
    found = opened(review)
    stopping = sum(item.level is Level.MANDATORY for item in found)
    unclear = len(of_status(review, "unknown"))
    later = f" {unclear} more can't be told before it." if unclear else ""
    if stopping:
        return "An update would be stopped", f"{plural(stopping, 'finding')} must be mended first.{later}"
    if found:
        return "An update may go on", f"{plural(len(found), 'finding')} to look at, none of which stops it.{later}"
    return "An update may go on", f"No finding is open.{later}"


def total(estimate: Estimate) -> Decimal | None:
    """What is known of the sum; None where there are lines and nobody knows any."""
    return None if estimate.lines and len(estimate.unknown) == len(estimate.lines) else estimate.total


def money(estimate: Estimate) -> str:
    """What the total leaves out, in a sentence; empty when it is all known."""
    count = len(estimate.unknown)
    return f"{plural(count, 'line')} unknown and not in the sum: the bill will be higher." if count else ""


def groups(findings: Iterable[FindingLine]) -> list[Group]:
    """By rule, the gravest first."""
    found: dict[tuple[int, bool, str], list[FindingLine]] = {}
    for item in findings:
        key = (-item.severity.rank, item.level is not Level.MANDATORY, item.rule)
        found.setdefault(key, []).append(item)
    return [Group(tuple(found[key])) for key in sorted(found)]


def dearest(lines: Iterable[Line]) -> list[Line]:
    """The largest first, by what is likely, else by what it is at the most; what has no number at all comes last."""
    return sorted(lines, key=lambda it: (-(it.monthly_usd or it.high_usd or ZERO), it.resource, it.component))


def bars(estimate: Estimate, *, by_part: bool) -> list[Bar]:
    """The estimate by component of the platform, or by kind of cost. Unlike `Estimate.by`, with what is unknown."""
    found: dict[str, list[Line]] = {}
    for line in estimate.lines:
        found.setdefault((line.part or ELSEWHERE) if by_part else line.kind, []).append(line)
    made = [
        Bar(
            name,
            sum(known, ZERO) if (known := [it.monthly_usd for it in lines if it.monthly_usd is not None]) else None,
            sum((line.high_usd or line.monthly_usd or ZERO for line in lines), ZERO),
            len(lines) - len(known),
        )
        for name, lines in found.items()
    ]
    return sorted(made, key=lambda bar: (-(bar.likely or ZERO), -bar.high, bar.name))


def sources(estimate: Estimate) -> list[Source]:
    """Where the prices are from, those first on which most of the money rests."""
    found: dict[tuple[str, str], list[Line]] = {}
    for line in estimate.lines:
        for origin in dict.fromkeys(_origins(line.source)):
            found.setdefault(origin, []).append(line)
    made = [
        Source(name, date, len(lines), sum((line.monthly_usd or ZERO for line in lines), ZERO))
        for (name, date), lines in found.items()
    ]
    return sorted(made, key=lambda it: (-it.usd, it.name, it.date))


def _origins(source: str) -> Iterator[tuple[str, str]]:
    """Out of `services.csv:12, who said it, 2025-07-04; ...`, who and when."""
    for part in filter(None, _NEXT_ORIGIN.split(source)):
        where, _, rest = part.partition(", ")
        who, _, date = (rest or where).rpartition(", ")
        yield (who or date, "" if date == "undated" or not who else date)


def quotas(review: Review) -> list[QuotaLine]:
    """Those first that are short, then the unknown."""
    order = ("short", "unknown", "enough")
    return sorted(review.quotas, key=lambda it: order.index(it.status.value))


def needed(line: QuotaLine) -> str:
    least = "at least " if line.is_at_least else ""
    return "unknown" if line.needed is None else f"{least}{line.needed:,g}"


def limit(line: QuotaLine) -> str:
    return "unknown" if line.limit is None else f"{line.limit:,g}"


def excuse(item: FindingLine) -> str:
    """Why a finding that isn't open stands."""
    if known := item.exemption:
        return f"exempted until {known.expires} by {known.owner}: {known.reason}"
    return "can't be told before the update"
