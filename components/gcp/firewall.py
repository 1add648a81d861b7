"""Who may talk to whom: nobody comes in from outside, instances of a job reach each other."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_gcp as gcp

from components.contract import Component
from components.gcp import names

LAST = 65_534
"""The last priority before Google's own rules; clusters make theirs at 1,000."""


def declare_firewall(
    owner: Component[Any, Any],
    project: pulumi.Input[str],
    network: gcp.compute.Network,
    *,
    nodes_cidr: str,
    tag: str,
) -> None:
    """Google denies what no rule allows, without a word; ours does it with a log."""
    gcp.compute.Firewall(
        owner.child_name("deny-ingress"),
        project=project,
        name=owner.ctx.name(names.COMPUTE, "deny-ingress"),
        description="Nobody comes in",
        network=network.id,
        direction="INGRESS",
        priority=LAST,
        source_ranges=["0.0.0.0/0"],
        denies=[gcp.compute.FirewallDenyArgs(protocol="all")],
        log_config=gcp.compute.FirewallLogConfigArgs(metadata="INCLUDE_ALL_METADATA"),
        opts=owner.child(delete_before_replace=True),
    )
    gcp.compute.Firewall(
        owner.child_name("allow-training"),
        project=project,
        name=owner.ctx.name(names.COMPUTE, "allow-training"),
        description="Instances of a job reach each other",
        network=network.id,
        direction="INGRESS",
        priority=1000,
        source_ranges=[nodes_cidr],
        target_tags=[tag],
        allows=[gcp.compute.FirewallAllowArgs(protocol=protocol) for protocol in ("tcp", "udp", "icmp")],
        opts=owner.child(delete_before_replace=True),
    )
