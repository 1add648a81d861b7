"""From intervals of use to US dollars. Pure: no clock, no storage.

Times are whole microseconds and prices decimals, so that cutting an interval in two or reading it twice changes
nothing, not even the last digit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

MICRO = 1_000_000
HOUR_S = 3600.0
FORECAST_WINDOW_S = 7 * 24 * HOUR_S
_QUANTUM = Decimal("1e-9")


@dataclass(frozen=True, slots=True)
class Interval:
    """Something was in use at a price. `ended_at` None: it still is. Times in seconds since the epoch.

    `resource` names what can be used once at a time (a slot, a server): where two of its intervals overlap, the time
    counts once.
    """

    kind: str
    name: str
    team: str | None
    started_at: float
    ended_at: float | None
    usd_per_hour: Decimal
    resource: str | None = None


@dataclass(frozen=True, slots=True)
class Period:
    """What a budget covers: `start` included, `end` not, in seconds since the epoch."""

    name: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Line:
    """All use of one thing by one team at one price."""

    kind: str
    name: str
    team: str | None
    seconds: float
    usd_per_hour: Decimal
    usd: Decimal


def month(now: float) -> Period:
    """The calendar month, in UTC, that `now` lies in."""
    at = datetime.fromtimestamp(now, UTC)
    start = datetime(at.year, at.month, 1, tzinfo=UTC)
    end = datetime(at.year + at.month // 12, at.month % 12 + 1, 1, tzinfo=UTC)
    return Period(f"{at:%Y-%m}", start.timestamp(), end.timestamp())


def lines(intervals: Iterable[Interval], period: Period, now: float) -> list[Line]:
    """What `period` has cost until `now`, one line for each thing, team and price, sorted.

    An interval that ends before it starts (a clock that was set back) counts as no time.
    """
    used: dict[tuple[str, str, str | None, Decimal], int] = {}
    counted: dict[str, int] = {}
    first, last = micros(period.start), micros(min(period.end, now))
    for item in sorted(intervals, key=_order):
        started = micros(item.started_at)
        ended = micros(now if item.ended_at is None else item.ended_at)
        if item.resource is not None:
            started = max(started, counted.get(item.resource, started))
            counted[item.resource] = max(ended, started)
        length = min(ended, last) - max(started, first)
        if length > 0:
            key = (item.kind, item.name, item.team, item.usd_per_hour)
            used[key] = used.get(key, 0) + length
    return [
        Line(*key[:3], seconds=length / MICRO, usd_per_hour=key[3], usd=cost(length, key[3]))
        for key, length in sorted(used.items(), key=lambda entry: tuple(str(part) for part in entry[0]))
    ]


def _order(item: Interval) -> tuple[float, float, str, str, Decimal]:
    ended = float("inf") if item.ended_at is None else item.ended_at
    return (item.started_at, ended, item.name, str(item.team), item.usd_per_hour)


def total(of: Iterable[Line]) -> Decimal:
    return sum((line.usd for line in of), Decimal(0))


def forecast(intervals: Iterable[Interval], period: Period, now: float) -> Decimal:
    """What the whole period will cost if use goes on as it did lately.

    spent + (cost of the last W seconds / W) x seconds left, where W is the time since the first use, at least one
    hour (a stack that is a minute old is no trend) and at most seven days (last week says more than last month).
    """
    known = list(intervals)
    spent = total(lines(known, period, now))
    left = period.end - now
    if not known or left <= 0:
        return spent
    age = now - min(item.started_at for item in known)
    window = min(FORECAST_WINDOW_S, max(HOUR_S, age))
    recent = total(lines(known, Period("recent", now - window, now), now))
    return (spent + recent * Decimal(str(left)) / Decimal(str(window))).quantize(_QUANTUM)


def cost(length_us: int, usd_per_hour: Decimal) -> Decimal:
    return (Decimal(length_us) * usd_per_hour / Decimal(3600 * MICRO)).quantize(_QUANTUM)


def micros(seconds: float) -> int:
    return round(seconds * MICRO)
