"""From neutral asks (an accelerator, or CPUs of a class) to instance types per cloud and use; data in instances.csv.

The types and what they hold come from the price files (`prices/README.md`); which of them SageMaker takes, from its API
(botocore's TrainingInstanceType and ProductionVariantInstanceType), which of them Azure ML serves on, from
https://learn.microsoft.com/azure/machine-learning/reference-managed-online-endpoints-vm-sku-list.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

from catalog import prices
from catalog.accelerators import ACCELERATORS
from catalog.errors import UserError, did_you_mean

Runtime = Literal["managed", "kubernetes"]
Purpose = Literal["training", "serving"]

WHOLE_REGIONS: dict[str, tuple[str, ...]] = {
    "aws": ("us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-northeast-1"),
    "gcp": ("us-central1", "us-east4", "europe-west4", "europe-west1", "asia-northeast1"),
    "azure": ("eastus", "eastus2", "westus2", "westus3", "southcentralus", "westeurope"),
}
"""Regions of which the price files know every accelerated type: one that they lack there is not offered there."""

_SERVICE = {"aws": "SageMaker", "gcp": "Vertex AI", "azure": "Azure ML"}


@dataclass(frozen=True, slots=True)
class Instance:
    """One instance type. `name` as the API of its runtime takes it; `api_accelerator` likewise, where the API wants it
    apart from the type (Google Cloud). `runtimes`: managed, kubernetes. Every type here may be taken on spot."""

    cloud: str
    name: str
    accelerator: str | None
    accelerator_count: int
    vcpus: int
    memory_gib: float
    runtimes: frozenset[str]
    is_spot_capable: bool = True
    api_accelerator: str | None = None
    cpu_class: str | None = None

    @property
    def machine(self) -> str:
        """The type as the cloud's plain machines have it: SageMaker puts `ml.` before it."""
        return self.name.removeprefix("ml.")


@dataclass(frozen=True, slots=True)
class _Row:
    cloud: str
    name: str
    accelerator: str | None
    count: int
    vcpus: int
    memory_gib: float
    cpu_class: str | None
    uses: frozenset[str]
    vertex_accelerator: str | None
    gke_accelerator: str | None


def candidates(
    cloud: str,
    region: str | None,
    *,
    runtime: Runtime,
    accelerator: str | None = None,
    count: int = 1,
    vcpus: int = 1,
    cpu_class: str = "general",
    is_spot: bool = False,
    purpose: Purpose = "training",
) -> list[Instance]:
    """Instance types that give what is asked, the cheapest first. Raises UserError with the nearest possible asks.

    With an accelerator: exactly `count` of that kind. Without: at least `vcpus` of the class, the smallest such size
    first. `purpose` matters to managed services alone: they train and serve on different types.
    """
    use = purpose if runtime == "managed" else "kubernetes"
    usable = [row for row in _rows() if row.cloud == cloud and use in row.uses]
    if accelerator is None:
        fit = [row for row in usable if row.cpu_class == cpu_class and row.vcpus >= vcpus]
        if not fit:
            most = max((row.vcpus for row in usable if row.cpu_class == cpu_class), default=0)
            raise UserError(
                f"{vcpus} vCPUs of class {cpu_class} are asked for; allowed on {_where(cloud, runtime)}: "
                f"1 to {most}" if most else f"class {cpu_class} is not offered on {_where(cloud, runtime)}",
                "Take more, smaller instances.",
            )  # fmt: skip
    else:
        kind = [row for row in usable if row.accelerator == accelerator]
        fit = [row for row in kind if row.count == count and _is_in(row, region)]
        if not fit:
            raise _impossible(cloud, region, runtime, accelerator, count, usable)
    made = [_instance(row, runtime) for row in fit]
    return sorted(made, key=lambda item: _rank(item, region, purpose=purpose, is_spot=is_spot))


def choose(
    cloud: str,
    region: str | None,
    *,
    runtime: Runtime,
    accelerator: str | None = None,
    count: int = 1,
    vcpus: int = 1,
    cpu_class: str = "general",
    is_spot: bool = False,
    purpose: Purpose = "training",
) -> Instance:
    """The first of `candidates`."""
    return candidates(
        cloud, region, runtime=runtime, accelerator=accelerator, count=count, vcpus=vcpus, cpu_class=cpu_class,
        is_spot=is_spot, purpose=purpose,
    )[0]  # fmt: skip


def price(
    instance: Instance, region: str | None, *, is_spot: bool = False, purpose: Purpose = "training"
) -> float | None:
    """USD per hour; of spot the likely one. None where no source tells: never 0."""
    if region is None:
        return None
    is_managed = "managed" in instance.runtimes
    if is_managed:
        found = prices.managed(instance.cloud, instance.name, region, purpose)
    else:
        found = prices.instance(
            instance.cloud, instance.name, region, accelerator=instance.accelerator, count=instance.accelerator_count
        )
    if found is None:
        return None
    return found.spot_likely if is_spot else found.on_demand


