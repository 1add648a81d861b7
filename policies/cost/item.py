"""One resource while it is priced: what it says of itself, its usage, and the prices of its cloud and region."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Context, Decimal
from typing import Any

from catalog import prices
from catalog.prices.lines import origins_of
from catalog.prices.services import REMEMBERED, Rate, rates, regions_of
from policies.cost.model import HOURS, ZERO, Line, cents
from policies.cost.usage import Quantity
from policies.graph import Node
from policies.resources import UNKNOWN, Malformed, Props, UnknownValue

_DIGITS = Context(prec=6)
GIVEN = "the stack's usage"
"""The source of a price that the stack itself states."""

STAND_INS: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("azure", "blob_storage"): {"eastus": "westus"},
    ("azure", "managed_grafana"): {"westeurope": "germanywestcentral"},
    ("azure", "redis_cache"): {"westeurope": "northeurope"},
    ("azure", "private_dns"): {"global": "westus"},  # zones lie in no region; the file's row names where it was seen
}
"""Regions whose price the catalogue's notes hold good for a neighbour that has none; said in the line's note."""


class Item:
    """`region`: the resource's own where it names one, else `home`, the stack's. `asked`: its usage keys."""

    def __init__(
        self, node: Node, cloud: str, home: str | None, region: str | None, usage: Mapping[str, Mapping[str, Decimal]]
    ) -> None:
        self.node = node
        self.cloud = cloud
        self.home = home or ""
        self.region = region or self.home
        self.usage = usage
        self.assumptions: list[str] = []
        self.asked: set[str] = set()

    @property
    def name(self) -> str:
        return self.node.resource.name

    @property
    def part(self) -> str:
        """The name of the component that it belongs to; empty outside of all."""
        if self.node.is_of("skywright:*"):
            return self.name
        return above.resource.name if (above := self.node.component) else ""

    def use(self, asked: Quantity, *, default: Decimal | None = None, also: str = "") -> Decimal:
        """The quantity of a month: of this resource, else of its component, else the default, which is noted.

        `also`: a key that goes before.
        """
        self.asked |= {asked.key, *([also] if also else [])}
        for name in (self.name, self.part):
            for key in (also, asked.key):
                if (given := self.usage.get(name, {}).get(key)) is not None:
                    return given
        value = asked.default if default is None else default
        self.assumptions.append(f"{self.name}: {asked.key} = {_text(value)} {asked.unit}")
        return value

    def text(self, key: str, default: str = "") -> str:
        """A text of the resource. Raises UnknownValue or Malformed."""
        value = self.node.get(key, default)
        if not isinstance(value, str):
            raise Malformed(key, value, "a text")
        return value

    def at(self, path: str, default: Any = None) -> Any:
        """A value by its path, `spec.template.spec`; the default where any part of the way is absent."""
        value: Any = self.node
        for key in path.split("."):
            if not isinstance(value, Props):
                raise Malformed(path, value, "a mapping")
            if (value := value.get(key)) is None:
                return default
        return value

    def number(self, path: str, default: float | None = None) -> Decimal:
        value = self.at(path, default)
        if isinstance(value, str) and re.fullmatch(r"\d+(\.\d+)?", value):
            value = float(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Malformed(path, value, "a number")
        return Decimal(str(value))

    def count(self, key: str) -> int:
        """How many entries a list has, known or not. Raises UnknownValue where the list itself isn't known."""
        value = self.node.resource.props.get(key)
        if value is UNKNOWN:
            raise UnknownValue(key)
        return len(value) if isinstance(value, Sequence) and not isinstance(value, str) else 0

    def unknown(self, component: str, note: str, *, kind: str = "other", high: Decimal | None = None) -> Line:
        return Line(self.name, component, None, None, high, note, "", kind, self.part)

    def charge(
        self,
        component: str,
        service: str,
        dimension: str,
        amount: Decimal | int,
        *,
        kind: str,
        count: Decimal | int = 1,
        note: str = "",
        most: Decimal | int | None = None,
        per: Decimal | int = 1,
    ) -> Line:
        """`amount` is what one of `count` uses of a price in a month; `most` bounds the count; `per`: of one unit.

        A free allowance belongs to the whole account: it lowers the low end alone.
        """
        found = rates(self.cloud, service, dimension, self.region)
        if not found and (stand_in := STAND_INS.get((self.cloud, service), {}).get(self.region)):
            found = rates(self.cloud, service, dimension, stand_in)
            note = _joined([note, f"the price of {stand_in} stands in"])
        if not found:
            return self.unknown(component, self._nowhere(service, dimension), kind=kind)
        units = Decimal(amount) / Decimal(per)
        full, least = _tiered(found, units, is_free_used=True), _tiered(found, units, is_free_used=False)
        if full is None or least is None:
            return self.unknown(
                component, f"the catalogue has no price above {_text(units)} {found[0].unit}", kind=kind
            )
        notes = [note, f"{_text(units)} {found[0].unit}{f' x {_text(Decimal(count))}' if count != 1 else ''}"]
        if least != full:
            notes.append("the account's free allowance isn't taken off")
        if any(rate.confidence == REMEMBERED for rate in found):
            notes.append("a remembered list price, for which no source was found")
        each, number = cents(full), Decimal(count)
        return Line(
            self.name, component, each * number, cents(least) * number, each * max(number, Decimal(most or 0)),
            _joined(notes), "; ".join(rate.line.origin for rate in _touched(found, units)), kind, self.part,
        )  # fmt: skip

    def hours(self, component: str, service: str, dimension: str, *, kind: str, **rest: Any) -> Line:
        """Something that runs all month."""
        return self.charge(component, service, dimension, HOURS, kind=kind, **rest)

    def machines(
        self,
        component: str,
        machine: str,
        count: Decimal | int,
        *,
        hours: Decimal = HOURS,
        most: Decimal | int | None = None,
        is_spot: bool = False,
        accelerator: str | None = None,
        devices: int = 0,
        note: str = "",
    ) -> Line:
        """`count` virtual machines for `hours` each; `most` of them at the high end. Spot: low, likely, high."""
        kind = "accelerators" if accelerator else "compute"
        found = prices.instance(self.cloud, machine, self.region, accelerator=accelerator, count=devices)
        if found is None:
            return self.unknown(component, f"the catalogue has no {machine} in {self.region or 'no region'}", kind=kind)
        number, upper = Decimal(count), max(Decimal(count), Decimal(most or 0))
        on_demand = _month(found.on_demand, hours)
        low, likely, high = (
            (_month(found.spot_low, hours), _month(found.spot_likely, hours), _month(found.spot_high, hours))
            if is_spot
            else (on_demand,) * 3
        )
        said = [note, f"{machine}, {_text(number)} x {_text(hours)} h"]
        if likely is None:
            what = "spot" if is_spot else "on-demand"
            said.append(f"the catalogue has no {what} price of it in {self.region}")
            if is_spot:
                low, high = None, on_demand
        lines = origins_of(self.cloud, machine, self.region, accelerator, devices)
        return Line(
            self.name, component, _times(likely, number), _times(low, number), _times(high, upper),
            _joined(said), "; ".join(line.origin for line in lines), kind, self.part,
        )  # fmt: skip

    def _nowhere(self, service: str, dimension: str) -> str:
        others = regions_of(self.cloud, service, dimension)
        for region, found in others.items():
            if paid := next((rate for rate in found if rate.usd), None):
                return (
                    f"the catalogue has no price of it in {self.region or 'no region'}; "
                    f"in {region} it is {_text(paid.usd)} USD for 1 {paid.unit}"
                )
        return "the catalogue has no price of it"


