"""The same neutral settings, priced on each cloud: what a swap would cost."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from catalog import instances
from catalog.accelerators import ACCELERATORS
from catalog.errors import SkywrightError, UserError, did_you_mean
from catalog.regions import REGIONS
from infra.settings import Settings, load
from infra.settings.read import raw_config
from policies.cost import Estimate, Line, Usage, estimate
from policies.resources import Resource

CLOUDS = ("aws", "gcp", "azure", "kubernetes")
NEAREST: tuple[Mapping[str, str], ...] = (
    {"aws": "us-east-1", "gcp": "us-east4", "azure": "eastus"},
    {"aws": "us-west-2", "gcp": "us-west1", "azure": "westus2"},
    {"aws": "eu-west-1", "gcp": "europe-west4", "azure": "westeurope"},
    {"aws": "eu-central-1", "gcp": "europe-west3", "azure": "germanywestcentral"},
    {"aws": "ap-northeast-1", "gcp": "asia-northeast1", "azure": "japaneast"},
    {"aws": "ap-southeast-1", "gcp": "asia-southeast1", "azure": "southeastasia"},
)
"""Regions of the clouds that stand for each other. The first of an area speaks for regions that stand in none."""
_AREAS = (("us-west", "westus"), ("eu-central", "europe-west3", "germany"), ("eu", "westeurope", "northeurope"),
          ("ap-northeast", "asia-northeast", "japan"), ("ap", "asia", "southeastasia"))  # fmt: skip
_OF_AREA = (1, 3, 2, 4, 5)
Read = Callable[[Settings], Sequence[Resource]]


@dataclass(frozen=True)
class Priced:
    """One cloud's answer. `problem` says why there is none. `remarks`: what had to be swapped besides."""

    cloud: str
    region: str | None
    estimate: Estimate | None = None
    remarks: tuple[str, ...] = ()
    problem: str = ""

    def as_dict(self) -> dict[str, Any]:
        whole = self.estimate.as_dict() if self.estimate else {}
        return {
            "cloud": self.cloud,
            "region": self.region,
            "parts": {
                part: {"monthly_usd": None if usd is None else str(usd), "unknown": unknown}
                for part, (usd, unknown) in self.parts().items()
            },
            **{key: whole.get(key) for key in ("low", "total", "high", "unknown")},
            "remarks": list(self.remarks),
            "problem": self.problem or None,
        }

    def parts(self) -> dict[str, tuple[Decimal | None, int]]:
        """By component: known USD (None: nothing is known) and how many lines are unknown."""
        if self.estimate is None:
            return {}
        known = self.estimate.by(_part)
        unknown = Counter(_part(line) for line in self.estimate.unknown)
        return {part: (known.get(part), unknown[part]) for part in dict.fromkeys([*known, *unknown])}


def _part(line: Line) -> str:
    return line.part or "other"


def region_on(cloud: str, region: str | None) -> str | None:
    """The region of `cloud` that is nearest to a region of any cloud."""
    if cloud not in REGIONS or region in REGIONS[cloud]:
        return region
    for known in NEAREST:
        if region in known.values():
            return known[cloud]
    for index, prefixes in zip(_OF_AREA, _AREAS, strict=True):
        if str(region).startswith(prefixes):
            return NEAREST[index][cloud]
    return NEAREST[0][cloud]


def regions_given(given: Sequence[str]) -> dict[str, str]:
    """`aws=us-east-1` and the like. Raises UserError."""
    found = {}
    for text in given:
        cloud, _, region = text.partition("=")
        if cloud not in CLOUDS or not region:
            raise UserError(f"--region is {text!r}; allowed: CLOUD=REGION, such as aws=us-east-1")
        if cloud in REGIONS and region not in REGIONS[cloud]:
            raise UserError(
                f"--region is {text!r}; {cloud} has no such region", did_you_mean(region, list(REGIONS[cloud]))
            )
        found[cloud] = region
    return found


def clouds_given(text: str) -> list[str]:
    clouds = [item.strip() for item in text.split(",") if item.strip()]
    for cloud in clouds:
        if cloud not in CLOUDS:
            raise UserError(
                f"--clouds names {cloud!r}; allowed: {', '.join(CLOUDS)}", did_you_mean(cloud, list(CLOUDS))
            )
    if not clouds:
        raise UserError(f"--clouds is empty; allowed: one or more of {', '.join(CLOUDS)}")
    return list(dict.fromkeys(clouds))


def usage_of(settings: Settings) -> Usage:
    """The stack's `usage`, and what it says a node of its own cluster costs."""
    given: dict[str, dict[str, float]] = {name: dict(keys) for name, keys in settings.usage.items()}
    if settings.cloud == "kubernetes":
        for pool, nodes in settings.kubernetes.pools.items():
            if nodes.usd_per_hour is not None:
                given.setdefault("training", {}).setdefault(f"usd_per_node_hour:{pool}", nodes.usd_per_hour)
    return Usage.from_dict(given)


