"""No firewall of AWS or Google Cloud lets everybody in."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

from policies.examples import declared
from policies.graph import Node
from policies.resources import UNKNOWN, Props, Resource
from policies.rule import Finding, Severity, rule
from policies.rules.demands import is_public, network
from policies.rules.optional import flag, is_given, records, text, texts

WIDEST_V4, WIDEST_V6 = 8, 16
"""Shorter prefixes are everybody in all but name: two halves of the Internet are still the Internet."""

GROUP_RULE = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"


def is_open(source: str | None) -> bool:
    """Whether a range, or one of Azure's words, stands for everybody."""
    if source is None:
        return False
    if source.casefold() in ("*", "any", "internet"):
        return True
    try:
        given = ipaddress.ip_network(source, strict=False)
    except ValueError:
        return False
    return given.prefixlen < (WIDEST_V4 if given.version == 4 else WIDEST_V6)


def open_ranges(holder: Props, *keys: str) -> Iterator[Finding]:
    """Of lists of ranges, those that stand for everybody."""
    for key in keys:
        for index, source in enumerate(texts(holder, key)):
            if is_open(source):
                yield Finding(at=f"{holder.at(key)}[{index}]", found=source)


def open_source(holder: Props, *keys: str) -> Iterator[Finding]:
    """Of single ranges, those that stand for everybody."""
    for key in keys:
        if is_open(source := text(holder, key)):
            yield Finding(at=holder.at(key), found=source)


@rule(
    "ingress-closed",
    Severity.CRITICAL,
    types=(GROUP_RULE,),
    title="No firewall lets everybody in",
    why="A port that answers everybody is tried by everybody; SSH and notebooks fall first.",
    remedy="Name the ranges or the groups that may come in; where skywright:network.is_api_public is declared, "
    "443 may be open on what stands in front of an endpoint.",
    joins=True,
)
def ingress_closed(ingress: Node) -> Iterator[Finding]:
    if not _is_declared_https(ingress, ingress):
        yield from open_source(ingress, "cidrIpv4", "cidrIpv6")


def _is_declared_https(node: Node, ports: Props) -> bool:
    protocol = text(ports, "ipProtocol") or text(ports, "protocol")
    is_https = protocol in ("tcp", "6") and ports.get("fromPort") == ports.get("toPort") == 443
    return is_https and is_public(node.graph)


def _rule(declares: object = None, **props: Any) -> list[Resource]:
    return [network(is_api_public=declares), declared(GROUP_RULE, "it", **{"ipProtocol": "tcp", **props})]


_HTTPS = {"fromPort": 443, "toPort": 443}
ingress_closed.examples(
    good=[
        _rule(cidrIpv4="10.0.0.0/8", fromPort=22, toPort=22),
        _rule(referencedSecurityGroupId=UNKNOWN),
        _rule(True, cidrIpv4="0.0.0.0/0", **_HTTPS),
    ],
    bad=[
        _rule(cidrIpv4="0.0.0.0/0", fromPort=22, toPort=22),
        _rule(cidrIpv6="::/0"),
        _rule(cidrIpv4="128.0.0.0/1"),
        _rule(cidrIpv4="0.0.0.0/0", **_HTTPS),
        _rule(True, cidrIpv4="0.0.0.0/0", fromPort=0, toPort=65535),
        _rule(True, cidrIpv4="0.0.0.0/0", ipProtocol="-1"),
    ],
    unknown=[_rule(cidrIpv4=UNKNOWN), _rule(UNKNOWN, cidrIpv4="0.0.0.0/0", **_HTTPS)],
)


@ingress_closed.also("aws:ec2/securityGroup:SecurityGroup", joins=True)
def inline_rules(group: Node) -> Iterator[Finding]:
    for ingress in records(group, "ingress"):
        if not _is_declared_https(group, ingress):
            yield from open_ranges(ingress, "cidrBlocks", "ipv6CidrBlocks")


def _group(declares: object = None, **ingress: Any) -> list[Resource]:
    rules = [{"protocol": "tcp", **ingress}]
    return [network(is_api_public=declares), declared("aws:ec2/securityGroup:SecurityGroup", "it", ingress=rules)]


inline_rules.examples(
    good=[
        _group(cidrBlocks=["10.0.0.0/16"]),
        _group(True, cidrBlocks=["0.0.0.0/0"], **_HTTPS),
        [declared("aws:ec2/securityGroup:SecurityGroup", "it")],
    ],
    bad=[_group(cidrBlocks=["10.0.0.0/16", "0.0.0.0/0"]), _group(ipv6CidrBlocks=["::/0"])],
    unknown=[_group(cidrBlocks=UNKNOWN), [declared("aws:ec2/securityGroup:SecurityGroup", "it", ingress=UNKNOWN)]],
)


