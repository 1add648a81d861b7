"""The clouds' quotas as they are published: names, codes, units, defaults, where to ask. Sources: README.md."""

from __future__ import annotations

import csv
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Quota:
    """One row of quotas.csv. `default` is None where it varies or isn't known; `code` is empty where none is known."""

    cloud: str
    service: str
    name: str
    code: str
    unit: str
    scope: str
    default: float | None
    adjustable: str
    counts: str
    where_to_ask: str
    source: str
    source_date: str

    @property
    def key(self) -> str:
        """What tells it from all others, and stays: `aws/sagemaker/ml.g5.xlarge for endpoint usage`."""
        return key_of(self.cloud, self.service, self.name)


def key_of(cloud: str, service: str, name: str, dimension: str = "") -> str:
    """`dimension`: of a quota that has a value for each family, the family."""
    return "/".join((cloud, service, name, *([dimension] if dimension else [])))


@functools.cache
def published() -> Mapping[str, Quota]:
    """Every quota by its key. Raises ValueError where the file holds two of one key or a default that is no number."""
    found: dict[str, Quota] = {}
    with (files(__package__) / "quotas.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            default = float(row["default_value"]) if row["default_value"] else None
            quota = Quota(
                row["cloud"], row["service"], row["quota_name"], row["quota_code"], row["unit"], row["scope"], default,
                row["adjustable"], row["counts"], row["where_to_ask"], row["source"], row["source_date"],
            )  # fmt: skip
            if quota.key in found:
                raise ValueError(f"quotas.csv has two rows of {quota.key}")
            found[quota.key] = quota
    return found


def named(cloud: str, service: str, name: str) -> Quota | None:
    """The quota of exactly this name."""
    return published().get(key_of(cloud, service, name))


def coded(cloud: str, service: str, code: str) -> Quota | None:
    """The quota of exactly this code; None too where the code is empty."""
    return _by_code().get((cloud, service, code)) if code else None


@functools.cache
def _by_code() -> Mapping[tuple[str, str, str], Quota]:
    return {(quota.cloud, quota.service, quota.code): quota for quota in published().values()}
