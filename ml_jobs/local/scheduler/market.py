"""The spot market: when each spot slot is there, when it goes away, and with how much notice.

Pure and deterministic: equal market, equal slot, equal answer. Times are seconds since the market's epoch.
"""

from __future__ import annotations

import itertools
import math
import random
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from ml_jobs.contract import Record

Seconds = Annotated[float, Field(ge=0)]
Notice = Seconds | tuple[Seconds, ...]
"""Seconds between notice and loss; of several, the n-th preemption takes the n-th, round and round. 0: no notice."""


class Always(Record):
    """Spot never goes away by itself. `notice_s` is what a preemption by hand gives unless it says otherwise."""

    kind: Literal["always"] = "always"
    notice_s: Notice = 0


class Trace(Record):
    """Replay of `available` (1 there, 0 away), each for `gap_s`, round and round, beginning `start_s` into it.

    All slots follow the one trace.
    """

    kind: Literal["trace"]
    available: str = Field(pattern=r"^[01]+$")
    gap_s: float = Field(gt=0)
    start_s: Seconds = 0
    notice_s: Notice = 0


class Model(Record):
    """Semi-Markov: up and down times drawn in turn from gamma laws with these means, per slot, from the seed.

    `shape` 1 is memoryless (exponential); larger values make times more regular.
    """

    kind: Literal["model"]
    seed: int = 0
    mean_up_s: float = Field(gt=0)
    mean_down_s: float = Field(gt=0)
    shape: float = Field(1, gt=0)
    notice_s: Notice = 0


Market = Annotated[Always | Trace | Model, Field(discriminator="kind")]


@dataclass(frozen=True, slots=True)
class Outage:
    """A slot is away in [start, end); its holder hears of it at `start - notice_s` at the earliest."""

    start: float
    end: float
    notice_s: float


@dataclass(frozen=True, slots=True)
class Condition:
    """What the market says of a slot, and until when it does."""

    state: Literal["up", "notice", "away"]
    until: float
    notice_s: float = 0


def outages(market: Always | Trace | Model, slot: int) -> Iterator[Outage]:
    """The slot's outages, in order, never touching each other; endless unless spot stops going away."""
    spans = {Always: _no_spans, Trace: _trace_spans, Model: _model_spans}[type(market)](market, slot)
    for (start, end), notice_s in zip(spans, itertools.cycle(notices(market)), strict=False):
        yield Outage(start, end, notice_s)


def _no_spans(market: Always | Trace | Model, slot: int) -> Iterator[tuple[float, float]]:
    return iter(())


def _trace_spans(market: Always | Trace | Model, slot: int) -> Iterator[tuple[float, float]]:
    assert isinstance(market, Trace)
    trace = market.available
    if "0" not in trace:
        return
    if "1" not in trace:
        yield 0.0, math.inf
        return
    position = 0
    for letter, run in itertools.groupby(itertools.cycle(trace)):
        length = sum(1 for _ in run)
        start, end = (edge * market.gap_s - market.start_s for edge in (position, position + length))
        if letter == "0" and end > 0:
            yield max(start, 0.0), end
        position += length


def _model_spans(market: Always | Trace | Model, slot: int) -> Iterator[tuple[float, float]]:
    assert isinstance(market, Model)
    chance = random.Random(f"{market.seed}/{slot}")

    def draw(mean: float) -> float:
        return max(1e-3, chance.gammavariate(market.shape, mean / market.shape))

    at = 0.0
    while True:
        start = at + draw(market.mean_up_s)
        at = start + draw(market.mean_down_s)
        yield start, at


class Timeline:
    """One slot's market, with what was drawn so far kept so that asking again is cheap."""

    def __init__(self, market: Always | Trace | Model, slot: int) -> None:
        self._source = outages(market, slot)
        self._known: list[Outage] = []
        self._ends: list[float] = []

    def _until(self, t: float) -> None:
        while not self._ends or self._ends[-1] <= t:
            outage = next(self._source, None)
            if outage is None:
                return
            self._known.append(outage)
            self._ends.append(outage.end)

    def at(self, t: float) -> Condition:
        """The slot's condition at `t`; `until` is when it changes next (infinity: never)."""
        self._until(t)
        index = bisect_right(self._ends, t)
        if index == len(self._known):
            return Condition("up", math.inf)
        outage = self._known[index]
        if t >= outage.start:
            return Condition("away", outage.end, outage.notice_s)
        told = max(outage.start - outage.notice_s, self._ends[index - 1] if index else 0.0)
        if outage.notice_s and t >= told:
            return Condition("notice", outage.start, outage.notice_s)
        return Condition("up", told if outage.notice_s else outage.start, outage.notice_s)

    def available(self, t: float) -> bool:
        return self.at(t).state != "away"

    def preemptions(self, start: float, end: float) -> list[Outage]:
        """Outages that begin in [start, end)."""
        self._until(end)
        return [outage for outage in self._known if start <= outage.start < end]


def notices(market: Always | Trace | Model) -> tuple[float, ...]:
    """The notices that this market gives in turn, in seconds; never empty."""
    given = market.notice_s
    return (given or (0.0,)) if isinstance(given, tuple) else (given,)
