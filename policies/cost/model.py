"""What an estimate says: lines with their sources, what is not known, and what was assumed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property
from typing import Any

CENT = Decimal("0.01")
ZERO = Decimal(0)
HOURS = Decimal(730)
"""Of a month, as all clouds count it."""


def cents(amount: Decimal) -> Decimal:
    """USD to the cent, half a cent upwards."""
    return amount.quantize(CENT, ROUND_HALF_UP)


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that a resource is billed for, in USD for a month of 730 hours, to the cent.

    `monthly_usd` is what is likely; None where it is not known, never 0. `low_usd` and `high_usd` bound it; either may
    be known alone. `source` names lines of the catalogue: file, line, source, date. `kind`: compute, accelerators,
    storage, network, operations (logs, metrics, alarms), security or other. `part`: the platform's component.
    """

    resource: str
    component: str
    monthly_usd: Decimal | None
    low_usd: Decimal | None
    high_usd: Decimal | None
    note: str = ""
    source: str = ""
    kind: str = "other"
    part: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {key: _plain(getattr(self, key)) for key in self.__slots__}


@dataclass(frozen=True)
class Estimate:
    """All lines of a stack. The totals are sums of the known lines; `unknown` stands beside them."""

    lines: tuple[Line, ...]
    region: str | None = None
    assumptions: tuple[str, ...] = ()

    @cached_property
    def total(self) -> Decimal:
        return _sum(line.monthly_usd for line in self.lines)

    @cached_property
    def low(self) -> Decimal:
        return _sum(line.low_usd for line in self.lines)

    @cached_property
    def high(self) -> Decimal:
        return _sum(line.high_usd for line in self.lines)

    @cached_property
    def unknown(self) -> tuple[Line, ...]:
        return tuple(line for line in self.lines if line.monthly_usd is None)

    def by(self, key: Callable[[Line], str]) -> dict[str, Decimal]:
        """Known USD by `key` of a line, the largest first. What has no known line at all isn't there."""
        sums: dict[str, Decimal] = {}
        for line in self.lines:
            if line.monthly_usd is not None:
                sums[key(line)] = sums.get(key(line), ZERO) + line.monthly_usd
        return dict(sorted(sums.items(), key=lambda item: -item[1]))

    def as_dict(self) -> dict[str, Any]:
        """Plain data: amounts as text, so that no cent is lost on the way."""
        return {
            "region": self.region,
            "currency": "USD",
            "hours_per_month": int(HOURS),
            "total": str(self.total),
            "low": str(self.low),
            "high": str(self.high),
            "unknown": len(self.unknown),
            "lines": [line.as_dict() for line in self.lines],
            "assumptions": list(self.assumptions),
        }


@dataclass(frozen=True)
class ResourceChange:
    """`before` and `after`: known USD of a month, None where the resource isn't there. `is_known`: no unknown line."""

    resource: str
    before: Decimal | None
    after: Decimal | None
    is_known: bool

    @property
    def delta(self) -> Decimal:
        return (self.after or ZERO) - (self.before or ZERO)


@dataclass(frozen=True)
class Change:
    """From one estimate to another. `resources`: those whose lines differ, the largest difference first."""

    before: Decimal
    after: Decimal
    resources: tuple[ResourceChange, ...]

    @property
    def delta(self) -> Decimal:
        return self.after - self.before

    @property
    def percent(self) -> Decimal | None:
        """Of the cost before; None where that was nothing."""
        return None if not self.before else (self.delta * 100 / self.before).quantize(Decimal("0.1"), ROUND_HALF_UP)


def change(before: Estimate, after: Estimate) -> Change:
    """What a change of the stack changes in its cost, resource by resource."""
    old, new = _by_resource(before), _by_resource(after)
    changes = [
        ResourceChange(
            name,
            _known(old[name]) if name in old else None,
            _known(new[name]) if name in new else None,
            all(line.monthly_usd is not None for line in (*old.get(name, ()), *new.get(name, ()))),
        )
        for name in {**old, **new}
        if _amounts(old.get(name, [])) != _amounts(new.get(name, []))
    ]
    changes.sort(key=lambda item: (-abs(item.delta), item.resource))
    return Change(before.total, after.total, tuple(changes))


def _by_resource(estimate: Estimate) -> Mapping[str, list[Line]]:
    found: dict[str, list[Line]] = {}
    for line in estimate.lines:
        found.setdefault(line.resource, []).append(line)
    return found


def _amounts(lines: Iterable[Line]) -> list[tuple[str, Decimal | None]]:
    return [(line.component, line.monthly_usd) for line in lines]


def _known(lines: Iterable[Line]) -> Decimal:
    return _sum(line.monthly_usd for line in lines)


def _sum(amounts: Iterable[Decimal | None]) -> Decimal:
    return sum((amount for amount in amounts if amount is not None), Decimal("0.00"))


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal) else value
