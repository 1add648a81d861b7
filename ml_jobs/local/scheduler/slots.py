"""The slots of all pools: what the market, or a preemption by hand, makes of each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ml_jobs.contract import Pool
from ml_jobs.local.scheduler.market import Always, Condition, Model, Timeline, Trace, notices


@dataclass(frozen=True, slots=True)
class Instance:
    """One slot: an instance of a pool."""

    id: str
    pool: Pool
    timeline: Timeline


@dataclass(frozen=True, slots=True)
class ByHand:
    """A preemption by hand: away in [lost_at, back_at), POSIX seconds."""

    told_at: float
    lost_at: float
    back_at: float


class Slots:
    """Slots by id, `<pool>-<number>`. The market's clock starts at `epoch` (POSIX seconds); on demand never ends."""

    def __init__(self, pools: Sequence[Pool], market: Always | Trace | Model, epoch: float) -> None:
        self.pools = {pool.name: pool for pool in pools}
        self.market = market
        self.epoch = epoch
        spot = [(pool, index) for pool in pools if pool.is_spot for index in range(pool.max_count)]
        numbers = {f"{pool.name}-{index}": number for number, (pool, index) in enumerate(spot)}
        self.instances = {
            slot: Instance(slot, pool, Timeline(market if pool.is_spot else Always(), numbers.get(slot, 0)))
            for pool in pools
            for slot in (f"{pool.name}-{index}" for index in range(pool.max_count))
        }
        self._by_hand: dict[str, ByHand] = {}

    def preempt(self, slot: str, now: float, *, notice_s: float, away_s: float) -> None:
        """Take a slot away after `notice_s`, for `away_s`. Raises KeyError for an unknown slot."""
        if slot not in self.instances:
            raise KeyError(slot)
        self._by_hand[slot] = ByHand(now, now + notice_s, now + notice_s + away_s)

    def condition(self, slot: str, now: float) -> Condition:
        """What is true of the slot at `now`; `until` in POSIX seconds."""
        market = self.instances[slot].timeline.at(now - self.epoch)
        market = Condition(market.state, market.until + self.epoch, market.notice_s)
        hand = self._by_hand.get(slot)
        if hand is None or now >= hand.back_at:
            self._by_hand.pop(slot, None)
            return market
        notice_s = hand.lost_at - hand.told_at
        if now >= hand.lost_at:
            until = max(hand.back_at, market.until) if market.state == "away" else hand.back_at
            return Condition("away", until, notice_s)
        if market.state == "away" or (market.state == "notice" and market.until < hand.lost_at):
            return market
        return Condition("notice", hand.lost_at, notice_s)

    def was_lost(self, slot: str, since: float, now: float) -> bool:
        """True when the market took the slot away within [since, now), even if it is back."""
        return bool(self.instances[slot].timeline.preemptions(since - self.epoch, now - self.epoch))

    def next_change(self, now: float) -> float:
        """When a slot's condition changes next (infinity: never)."""
        return min((self.condition(slot, now).until for slot in self.instances), default=math.inf)

    def usual_notice(self, pool: Pool, grace_s: float) -> float:
        """What a job on this pool can count on between SIGTERM and SIGKILL, in seconds.

        Where the market gives none, a SIGTERM still comes before a stop by hand or by a hold, with `grace_s`.
        """
        given = notices(self.market) if pool.is_spot else ()
        return min([notice for notice in given if notice > 0], default=grace_s)
