"""List prices of instances, in USD per hour, out of the files beside this one. README.md says where each comes from.

Unknown stays unknown: a price that no file holds, or that its file marks as doubtful, is None and never 0.
"""

from __future__ import annotations

import csv
import functools
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Price:
    """`spot_*`: over the zones of the region at the moment of the file; None where it names none."""

    on_demand: float | None
    spot_low: float | None = None
    spot_likely: float | None = None
    spot_high: float | None = None

    def __add__(self, other: Price) -> Price:
        return Price(
            _sum(self.on_demand, other.on_demand), _sum(self.spot_low, other.spot_low),
            _sum(self.spot_likely, other.spot_likely), _sum(self.spot_high, other.spot_high),
        )  # fmt: skip


DOUBTFUL: frozenset[tuple[str, str]] = frozenset(
    {
        ("A100", "asia-northeast1"), ("A100", "europe-west4"),
        ("A100-80GB", "us-central1"), ("A100-80GB", "us-east4"), ("A100-80GB", "europe-west4"),
        ("H100", "us-central1"), ("H100", "asia-northeast1"),
        ("H200", "europe-west1"), ("H200", "europe-west4"),
    }
)  # fmt: skip
"""Google Cloud accelerator rows whose on-demand price is below any other source's: a discounted SKU, by the README."""

NEUTRAL = {"A100": "A100-40", "A100-80GB": "A100-80"}
"""The files' names of accelerators, where they differ from ours."""


def instance(cloud: str, name: str, region: str, *, accelerator: str | None = None, count: int = 0) -> Price | None:
    """A plain virtual machine's price; `accelerator` where devices are attached to it (Google Cloud's N1)."""
    if cloud == "gcp":
        return _gcp(name, region, accelerator, count)
    return _machines(cloud).get((name, region))


def managed(cloud: str, name: str, region: str, purpose: str) -> Price | None:
    """The price in the cloud's managed service: `purpose` training or serving. None where no file holds it."""
    if cloud == "azure":  # no surcharge over the machine
        found = _machines("azure").get((name, region))
        return Price(found.on_demand) if found else None
    service, word = ("sagemaker", "hosting") if cloud == "aws" else ("vertex_ai", "prediction")
    dimension = f"{'training' if purpose == 'training' else word}:{name}"
    on_demand = _services().get((cloud, service, dimension, region))
    return None if on_demand is None else Price(on_demand)


def regions_of(cloud: str) -> dict[str, frozenset[str]]:
    """Region -> instance types, of Google Cloud also `kind x count`, that the files know there with an accelerator."""
    found: dict[str, set[str]] = defaultdict(set)
    for row in _rows(f"instances-{cloud}.csv"):
        if row["accelerator"]:
            name = row["instance_type"] or f"{_neutral(row['accelerator'])}x{row['accelerator_count']}"
            found[row["region"]].add(name)
    if cloud == "gcp":
        for row in _rows("gcp-gpu-machines-whole.csv"):
            found[row["region"]].add(f"{_neutral(row['accelerator'])}x{row['accelerator_count']}")
    return {region: frozenset(names) for region, names in found.items()}


@functools.cache
def _machines(cloud: str) -> dict[tuple[str, str], Price]:
    return {
        (row["instance_type"], row["region"]): _price(row)
        for row in _rows(f"instances-{cloud}.csv")
        if row["instance_type"]
    }


@functools.cache
def _whole() -> dict[tuple[str, str], Price]:
    return {(row["instance_type"], row["region"]): _price(row) for row in _rows("gcp-gpu-machines-whole.csv")}


@functools.cache
def _devices() -> dict[tuple[str, int, str], Price]:
    found = {}
    for row in _rows("instances-gcp.csv"):
        if row["row_kind"] == "accelerator":
            price = _price(row)
            if (row["accelerator"], row["region"]) in DOUBTFUL:
                price = Price(None, price.spot_low, price.spot_likely, price.spot_high)
            found[_neutral(row["accelerator"]), int(row["accelerator_count"]), row["region"]] = price
    return found


def _gcp(name: str, region: str, accelerator: str | None, count: int) -> Price | None:
    if (whole := _whole().get((name, region))) is not None:
        return whole
    host = _machines("gcp").get((name, region))
    if host is None or accelerator is None:
        return host
    devices = _devices().get((accelerator, count, region))
    return None if devices is None else host + devices


@functools.cache
def _services() -> dict[tuple[str, str, str, str], float]:
    return {
        (row["cloud"], row["service"], row["dimension"], row["region"]): float(row["usd_per_unit"])
        for row in _rows("services.csv")
        if row["unit"] in ("hour", "node-hour") and row["confidence"] != "remembered"
    }


def _rows(name: str) -> Iterator[dict[str, str]]:
    with (files(__package__) / name).open() as file:
        yield from csv.DictReader(file)


def _price(row: dict[str, str]) -> Price:
    return Price(
        _number(row["on_demand_usd_per_hour"]), _number(row["spot_usd_per_hour_min"]),
        _number(row["spot_usd_per_hour_median"]), _number(row["spot_usd_per_hour_max"]),
    )  # fmt: skip


def _number(text: str) -> float | None:
    return float(text) if text else None


def _neutral(name: str) -> str:
    return NEUTRAL.get(name, name)


def _sum(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else round(first + second, 6)
