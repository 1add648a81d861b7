"""Checks of settings that parsed: whether the region, the network and the instance types can hold what is asked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from ipaddress import IPv4Network
from typing import Literal

from pydantic import BaseModel

from catalog import cidrs, instances
from catalog.errors import UserError, did_you_mean
from catalog.zones import zone_count
from components.specs import AcceleratorSpec
from infra.settings.explain import Mistake, path_of, shown
from infra.settings.model import Settings

RENTED = ("aws", "gcp", "azure")
"""Clouds whose regions, zones and instance types are known; a cluster or a machine that is brought is what it is."""

STACK_NAME = re.compile(r"[a-z0-9](-?[a-z0-9])*")
LONGEST_STACK = 40
"""A Kubernetes label and a Google Cloud label hold 63 characters; the project and a role stand beside the stack."""

OWN_RANGE = re.compile(r"_cidrs?$")
"""Fields of a cloud's section that hold networks. One that ends in `_cidr` lies beside network.cidr: it may not share
addresses with it. One in `_cidrs` says who may come in: any network does."""


def _stack_name(settings: Settings) -> Iterator[Mistake]:
    """Names of clouds are made of it: what they can't carry would be dropped, and two stacks get one name."""
    name = settings.stack
    if settings.cloud == "local" or (STACK_NAME.fullmatch(name) and len(name) <= LONGEST_STACK):
        return
    near = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:LONGEST_STACK].strip("-")
    yield Mistake(
        "the stack's name",
        f" is {shown(name)}; allowed on {settings.cloud}: lower case letters and digits, single dashes between them, "
        f"at most {LONGEST_STACK}",
        f"Call it {near}." if near else "Choose another name.",
    )


def _zones(settings: Settings) -> Iterator[Mistake]:
    if settings.cloud not in RENTED or settings.region is None or "zones" not in settings.network.model_fields_set:
        return
    most = zone_count(settings.cloud, settings.region)
    if settings.network.zones > most and (most > 1 or settings.cloud != "azure"):
        yield Mistake(
            path_of(["network", "zones"]),
            f" is {settings.network.zones}; allowed in {settings.region}: 1 to {most}",
            f"Set it to {most}, or choose another region.",
        )
    elif settings.network.zones > most:
        yield Mistake(
            path_of(["network", "zones"]),
            f" is {settings.network.zones}; allowed in {settings.region}: 1, it has no zones",
            "Set it to 1, or choose a region with zones, such as westeurope.",
        )


def _network_room(settings: Settings) -> Iterator[Mistake]:
    if settings.cloud not in RENTED:
        return
    try:
        cidrs.subnet_cidrs(settings.network.cidr, settings.network.zones)
    except cidrs.InvalidNetwork as error:
        yield Mistake(
            path_of(["network", "cidr"]), f" is {shown(settings.network.cidr)}; {error.what}", str(error.remedy)
        )


def _ranges(section: BaseModel, path: Sequence[str]) -> Iterator[tuple[tuple[str, ...], str]]:
    """(path, network) of every field that holds networks, at any depth."""
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from _ranges(value, [*path, name])
        elif OWN_RANGE.search(name) or name == "authorized_networks":
            for item in [value] if isinstance(value, str) else value or ():
                yield (*path, name), str(item)


def _own_ranges(settings: Settings) -> Iterator[Mistake]:
    """Networks that only this cloud's section has: well-formed, and apart from the platform's own and each other."""
    beside: dict[str, str] = {path_of(["network", "cidr"]): settings.network.cidr}
    for path, network in _ranges(settings.own, [settings.cloud]):
        try:
            IPv4Network(network)
        except ValueError as error:
            yield Mistake(
                path_of(path),
                f" is {shown(network)}; allowed: an IPv4 network such as 10.1.0.0/16",
                f"{error}.".capitalize(),
            )
            continue
        if path[-1].endswith("_cidr"):
            for other, taken in beside.items():
                if IPv4Network(network).overlaps(IPv4Network(taken)):
                    yield Mistake(
                        path_of(path),
                        f" is {shown(network)}; allowed: a network apart from {other} ({taken})",
                        f"Choose another, such as {_apart(network, [*beside.values()])}.",
                    )
            beside[path_of(path)] = network


