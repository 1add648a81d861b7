"""Which release answers a request: decisions only, no network and no clock."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Literal

from catalog.errors import did_you_mean


@dataclass(frozen=True, slots=True)
class Target:
    """A release behind the endpoint."""

    name: str
    url: str
    model: str
    version: int
    weight_percent: float = 0
    shadow_percent: float = 0


@dataclass(frozen=True, slots=True)
class Limit:
    """What the holds leave of the declared routes: everything to `route_to`, or nothing."""

    route_to: str | None = None
    is_stopped: bool = False
    reason: str = ""


NO_LIMIT = Limit()


class NoRelease(Exception):
    """No release may answer; becomes an HTTP answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def rendezvous(key: str, weights: Sequence[tuple[str, float]]) -> str:
    """The release of a key: always the same for the same weights, in proportion to them over many keys.

    Raising one weight moves keys only to that release: each release draws its own score, which grows with its own
    weight alone, and the highest wins.
    """
    best, best_score = "", -1.0
    for name, weight in weights:
        if weight <= 0:
            continue
        drawn = int.from_bytes(blake2b(f"{name}\0{key}".encode(), digest_size=8).digest())
        score = -weight / math.log((drawn + 0.5) / 2.0**64)
        if score > best_score:
            best, best_score = name, score
    return best


@dataclass(slots=True)
class _Turn:
    name: str
    weight: float
    credit: float = 0.0


class SmoothWeights:
    """Takes turns in proportion to the weights, spread as evenly as they allow: counts stay within a request or two."""

    def __init__(self, weights: Sequence[tuple[str, float]]) -> None:
        self._turns = [_Turn(name, weight) for name, weight in weights if weight > 0]
        self._total = math.fsum(turn.weight for turn in self._turns)

    def next(self) -> str:
        """The next release; empty when no release has weight."""
        best: _Turn | None = None
        for turn in self._turns:
            turn.credit += turn.weight
            if best is None or turn.credit > best.credit:
                best = turn
        if best is None:
            return ""
        best.credit -= self._total
        return best.name


@dataclass(slots=True)
class Table:
    """The routes of one moment. It is replaced whole, never changed."""

    targets: Mapping[str, Target]
    mode: Literal["weighted", "sticky"] = "weighted"
    key_header: str = "x-skywright-key"
    why_empty: str = ""
    weights: tuple[tuple[str, float], ...] = field(init=False)
    shadows: tuple[Target, ...] = field(init=False)
    _turns: SmoothWeights = field(init=False)
    _owed: dict[str, float] = field(init=False)

    def __post_init__(self) -> None:
        self.weights = tuple((target.name, target.weight_percent) for target in self.targets.values())
        self.shadows = tuple(target for target in self.targets.values() if target.shadow_percent > 0)
        self._turns = SmoothWeights(self.weights)
        self._owed = {target.name: 0.0 for target in self.shadows}

    def choose(
        self,
        *,
        key: str | None = None,
        pin: str | None = None,
        version: str | None = None,
        limit: Limit = NO_LIMIT,
        is_prediction: bool = True,
    ) -> Target:
        """The release that answers. Raises NoRelease.

        In this order: what a hold says, the release that the request names, the version that its path names, its key,
        the weights. Questions about the model take no turn from the predictions: the heaviest release answers them.
        """
        if limit.is_stopped:
            raise NoRelease(503, f"the endpoint is held at zero: {limit.reason}. Ask who set the hold to lift it.")
        if not self.targets:
            raise NoRelease(
                503, f"nothing released here{self.why_empty}. Release a version: skywright release MODEL VERSION."
            )
        if limit.route_to is not None:
            return self._held(limit)
        if pin is not None:
            return self._pinned(pin)
        if version is not None:
            same = [target for target in self.targets.values() if str(target.version) == version]
            if same:
                return max(same, key=lambda target: target.weight_percent)
        if key and self.mode == "sticky":
            return self.targets[rendezvous(key, self.weights)]
        if not is_prediction:
            return max(self.targets.values(), key=lambda target: target.weight_percent)
        return self.targets[self._turns.next()]

    def _held(self, limit: Limit) -> Target:
        target = self.targets.get(limit.route_to or "")
        if target is None:
            raise NoRelease(
                503,
                f"a hold sends everything to release {limit.route_to!r}, which is not deployed ({limit.reason}); "
                f"deployed: {', '.join(self.targets)}. Deploy it, or lift the hold.",
            )
        return target

    def _pinned(self, pin: str) -> Target:
        if pin not in self.targets:
            known = list(self.targets)
            hint = did_you_mean(pin[:60], known)
            raise NoRelease(404, f"x-skywright-release is {pin[:60]!r}; deployed: {', '.join(known)}. {hint}".strip())
        return self.targets[pin]

    def copies(self, answered_by: str) -> list[Target]:
        """The releases that get a copy of a request: each its `shadow_percent` of those that others answer."""
        due = []
        for target in self.shadows:
            if target.name == answered_by:
                continue
            owed = self._owed[target.name] + target.shadow_percent
            if owed >= 100 - 1e-9:
                owed -= 100
                due.append(target)
            self._owed[target.name] = owed
        return due