def compare(
    file: Path, clouds: Sequence[str], *, regions: Mapping[str, str] | None = None, read: Read | None = None
) -> list[Priced]:
    """Price a stack file's neutral settings on each of these clouds, cloud by cloud. One that can't hold them says why.

    Raises UserError for a file that isn't valid on its own cloud. `read` gives the resources of settings; default: the
    program itself, in this process.
    """
    from infra.reading import declared

    config, secret = raw_config(file)
    stack = file.name.removeprefix("Pulumi.").removesuffix(".yaml")
    own = load(config, stack=stack, secret_keys=secret)
    return [_priced(cloud, config, secret, own, (regions or {}).get(cloud), read or declared) for cloud in clouds]


def _priced(
    cloud: str, config: Mapping[str, str], secret: set[str], own: Settings, region: str | None, read: Read
) -> Priced:
    region = region or region_on(cloud, own.region)
    try:
        swapped = _Swap(dict(config), cloud, region, own)
        settings = load(swapped.config, stack=own.stack, where=f"{own.stack} on {cloud}", secret_keys=secret)
        usage = usage_of(settings)
        found = estimate(read(settings), region=region, usage=usage if cloud == own.cloud else usage.lenient())
    except SkywrightError as error:
        return Priced(cloud, region, problem=str(error).splitlines()[0])
    return Priced(cloud, region, found, tuple(swapped.remarks))


@dataclass
class _Swap:
    """The config of another cloud: cloud, region, and accelerators that are to be had there."""

    config: dict[str, str]
    cloud: str
    region: str | None
    own: Settings
    remarks: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.config |= {"skywright:cloud": self.cloud, "skywright:region": self.region or ""}
        if self.cloud == self.own.cloud:
            return
        training = self.own.training.model_dump(mode="json", exclude_unset=True)
        endpoint = self.own.endpoint.model_dump(mode="json", exclude_unset=True)
        if self.cloud in REGIONS:
            self._runtime(training, endpoint)
            self._pools(training)
            self._replicas(endpoint)
        else:
            self._brought(endpoint)
        for section, data in (("training", training), ("endpoint", endpoint)):
            if data:
                self.config[f"skywright:{section}"] = json.dumps(data)

    def _brought(self, endpoint: dict[str, Any]) -> None:
        """What a cluster does only with something that the stack doesn't name: it is left out of the comparison."""
        if self.own.endpoint.capture_percent:
            self.remarks.append("endpoint: no requests are kept, since that wants capture_url")
            endpoint["capture_percent"] = 0
        if self.own.monitoring.emails:
            self.remarks.append("monitoring: nobody is mailed, since that wants kubernetes.smtp")
            monitoring = self.own.monitoring.model_dump(mode="json", exclude_unset=True)
            self.config["skywright:monitoring"] = json.dumps(monitoring | {"emails": []})

    def _runtime(self, training: dict[str, Any], endpoint: dict[str, Any]) -> None:
        if self.own.cloud == "kubernetes":
            self.remarks.append("runtime kubernetes, as on the stack's own cluster")
            training["runtime"] = endpoint["runtime"] = "kubernetes"

    def _pools(self, training: dict[str, Any]) -> None:
        for name, pool in self.own.training.pools.items():
            if (asked := pool.accelerator) is None:
                continue
            kind, count = self._nearest(asked.kind, asked.count, "training")
            if (kind, count) == (asked.kind, asked.count):
                continue
            most = -(-asked.count * pool.max_count // count)
            was = f"{pool.max_count} x {asked.count} {asked.kind}"
            self.remarks.append(f"pool {name}: {most} x {count} {kind} in place of {was}")
            training["pools"][name] |= {"accelerator": {"kind": kind, "count": count}, "max_count": most}
            for team in (training.get("teams") or {}).values():
                limits = team.get("max_accelerators") or {}
                if asked.kind in limits and asked.kind != kind:
                    limits[kind] = limits.get(kind, 0) + limits.pop(asked.kind)

    def _replicas(self, endpoint: dict[str, Any]) -> None:
        if (asked := self.own.endpoint.accelerator) is None:
            return
        kind, count = self._nearest(asked.kind, asked.count, "serving")
        if (kind, count) != (asked.kind, asked.count):
            self.remarks.append(f"endpoint: {count} {kind} in place of {asked.count} {asked.kind}")
            endpoint["accelerator"] = {"kind": kind, "count": count}

    def _nearest(self, kind: str, count: int, purpose: instances.Purpose) -> tuple[str, int]:
        """The same where it is to be had; else the nearest in memory per machine, of kinds with as much on a device."""
        section = self.own.training if purpose == "training" else self.own.endpoint
        runtime = "kubernetes" if section.runtime == "kubernetes" or self.own.cloud == "kubernetes" else "managed"
        known = instances.kinds_in(self.cloud, self.region, runtime, purpose)  # type: ignore[arg-type]
        if count in known.get(kind, ()):
            return kind, count
        needed = ACCELERATORS[kind].memory_gib if kind in ACCELERATORS else 0
        fit = [
            (name, max([n for n in counts if n <= count], default=min(counts)))
            for name, counts in known.items()
            if name == kind or (kind not in known and ACCELERATORS[name].memory_gib >= needed)
        ]
        # Where there is none, the settings' own check says what there is.
        whole = needed * count
        return min(
            fit,
            key=lambda found: (abs(ACCELERATORS[found[0]].memory_gib * found[1] - whole), found),
            default=(kind, count),
        )
