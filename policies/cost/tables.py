"""Which prices belong to which type of resource: tables, and functions for what a table can't say."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from policies.cost.item import Item
from policies.cost.model import HOURS, Line
from policies.cost.usage import Quantity

Pricer = Callable[[Item], Iterable[Line]]

PRICERS: dict[str, Pricer] = {}
"""By Pulumi type. `load` fills it."""

MODULES = ("components", "aws", "aws_more", "gcp", "azure", "azure_more", "kubernetes")


@dataclass(frozen=True, slots=True)
class Charge:
    """One price of the catalogue that a resource always meets. `per`: units of `amount` that one price is for."""

    component: str
    service: str
    dimension: str
    kind: str
    amount: Quantity | Decimal = HOURS
    per: int = 1

    def line(self, item: Item) -> Line:
        amount = item.use(self.amount) if isinstance(self.amount, Quantity) else self.amount
        return item.charge(self.component, self.service, self.dimension, amount, kind=self.kind, per=self.per)


def table(type_token: str, *charges: Charge) -> None:
    """A resource that is billed by these alone."""

    def price(item: Item) -> Iterator[Line]:
        return (charge.line(item) for charge in charges)

    PRICERS[type_token] = price


def pricer(*type_tokens: str) -> Callable[[Pricer], Pricer]:
    """A resource that is billed by more than a table can say."""

    def made(price: Pricer) -> Pricer:
        PRICERS.update(dict.fromkeys(type_tokens, price))
        return price

    return made


def unpriced(note: str, *type_tokens: str) -> None:
    """A resource that is billed, and that the catalogue has no price for: one unknown line."""

    def price(item: Item) -> Iterator[Line]:
        yield item.unknown(item.node.resource.type.rsplit(":", 1)[-1], note)

    PRICERS.update(dict.fromkeys(type_tokens, price))


@functools.cache
def load() -> None:
    """Read all tables in."""
    for name in MODULES:
        importlib.import_module(f"policies.cost.{name}")
