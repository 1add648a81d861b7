"""Prices of what is not a plain machine, row by row out of services.csv, each with its source and date.

A look-up takes the exact region, then `global`. What neither has is absent: no other region's price stands in for it.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from catalog.prices.lines import Line, damaged, rows

FILE = "services.csv"
REMEMBERED = "remembered"
"""The confidence of a row whose number no source was found for."""

_Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Rate:
    """`usd` for one `unit`, from `tier_from` to `tier_to` (None: without end) such units a month."""

    usd: Decimal
    unit: str
    region: str
    tier_from: Decimal
    tier_to: Decimal | None
    confidence: str
    line: Line


def rates(cloud: str, service: str, dimension: str, region: str) -> Sequence[Rate]:
    """The tiers of one price, lowest first; empty where the catalogue has none for this region."""
    found = _table().get((cloud, service, dimension), {})
    return found.get(region) or found.get("global") or ()


def regions_of(cloud: str, service: str, dimension: str) -> Mapping[str, Sequence[Rate]]:
    """The same price wherever the catalogue has it."""
    return _table().get((cloud, service, dimension), {})


@functools.cache
def _table() -> Mapping[_Key, Mapping[str, Sequence[Rate]]]:
    table: dict[_Key, dict[str, list[Rate]]] = defaultdict(lambda: defaultdict(list))
    for line in rows(FILE):
        cells = line.cells
        try:
            rate = Rate(
                Decimal(cells["usd_per_unit"]), cells["unit"], cells["region"], Decimal(cells["tier_from"] or 0),
                Decimal(cells["tier_to"]) if cells["tier_to"] else None, cells["confidence"], line,
            )  # fmt: skip
        except (InvalidOperation, KeyError) as error:
            raise damaged(FILE, line.number, f"no price can be read there ({type(error).__name__})") from None
        if not rate.usd.is_finite() or rate.usd < 0:
            raise damaged(FILE, line.number, f"usd_per_unit is {cells['usd_per_unit']}; allowed: 0 and more")
        table[cells["cloud"], cells["service"], cells["dimension"]][rate.region].append(rate)
    return {
        key: {region: tuple(sorted(found, key=lambda rate: rate.tier_from)) for region, found in regions.items()}
        for key, regions in table.items()
    }