@ingress_closed.also("aws:ec2/securityGroupRule:SecurityGroupRule", joins=True)
def classic_rules(ingress: Node) -> Iterator[Finding]:
    if text(ingress, "type") != "egress" and not _is_declared_https(ingress, ingress):
        yield from open_ranges(ingress, "cidrBlocks", "ipv6CidrBlocks")


def _classic(declares: object = None, **props: Any) -> list[Resource]:
    given = {"type": "ingress", "protocol": "tcp", **props}
    return [network(is_api_public=declares), Resource("aws:ec2/securityGroupRule:SecurityGroupRule", "it", given)]


classic_rules.examples(
    good=[
        _classic(type="egress", cidrBlocks=["0.0.0.0/0"]),
        _classic(cidrBlocks=["192.0.2.0/24"]),
        _classic(True, cidrBlocks=["0.0.0.0/0"], **_HTTPS),
    ],
    bad=[_classic(cidrBlocks=["0.0.0.0/0"]), _classic(ipv6CidrBlocks=["::/0"], type=None)],
    unknown=[_classic(cidrBlocks=UNKNOWN), _classic(cidrBlocks=["0.0.0.0/0"], type=UNKNOWN)],
)
ADMIN_PORTS = (22, 3389)


@ingress_closed.also("aws:ec2/networkAclRule:NetworkAclRule")
def acl_rules(acl: Props) -> Iterator[Finding]:
    """A subnet's list is the second wall: asked for are only the ports that administer machines."""
    if flag(acl, "egress") or text(acl, "ruleAction") == "deny" or not _covers_admin_ports(acl):
        return
    yield from open_source(acl, "cidrBlock", "ipv6CidrBlock")


def _covers_admin_ports(acl: Props) -> bool:
    if text(acl, "protocol") not in ("tcp", "6"):
        return text(acl, "protocol") in (None, "-1", "all")
    if acl.get("fromPort") is None or acl.get("toPort") is None:
        return True
    return any(acl.number("fromPort") <= port <= acl.number("toPort") for port in ADMIN_PORTS)


def _acl(**props: Any) -> dict[str, Any]:
    return {"ruleAction": "allow", "protocol": "tcp", "cidrBlock": "0.0.0.0/0", "fromPort": 22, "toPort": 22, **props}


acl_rules.examples(
    good=[_acl(egress=True), _acl(ruleAction="deny"), _acl(fromPort=1024, toPort=2048), _acl(cidrBlock="10.0.0.0/8")],
    bad=[_acl(), _acl(fromPort=0, toPort=65535), _acl(protocol="-1"), _acl(cidrBlock=None, ipv6CidrBlock="::/0")],
    unknown=[_acl(cidrBlock=UNKNOWN), _acl(egress=UNKNOWN)],
)


@ingress_closed.also("gcp:compute/firewall:Firewall")
def firewalls(firewall: Props) -> Iterator[Finding]:
    """What names no source lets in everybody; `sourceTags` narrow only where no range stands beside them."""
    if (text(firewall, "direction") or "INGRESS") != "INGRESS" or flag(firewall, "disabled"):
        return
    if not records(firewall, "allows"):
        return
    yield from open_ranges(firewall, "sourceRanges")
    if not any(is_given(firewall, key) for key in ("sourceRanges", "sourceTags", "sourceServiceAccounts")):
        yield Finding(at="sourceRanges")


def _firewall(**props: Any) -> dict[str, Any]:
    return {"allows": [{"protocol": "tcp", "ports": ["22"]}], **props}


firewalls.examples(
    good=[
        _firewall(sourceRanges=["10.0.0.0/8"]),
        _firewall(sourceTags=["training"]),
        _firewall(direction="EGRESS"),
        _firewall(disabled=True, sourceRanges=["0.0.0.0/0"]),
        {"denies": [{"protocol": "all"}], "sourceRanges": ["0.0.0.0/0"]},
    ],
    bad=[_firewall(), _firewall(sourceRanges=["0.0.0.0/0"]), _firewall(sourceRanges=["::/0"], sourceTags=["t"])],
    unknown=[_firewall(sourceRanges=UNKNOWN), {"allows": UNKNOWN}, _firewall(direction=UNKNOWN)],
)
