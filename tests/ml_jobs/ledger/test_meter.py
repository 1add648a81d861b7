"""What use costs: any cut, order and repetition of the same use costs the same."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_jobs.local.ledger.meter import Interval, Period, forecast, lines, month, total

NOVEMBER = month(1_763_000_000)  # 2025-11-13
HOUR = 3600.0


def slot(start: float, end: float | None, price: str = "1.00", name: str = "spot", team: str = "a") -> Interval:
    return Interval(
        "slot", name, team, NOVEMBER.start + start, None if end is None else NOVEMBER.start + end, Decimal(price)
    )


def intervals() -> st.SearchStrategy[Interval]:
    seconds = st.floats(-1e6, 4e6, allow_nan=False).map(lambda value: round(value, 6))
    return st.builds(
        slot, seconds, seconds, st.decimals("0", "99", places=4).map(str), st.sampled_from("pq"), st.sampled_from("ab")
    )


@pytest.mark.parametrize(
    ("at", "name", "days"),
    [
        (1_763_000_000, "2025-11", 30),
        (1_735_689_599, "2024-12", 31),
        (1_735_689_600, "2025-01", 31),
        (1_709_200_000, "2024-02", 29),
    ],
)
def test_a_period_is_a_calendar_month_in_utc(at: float, name: str, days: int) -> None:
    period = month(at)
    assert (period.name, period.end - period.start) == (name, days * 86_400)
    assert period.start <= at < period.end


@pytest.mark.parametrize(
    ("items", "now", "usd"),
    [
        ([slot(0, 2 * HOUR)], 9 * HOUR, "2"),
        ([slot(-5 * HOUR, 2 * HOUR)], 9 * HOUR, "2"),  # began in the month before
        ([slot(0, None)], 3 * HOUR, "3"),  # still runs
        ([slot(0, 2 * HOUR)], 1 * HOUR, "1"),  # not yet
        ([slot(5 * HOUR, 2 * HOUR)], 9 * HOUR, "0"),  # a clock that was set back
        ([slot(5 * HOUR, None)], 2 * HOUR, "0"),
        ([slot(0, HOUR, "0.1"), slot(0, HOUR, "0.2")], 9 * HOUR, "0.3"),  # decimal, not binary
    ],
)
def test_what_use_costs(items: list[Interval], now: float, usd: str) -> None:
    assert total(lines(items, NOVEMBER, NOVEMBER.start + now)) == Decimal(usd)


def test_use_that_outlasts_the_month_is_cut_at_its_end() -> None:
    length = NOVEMBER.end - NOVEMBER.start
    ours = lines([slot(length - HOUR, length + HOUR)], NOVEMBER, NOVEMBER.end + 5 * HOUR)
    theirs = lines([slot(length - HOUR, length + HOUR)], month(NOVEMBER.end), NOVEMBER.end + 5 * HOUR)
    assert total(ours) == total(theirs) == 1


@given(st.lists(intervals(), max_size=8), st.floats(0, 3e6))
def test_the_total_is_the_sum_of_the_lines_and_no_order_matters(items: list[Interval], now: float) -> None:
    found = lines(items, NOVEMBER, NOVEMBER.start + now)
    assert total(found) == sum((line.usd for line in found), Decimal(0))
    assert lines(reversed(items), NOVEMBER, NOVEMBER.start + now) == found
    assert all(line.usd >= 0 and line.seconds > 0 for line in found)


@given(intervals(), st.floats(0, 1), st.floats(0, 3e6))
def test_cutting_an_interval_in_two_changes_nothing(item: Interval, share: float, now: float) -> None:
    assert item.ended_at is not None
    if item.ended_at < item.started_at:
        return
    cut = item.started_at + (item.ended_at - item.started_at) * share
    halves = [
        Interval(item.kind, item.name, item.team, item.started_at, cut, item.usd_per_hour),
        Interval(item.kind, item.name, item.team, cut, item.ended_at, item.usd_per_hour),
    ]
    at = NOVEMBER.start + now
    assert lines(halves, NOVEMBER, at) == lines([item], NOVEMBER, at)


def test_what_can_be_used_once_at_a_time_is_never_counted_twice() -> None:
    def server(start: float, end: float | None, name: str = "a") -> Interval:
        return replace(slot(start, end), resource=name)

    told_twice = [server(0, 2 * HOUR), server(-0.001, 2 * HOUR), server(HOUR, 3 * HOUR), server(0, HOUR / 2)]
    assert total(lines(told_twice, NOVEMBER, NOVEMBER.start + 9 * HOUR)) == 3
    two = [server(0, HOUR), server(0, HOUR, "b"), slot(0, HOUR), slot(0, HOUR)]
    assert total(lines(two, NOVEMBER, NOVEMBER.start + 9 * HOUR)) == 4


def test_the_forecast_goes_on_as_lately() -> None:
    now = NOVEMBER.start + 240 * HOUR
    left = (NOVEMBER.end - now) / HOUR
    steady = [slot(0, 240 * HOUR)]
    assert forecast(steady, NOVEMBER, now) == pytest.approx(Decimal(240 + left))
    stopped_long_ago = [slot(0, 24 * HOUR)]
    assert forecast(stopped_long_ago, NOVEMBER, now) == 24
    a_minute_old = [slot(240 * HOUR - 60, 240 * HOUR)]
    assert forecast(a_minute_old, NOVEMBER, now) == pytest.approx(Decimal((1 + left) / 60))
    assert forecast([], NOVEMBER, now) == 0


def test_a_period_that_is_over_is_forecast_as_it_was() -> None:
    assert forecast([slot(0, HOUR)], NOVEMBER, NOVEMBER.end + 1) == 1
    assert isinstance(NOVEMBER, Period)
