"""`ingress-closed` for Azure's security groups and for the network policies of Kubernetes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from policies.resources import UNKNOWN, Props
from policies.rule import Finding
from policies.rules import ingress
from policies.rules.ingress import open_ranges, open_source
from policies.rules.optional import records, text


@ingress.ingress_closed.also("azure-native:network:SecurityRule")
def security_rules(security_rule: Props) -> Iterator[Finding]:
    yield from _let_in(security_rule)


def _let_in(security_rule: Props) -> Iterator[Finding]:
    is_allowed = (text(security_rule, "access") or "Allow").casefold() == "allow"
    is_inbound = (text(security_rule, "direction") or "Inbound").casefold() == "inbound"
    if is_allowed and is_inbound:
        yield from open_source(security_rule, "sourceAddressPrefix")
        yield from open_ranges(security_rule, "sourceAddressPrefixes")


@ingress.ingress_closed.also("azure-native:network:NetworkSecurityGroup")
def security_groups(group: Props) -> Iterator[Finding]:
    for each in records(group, "securityRules"):
        yield from _let_in(each)


def _inbound(**props: Any) -> dict[str, Any]:
    return {"access": "Allow", "direction": "Inbound", "destinationPortRange": "22", **props}


_GOOD = [
    _inbound(sourceAddressPrefix="VirtualNetwork"),
    _inbound(sourceAddressPrefixes=["192.0.2.0/24"]),
    _inbound(access="Deny", sourceAddressPrefix="*"),
    _inbound(direction="Outbound", sourceAddressPrefix="*"),
]
_BAD = [_inbound(sourceAddressPrefix=source) for source in ("*", "Internet", "0.0.0.0/0", "Any", "::/0")] + [
    _inbound(sourceAddressPrefixes=["10.0.0.0/8", "0.0.0.0/0"])
]
_UNKNOWN = [_inbound(sourceAddressPrefix=UNKNOWN), _inbound(sourceAddressPrefix="*", access=UNKNOWN)]
security_rules.examples(good=_GOOD, bad=_BAD, unknown=_UNKNOWN)
security_groups.examples(
    good=[{}, {"securityRules": _GOOD}],
    bad=[{"securityRules": [_GOOD[0], item]} for item in _BAD],
    unknown=[{"securityRules": UNKNOWN}, {"securityRules": [_UNKNOWN[0]]}],
)


@ingress.ingress_closed.also("kubernetes:networking.k8s.io/v1:NetworkPolicy")
def network_policies(policy: Props) -> Iterator[Finding]:
    for way_in in records(policy.mapping("spec"), "ingress"):
        if not (sources := records(way_in, "from")):
            yield Finding(at=way_in.at("from"))
        for source in sources:
            block = source.get("ipBlock")
            if isinstance(block, Props):
                yield from open_source(block, "cidr")


def _policy(*ways_in: object) -> dict[str, Any]:
    return {"spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": list(ways_in)}}


network_policies.examples(
    good=[
        _policy(),
        _policy({"from": [{"podSelector": {}}]}),
        _policy({"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}),
    ],
    bad=[_policy({}), _policy({"from": []}), _policy({"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]})],
    unknown=[_policy({"from": UNKNOWN}), {"spec": UNKNOWN}],
)
