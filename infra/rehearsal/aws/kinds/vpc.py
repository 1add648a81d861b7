"""Rules of security groups, each a resource of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network
from typing import Any

from infra.rehearsal.aws.kinds.ec2_access import GROUP
from infra.rehearsal.aws.model import operation
from infra.rehearsal.aws.networks import exactly_one, group_text, tags_of
from infra.rehearsal.core.fit import Rule as FitRule
from infra.rehearsal.core.kinds import Kind, Rule, Unique
from infra.rehearsal.core.operations import Calls

PERMISSIONS = "https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpPermission.html"
SOURCES = ("cidrIpv4", "cidrIpv6", "prefixListId", "referencedSecurityGroupId")
PROTOCOLS = ("tcp", "udp", "icmp", "icmpv6", "-1")


def _permission(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    protocol = str(inputs["ipProtocol"])
    if protocol not in PROTOCOLS and not (protocol.isdigit() and int(protocol) <= 255):
        yield "ipProtocol", f"InvalidParameterValue: Invalid value '{protocol}' for IP protocol. Unknown protocol."
    first, last = inputs.get("fromPort"), inputs.get("toPort")
    if protocol == "-1" and (first is not None or last is not None):
        yield "fromPort", "InvalidParameterValue: a rule for all protocols takes no ports"
    if protocol in ("tcp", "udp"):
        if first is None or last is None:
            yield "fromPort", "MissingParameter: FromPort and ToPort must be given for tcp and udp"
        elif not 0 <= first <= last <= 65535:
            yield "fromPort", f"InvalidParameterValue: Invalid value for portRange: {first} to {last}"
    if cidr := inputs.get("cidrIpv4"):
        try:
            IPv4Network(cidr)
        except ValueError:
            yield "cidrIpv4", f"InvalidParameterValue: CIDR block {cidr} is malformed"


def _rule(word: str) -> Kind:
    direction = word.removeprefix("securityGroup").removesuffix("Rule")
    way = {
        "cidrIpv4": "IpRanges[].CidrIp",
        "referencedSecurityGroupId": "UserIdGroupPairs[].GroupId",
        "prefixListId": "PrefixListIds[].PrefixListId",
    }
    common: dict[str, FitRule] = {
        "securityGroupId": "GroupId",
        "ipProtocol": "IpPermissions[].IpProtocol",
        "fromPort": "IpPermissions[].FromPort",
        "toPort": "IpPermissions[].ToPort",
        **tags_of("security-group-rule"),
    }
    calls = [
        operation(
            "ec2",
            f"AuthorizeSecurityGroup{direction}",
            {
                **common,
                source: f"IpPermissions[].{member}",
                "description": f"IpPermissions[].{member.split('.')[0]}.Description",
            },
            when=source,
            omits=tuple(other for other in way if other != source),
        )
        for source, member in way.items()
    ]
    return Kind(
        f"aws:vpc/{word}:{word[0].upper()}{word[1:]}",
        judge=Calls("botocore ec2", *calls),
        id="sgr-{hex:17}",
        outputs={
            "arn": "arn:aws:ec2:{region}:{account}:security-group-rule/{id}",
            "securityGroupRuleId": "{id}",
        },
        references={
            "securityGroupId": GROUP,
            "referencedSecurityGroupId": GROUP,
        },
        unique=(
            Unique(
                ("securityGroupId", "ipProtocol", "fromPort", "toPort", *SOURCES),
                "InvalidPermission.Duplicate: the specified rule already exists in {securityGroupId}",
            ),
        ),
        rules=(
            exactly_one(SOURCES, "InvalidParameterCombination: one source or target must be named", PERMISSIONS),
            Rule(PERMISSIONS, _permission, needs=("ipProtocol", "fromPort", "toPort", "cidrIpv4")),
            group_text("description"),
        ),
        immutable=frozenset({"securityGroupId"}),
    )


KINDS: tuple[Kind, ...] = (_rule("securityGroupIngressRule"), _rule("securityGroupEgressRule"))
