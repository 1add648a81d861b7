"""Cutting a network into subnets: arithmetic apart from resources."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network

from catalog.errors import UserError

SMALLEST_PREFIX = 28
"""The smallest subnet that AWS takes (/28); Azure and Google Cloud take /29."""


class InvalidNetwork(UserError):
    """The network is no network, or too small for its zones."""


@dataclass(frozen=True, slots=True)
class SubnetPlan:
    """One subnet of each kind for each zone, in the order of the zones."""

    public: tuple[str, ...]
    private: tuple[str, ...]


def subnet_cidrs(network: str, zones: int, *, private_share: float = 0.75) -> SubnetPlan:
    """Split `network` (IPv4 CIDR) into one public and one private subnet per zone, none overlapping, largest first.

    Private subnets are the largest aligned blocks of which `zones` fit into `private_share` of the network, taken from
    its beginning; public ones the largest that fit behind them. Raises InvalidNetwork with the smallest prefix that
    would fit when `network` is too small for `zones`.
    """
    whole = _parsed(network)
    plan = _cut(whole, zones, private_share)
    if plan is None:
        prefix = whole.prefixlen
        while prefix > 0 and _cut(IPv4Network((0, prefix)), zones, private_share) is None:
            prefix -= 1
        raise InvalidNetwork(
            f"network {network} is too small for {zones} zones; allowed: a prefix of /{prefix} or shorter",
            f"Give it more room, such as {whole.network_address}/{prefix}, or take fewer zones.",
        )
    return plan


def overlapping(networks: dict[str, str]) -> tuple[str, str] | None:
    """The names of the first two networks that share addresses; None when all are apart."""
    named = [(name, _parsed(network)) for name, network in networks.items()]
    for index, (name, network) in enumerate(named):
        for other, second in named[index + 1 :]:
            if network.overlaps(second):
                return name, other
    return None


def _parsed(network: str) -> IPv4Network:
    try:
        return IPv4Network(network)
    except ValueError as error:
        raise InvalidNetwork(
            f"network is {network!r}; allowed: an IPv4 network such as 10.0.0.0/16 ({error})"
        ) from None


def _cut(whole: IPv4Network, zones: int, private_share: float) -> SubnetPlan | None:
    room = int(whole.num_addresses * private_share)
    private = _prefix_of(room // zones)
    if private > SMALLEST_PREFIX:
        return None
    taken = zones << (32 - private)
    base = int(whole.network_address)
    for public in range(max(private, whole.prefixlen + 1), SMALLEST_PREFIX + 1):
        size = 1 << (32 - public)
        start = -(-taken // size) * size  # the first block of that size behind the private ones
        if start + zones * size <= whole.num_addresses:
            return SubnetPlan(
                public=tuple(f"{IPv4Network((base + start + index * size, public))}" for index in range(zones)),
                private=tuple(f"{IPv4Network((base + (index << (32 - private)), private))}" for index in range(zones)),
            )
    return None


def _prefix_of(addresses: int) -> int:
    """The prefix of the largest block that has at most so many addresses."""
    return 33 - addresses.bit_length() if addresses > 0 else 33