def _apart(network: str, taken: Sequence[str]) -> str:
    """A private network of the same size that shares no address with any of those."""
    prefix = max(IPv4Network(network).prefixlen, 12)
    for block in ("172.16.0.0/12", "10.0.0.0/8", "192.168.0.0/16"):
        whole = IPv4Network(block)
        if prefix >= whole.prefixlen:
            for found in whole.subnets(new_prefix=prefix):
                if not any(found.overlaps(IPv4Network(other)) for other in taken):
                    return str(found)
    return "100.64.0.0/16"


def _fits(
    settings: Settings,
    path: Sequence[str],
    *,
    runtime: Literal["managed", "kubernetes"],
    accelerator: AcceleratorSpec | None,
    cpus: int,
    cpus_key: str,
    cpu_class: str,
    is_spot: bool,
    purpose: Literal["training", "serving"],
) -> Iterator[Mistake]:
    """Whether some instance type gives it there."""
    try:
        instances.candidates(
            settings.cloud,
            settings.region,
            runtime=runtime,
            accelerator=accelerator.kind if accelerator else None,
            count=accelerator.count if accelerator else 1,
            vcpus=cpus,
            cpu_class=cpu_class,
            is_spot=is_spot,
            purpose=purpose,
        )
    except UserError as error:
        if accelerator is None:
            yield Mistake(path_of([*path, cpus_key]), f" is {cpus}; {error.what}", error.remedy)
            return
        here = instances.kinds_in(settings.cloud, settings.region, runtime, purpose)
        key, value = ("count", accelerator.count) if accelerator.kind in here else ("kind", accelerator.kind)
        yield Mistake(path_of([*path, "accelerator", key]), f" is {shown(value)}; {error.what}", _see(settings, error))


def _see(settings: Settings, error: UserError) -> str:
    command = f"skywright clouds accelerators --cloud {settings.cloud} --region {settings.region}"
    return f"{error.remedy} `{command}` lists all.".strip()


def _pools(settings: Settings) -> Iterator[Mistake]:
    if settings.cloud not in RENTED:
        return
    for name, pool in settings.training.pools.items():
        yield from _fits(
            settings,
            ["training", "pools", name],
            runtime=settings.training.runtime or "managed",
            accelerator=pool.accelerator,
            cpus=pool.ranks,
            cpus_key="ranks",
            cpu_class=pool.cpu_class,
            is_spot=pool.is_spot,
            purpose="training",
        )


def _endpoint(settings: Settings) -> Iterator[Mistake]:
    endpoint = settings.endpoint
    if endpoint.is_spot and settings.is_production:
        yield Mistake(
            path_of(["endpoint", "is_spot"]),
            " is true in environment 'prod'; allowed: false",
            "Remove the line: customers' requests don't wait for capacity that was taken away.",
        )
    if settings.cloud not in RENTED:
        return
    if endpoint.runtime == "kubernetes" and settings.training.runtime != "kubernetes":
        yield Mistake(
            path_of(["endpoint", "runtime"]),
            f" is 'kubernetes' without a cluster; allowed on {settings.cloud}: managed, or kubernetes with "
            "skywright:training.runtime kubernetes, which makes the cluster",
            "Set skywright:training.runtime to kubernetes too, or remove the line.",
        )
    yield from _fits(
        settings,
        ["endpoint"],
        runtime=endpoint.runtime or "managed",
        accelerator=endpoint.accelerator,
        cpus=endpoint.cpus,
        cpus_key="cpus",
        cpu_class=endpoint.cpu_class,
        is_spot=endpoint.is_spot,
        purpose="serving",
    )


def _teams(settings: Settings) -> Iterator[Mistake]:
    """A quota on a kind that no pool has would never be met, and most likely is a slip of the pen."""
    held = {pool.accelerator.kind for pool in settings.training.pools.values() if pool.accelerator}
    for team, quota in settings.training.teams.items():
        for kind in quota.max_accelerators:
            if kind in held:
                continue
            yield Mistake(
                path_of(["training", "teams", team, "max_accelerators", kind]),
                f" names what no pool has; allowed: {', '.join(sorted(held)) or 'none, no pool has any'}",
                did_you_mean(kind, sorted(held)) or "Remove the line, or add a pool of that kind.",
            )


FITS: tuple[Callable[[Settings], Iterator[Mistake]], ...] = (
    _stack_name,
    _zones,
    _network_room,
    _own_ranges,
    _pools,
    _endpoint,
    _teams,
)
"""Asked once every key and type is right."""