def kinds_in(cloud: str, region: str | None, runtime: Runtime, purpose: Purpose = "training") -> dict[str, list[int]]:
    """Accelerators that can be had there, each with its counts per instance."""
    use = purpose if runtime == "managed" else "kubernetes"
    found: dict[str, set[int]] = {}
    for row in _rows():
        if row.cloud == cloud and use in row.uses and row.accelerator and _is_in(row, region):
            found.setdefault(row.accelerator, set()).add(row.count)
    return {kind: sorted(found[kind]) for kind in ACCELERATORS if kind in found}


def regions_with(cloud: str, accelerator: str, count: int) -> list[str]:
    """Regions that are known to have it."""
    rows = [row for row in _rows() if row.cloud == cloud and (row.accelerator, row.count) == (accelerator, count)]
    return [region for region in WHOLE_REGIONS.get(cloud, ()) if any(_is_in(row, region) for row in rows)]


@functools.cache
def _rows() -> tuple[_Row, ...]:
    with (files(__package__) / "instances.csv").open() as file:
        return tuple(
            _Row(
                row["cloud"], row["name"], row["accelerator"] or None, int(row["accelerator_count"]), int(row["vcpus"]),
                float(row["memory_gib"]), row["cpu_class"] or None, frozenset(row["uses"].split("|")),
                row["vertex_accelerator"] or None, row["gke_accelerator"] or None,
            )
            for row in csv.DictReader(file)
        )  # fmt: skip


@functools.cache
def _known(cloud: str) -> dict[str, frozenset[str]]:
    return prices.regions_of(cloud)


def _is_in(row: _Row, region: str | None) -> bool:
    if region not in WHOLE_REGIONS.get(row.cloud, ()):
        return True  # nothing is known of that region; the cloud will say
    here = _known(row.cloud).get(str(region), frozenset())
    return row.name in here or f"{row.accelerator}x{row.count}" in here


def _instance(row: _Row, runtime: Runtime) -> Instance:
    name = f"ml.{row.name}" if row.cloud == "aws" and runtime == "managed" else row.name
    api = row.vertex_accelerator if runtime == "managed" else row.gke_accelerator
    return Instance(
        row.cloud, name, row.accelerator, row.count, row.vcpus, row.memory_gib, frozenset({runtime}),
        api_accelerator=api, cpu_class=row.cpu_class,
    )  # fmt: skip


def _rank(
    item: Instance, region: str | None, *, purpose: Purpose, is_spot: bool
) -> tuple[float, float, float, int, str]:
    """The smallest CPU size first, then the cheapest; where no price is known, the smallest."""
    asked = price(item, region, is_spot=is_spot, purpose=purpose)
    if asked is None:
        asked = price(item, region, purpose=purpose)
    size = 0.0 if item.accelerator else float(item.vcpus)
    return (size, float(asked is None), asked or 0.0, item.vcpus, item.name)


def _where(cloud: str, runtime: Runtime) -> str:
    return _SERVICE[cloud] if runtime == "managed" and cloud in _SERVICE else f"{cloud}'s clusters"


def _impossible(
    cloud: str, region: str | None, runtime: Runtime, accelerator: str, count: int, usable: Iterable[_Row]
) -> UserError:
    usable = list(usable)
    place = f"{_where(cloud, runtime)} in {region}"
    here = [row for row in usable if row.accelerator and _is_in(row, region)]
    counts = sorted({row.count for row in here if row.accelerator == accelerator})
    if counts:
        said = (
            f"{count} x {accelerator} is asked for; allowed on {place}: {', '.join(map(str, counts))} x {accelerator}"
        )
        return UserError(said, f"Take {min(counts, key=lambda known: (abs(known - count), known))}.")
    kinds = sorted({str(row.accelerator) for row in here}, key=list(ACCELERATORS).index)
    said = f"accelerator {accelerator} is asked for; allowed on {place}: {', '.join(kinds)}"
    if accelerator not in ACCELERATORS:
        return UserError(said, did_you_mean(accelerator, kinds))
    hints = []
    needed = ACCELERATORS[accelerator].memory_gib
    if near := [kind for kind in kinds if ACCELERATORS[kind].memory_gib >= needed]:
        hints.append(f"the nearest with {needed} GiB or more is {near[0]}")
    if elsewhere := regions_with(cloud, accelerator, count):
        hints.append(f"{accelerator} is in {', '.join(elsewhere)}")
    return UserError(said, f"{'; '.join(hints)[:1].upper()}{'; '.join(hints)[1:]}." if hints else "")
