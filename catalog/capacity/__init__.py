"""How long instances take to start and how long spot lasts, out of facts.csv; its README.md says where each comes from.

Unknown stays unknown: what no row holds is None, and whoever plans with it assumes something and says so.
"""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

from catalog.instances import Instance

What = Literal["start_s", "mtbf_s"]
ANY = "*"


@dataclass(frozen=True, slots=True)
class Fact:
    """One row. `start_s`: from asking for an instance until it takes work; `mtbf_s`: between two losses of spot.

    `seconds` is what is planned with: of a range the end that costs more. `low_s`, `high_s`: the range, where there is
    one. `runtime`, `instance_type` and `region` may be ANY.
    """

    cloud: str
    runtime: str
    instance_type: str
    region: str
    what: str
    seconds: float
    low_s: float | None
    high_s: float | None
    source: str
    source_date: str
    note: str


def start_s(instance: Instance, region: str | None) -> float | None:
    """From asking for such an instance until it takes work, in seconds."""
    return _seconds("start_s", instance, region)


def mtbf_s(instance: Instance, region: str | None) -> float | None:
    """Mean time until spot of such an instance is taken away, in seconds."""
    return _seconds("mtbf_s", instance, region)


def _seconds(what: What, instance: Instance, region: str | None) -> float | None:
    """Of the row that says most exactly which instances it is about."""
    fitting = [
        fact
        for fact in facts()
        if (fact.cloud, fact.what) == (instance.cloud, what)
        and fact.instance_type in (instance.machine, ANY)
        and fact.region in (region, ANY)
        and (fact.runtime == ANY or fact.runtime in instance.runtimes)
    ]
    best = min(fitting, key=lambda fact: (fact.instance_type == ANY, fact.region == ANY), default=None)
    return None if best is None else best.seconds


@functools.cache
def facts() -> tuple[Fact, ...]:
    with (files(__package__) / "facts.csv").open(encoding="utf-8") as file:
        return tuple(
            Fact(
                row["cloud"], row["runtime"], row["instance_type"], row["region"], row["what"], float(row["seconds"]),
                float(row["low_s"]) if row["low_s"] else None, float(row["high_s"]) if row["high_s"] else None,
                row["source"], row["source_date"], row["note"],
            )
            for row in csv.DictReader(file)
        )  # fmt: skip
