"""What is needed, what there is, and the line that compares them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from catalog import quotas
from catalog.quotas import Quota


class Combine(str, Enum):
    """How two needs of one quota make one: most quotas count all, some bound the largest (instances of one job)."""

    SUM = "sum"
    MAX = "max"


class Status(str, Enum):
    ENOUGH = "enough"
    SHORT = "short"
    UNKNOWN = "unknown"


class Basis(str, Enum):
    """Where a limit comes from. A published default is what a new account gets on paper."""

    LIVE = "live"
    PUBLISHED = "published default"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Demand:
    """What the resources need of one quota at their largest, in the cloud's unit.

    `needed` is None where nothing of it is known; with `is_at_least` more is needed than is known. `code` is empty
    where none is known. `dimension`: of a quota with a value for each family, the family. `standard`: the name of the
    quota that spot may draw on instead, where the cloud doesn't tell which of the two it is.
    """

    cloud: str
    service: str
    name: str
    code: str
    unit: str
    scope: str
    needed: float | None
    resources: tuple[str, ...]
    note: str = ""
    dimension: str = ""
    standard: str = ""
    combine: Combine = Combine.SUM
    is_at_least: bool = False

    @property
    def key(self) -> str:
        return quotas.key_of(self.cloud, self.service, self.name, self.dimension)

    @property
    def published(self) -> Quota | None:
        return quotas.named(self.cloud, self.service, self.name)


@dataclass(frozen=True, slots=True)
class Limit:
    """A live value; None where it couldn't be read, and then `note` says why. `used`: in the account, where told."""

    value: float | None
    note: str = ""
    used: float | None = None
    is_unlimited: bool = False


@dataclass(frozen=True, slots=True)
class QuotaLine:
    """A need against its limit. `headroom` is the limit less the need: what else the account uses is not in it.

    `needed`, `limit` and `headroom` are None where they aren't known, never 0 for that.
    """

    cloud: str
    service: str
    name: str
    code: str
    unit: str
    scope: str
    needed: float | None
    limit: float | None
    basis: Basis
    headroom: float | None
    status: Status
    where_to_ask: str
    source: str
    note: str
    resources: tuple[str, ...]
    is_at_least: bool = False
    dimension: str = ""

    @property
    def title(self) -> str:
        """The quota in words: its name, and the family where it has a value for each."""
        return f"{self.name}: {self.dimension}" if self.dimension else self.name


UNITS: Final = {"vCPU": "vCPUs", "cores": "cores", "instances": "instances", "GPUs": "GPUs", "count": ""}
"""As they are said after a number."""

DEFAULT_SCOPE: Final = {"aws": "account-region", "gcp": "project-region", "azure": "subscription-region"}


def of_quota(
    cloud: str,
    service: str,
    name: str,
    needed: float | None,
    *resources: str,
    unit: str = "count",
    code: str = "",
    note: str = "",
    dimension: str = "",
    standard: str = "",
    combine: Combine = Combine.SUM,
) -> Demand:
    """A need of the quota of that name. Unit, code and scope are the published ones; else those given here."""
    known = quotas.named(cloud, service, name)
    return Demand(
        cloud=cloud, service=service, name=name, code=known.code if known else code,
        unit=known.unit if known else unit, scope=known.scope if known else DEFAULT_SCOPE[cloud],
        needed=None if needed is None else plain(needed), resources=tuple(resources), note=note, dimension=dimension,
        standard=standard, combine=combine,
    )  # fmt: skip


def together(demands: list[Demand]) -> tuple[Demand, ...]:
    """One demand for each quota, in the order of their first need. The order of the parts of one doesn't matter."""
    found: dict[str, Demand] = {}
    for demand in demands:
        found[demand.key] = _both(found[demand.key], demand) if demand.key in found else demand
    return tuple(found.values())


def _both(one: Demand, other: Demand) -> Demand:
    known = [each.needed for each in (one, other) if each.needed is not None]
    partly = one.is_at_least or other.is_at_least or len(known) == 1
    needed = None if not known else plain(sum(known) if one.combine is Combine.SUM else max(known))
    notes = dict.fromkeys(part for each in (one, other) for part in each.note.split("; ") if part)
    return replace(
        one,
        needed=needed,
        is_at_least=partly and needed is not None,
        resources=_whose(one, other),
        note="; ".join(notes),
        standard=one.standard or other.standard,
    )


def _whose(one: Demand, other: Demand) -> tuple[str, ...]:
    """Everybody's; of a maximum, whose need is the largest."""
    if one.combine is Combine.MAX and one.needed is not None and other.needed is not None:
        if one.needed > other.needed and not other.is_at_least:
            return one.resources
        if one.needed < other.needed and not one.is_at_least:
            return other.resources
    return tuple(dict.fromkeys((*one.resources, *other.resources)))


def plain(number: float) -> float:
    """A whole number as one: JSON gives 4.0 for 4."""
    return int(number) if float(number).is_integer() else number