def _tiered(found: Sequence[Rate], units: Decimal, *, is_free_used: bool) -> Decimal | None:
    """USD for that many units; None beyond the last tier. With `is_free_used` a tier at 0 costs as the next."""
    total, reached = ZERO, ZERO
    first_paid = next((rate.usd for rate in found if rate.usd), ZERO)
    for rate in found:
        end = units if rate.tier_to is None else min(units, rate.tier_to)
        if end > rate.tier_from:
            usd = first_paid if is_free_used and not rate.usd else rate.usd
            total += (end - rate.tier_from) * usd
            reached = end
    return total if reached >= units else None


def _touched(found: Sequence[Rate], units: Decimal) -> list[Rate]:
    """The tiers that the units reach, and the first paid one, by which a free one is counted."""
    reached = [rate for rate in found if rate.tier_from < units or rate is found[0]]
    return reached + [rate for rate in found if rate.usd and rate not in reached][: 1 if not reached[-1].usd else 0]


def _month(usd_per_hour: float | None, hours: Decimal) -> Decimal | None:
    return None if usd_per_hour is None else cents(Decimal(str(usd_per_hour)) * hours)


def _times(amount: Decimal | None, count: Decimal) -> Decimal | None:
    return None if amount is None else cents(amount * count)


def _joined(notes: Iterable[str]) -> str:
    return "; ".join(note for note in notes if note)


def _text(value: Decimal) -> str:
    value = round(value, 4) if abs(value) >= 1 else value.normalize(_DIGITS)
    return f"{value.normalize():f}" if value else "0"
