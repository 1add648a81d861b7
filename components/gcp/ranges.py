"""Cutting a network into the ranges of one region. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network

from catalog.errors import mistake

LONGEST_PREFIX = 20
"""A cluster's pods want a /21 at least, and they get half. https://cloud.google.com/kubernetes-engine/docs/concepts/alias-ips"""

SMALLEST_SERVICES, SMALLEST_PEERING = 20, 16
"""More services than fit a /20 no cluster has; a peering that big serves 32 training jobs of 2,000 machines."""


@dataclass(frozen=True, slots=True)
class Ranges:
    """`nodes` and the secondary ranges of the one subnetwork, and `peering`, which Google's own network gets."""

    nodes: str
    pods: str
    services: str
    peering: str


def ranges_of(cidr: str) -> Ranges:
    """The lower quarter for nodes, an eighth each for services and peering at the most, the upper half for pods.

    Raises UserError where the network is too small for a cluster.
    """
    whole = IPv4Network(cidr)
    if whole.prefixlen > LONGEST_PREFIX:
        raise mistake(
            "skywright:network.cidr",
            cidr,
            f"on gcp a prefix from /8 to /{LONGEST_PREFIX}",
            f"Give it more room, such as {whole.supernet(new_prefix=LONGEST_PREFIX)}.",
        )
    lower, pods = whole.subnets(prefixlen_diff=1)
    nodes, rest = lower.subnets(prefixlen_diff=1)
    services, peering = rest.subnets(prefixlen_diff=1)
    return Ranges(str(nodes), str(pods), _at_most(services, SMALLEST_SERVICES), _at_most(peering, SMALLEST_PEERING))


def _at_most(network: IPv4Network, prefix: int) -> str:
    return f"{network.network_address}/{max(network.prefixlen, prefix)}"
