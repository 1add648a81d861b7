"""The rules on encryption, transit, exposure, ingress and networks, on what the example stacks really declare.

Their truth tables stand beside them. Here: they name what the SDKs have, and see what is taken from a real graph.
"""

from __future__ import annotations

import functools
import importlib.util
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.reading import declared
from infra.settings import from_file
from policies import Resource
from policies.graph import Graph
from policies.rule import Check, Rule, Severity, Status, review
from policies.rules import all_rules
from policies.rules.ingress import is_open

STACKS = Path(__file__).parents[3] / "stacks"
NAMES = (
    "storage-encrypted", "registry-encrypted", "volumes-encrypted", "endpoints-encrypted", "logs-encrypted",
    "topics-encrypted", "cluster-secrets-encrypted", "keys-rotate", "storage-tls-only", "tls-minimum-version",
    "training-traffic-encrypted", "storage-not-public", "addresses-not-public", "api-server-private",
    "endpoints-private", "ingress-closed", "default-group-closed", "network-flow-logs", "network-default-deny",
)  # fmt: skip
RULES = [item for item in all_rules() if item.name in NAMES]
CHECKS = {f"{item.name}-{number}": check for item in RULES for number, check in enumerate(item.checks)}
NAMED = re.compile(r"__init__\(\s*'([\w-]+:[\w/]+:\w+)'|getter\(name=\"(\w+)\"\)|def (\w+)\(self\)")
PACKAGES = {"aws": "pulumi_aws", "gcp": "pulumi_gcp", "azure-native": "pulumi_azure_native"}


def test_every_rule_is_there() -> None:
    assert {item.name for item in RULES} == set(NAMES)


@functools.cache
def sdk(package: str, module: str) -> frozenset[str]:
    """What one module of a provider's SDK names: types and properties. Importing them all would take gigabytes."""
    found = importlib.util.find_spec(PACKAGES[package])
    assert found and found.submodule_search_locations
    folder = Path(found.submodule_search_locations[0]) / {"lambda": "lambda_"}.get(module, module)
    return frozenset(
        name
        for path in folder.glob("*.py")
        for names in NAMED.findall(path.read_text(encoding="utf-8"))
        for name in names
    )


def module_of(token: str) -> tuple[str, str] | None:
    package, module, _ = token.split(":", 2)
    return (package, module.split("/")[0]) if package in PACKAGES else None


@pytest.mark.parametrize("name", CHECKS)
def test_types_are_the_sdks_own(name: str) -> None:
    for token in CHECKS[name].types:
        if home := module_of(token):
            assert token in sdk(*home), token


def keys_of(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield key
            yield from keys_of(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from keys_of(item)


def props_of(check: Check) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Of every example: a type with its properties."""
    for example in (*check.good, *check.bad, *check.unknown):
        if isinstance(example, Mapping):
            yield check.types[0], example
        else:
            yield from ((item.type, item.props) for item in example)


DOCUMENTS = frozenset({"Statement", "Version", "Effect", "Principal", "AWS", "Action", "Resource", "Condition", "Bool",
                       "aws:SecureTransport"})  # fmt: skip


@pytest.mark.parametrize("name", CHECKS)
def test_keys_are_the_sdks_own(name: str) -> None:
    for token, props in props_of(CHECKS[name]):
        if home := module_of(token):
            assert set(keys_of(props)) - DOCUMENTS <= sdk(*home), token


@functools.cache
def resources(stack: str) -> tuple[Resource, ...]:
    return tuple(declared(from_file(STACKS / f"Pulumi.{stack}.yaml")))


def violated(items: list[Resource]) -> set[tuple[str, str]]:
    """Rule and type of each violation."""
    results = review(Graph(items), RULES)
    assert [item.message for item in results if item.status is Status.FAILED] == []
    return {(item.rule.name, item.resource.type) for item in results if item.status is Status.VIOLATED}


PRODUCTION = ("aws-prod", "gcp-prod", "azure-prod", "kubernetes-prod")


@pytest.mark.parametrize("stack", PRODUCTION)
def test_production_breaks_no_grave_rule(stack: str) -> None:
    grave = {item.name for item in RULES if item.severity.rank >= Severity.HIGH.rank}
    assert {name for name, _ in violated(list(resources(stack)))} & grave == set()


def without(stack: str, token: str) -> list[Resource]:
    kept = [item for item in resources(stack) if item.type != token]
    assert len(kept) < len(resources(stack)), f"{stack} declares no {token}"
    return kept


@pytest.mark.parametrize(
    ("stack", "token", "rule", "found_on"),
    [
        ("aws-prod", "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
         "storage-encrypted", "aws:s3/bucket:Bucket"),
        ("aws-prod", "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", "storage-not-public",
         "aws:s3/bucket:Bucket"),
        ("aws-prod", "aws:s3/bucketPolicy:BucketPolicy", "storage-tls-only", "aws:s3/bucket:Bucket"),
        ("aws-prod", "aws:ec2/flowLog:FlowLog", "network-flow-logs", "aws:ec2/vpc:Vpc"),
        ("aws-prod", "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup", "default-group-closed", "aws:ec2/vpc:Vpc"),
        ("aws-prod", "aws:ec2/natGateway:NatGateway", "addresses-not-public", "aws:ec2/eip:Eip"),
        ("azure-prod", "azure-native:network:FlowLog", "network-flow-logs", "azure-native:network:VirtualNetwork"),
        ("azure-prod", "azure-native:network:NatGateway", "addresses-not-public",
         "azure-native:network:PublicIPAddress"),
        ("kubernetes-prod", "kubernetes:networking.k8s.io/v1:NetworkPolicy", "network-default-deny",
         "kubernetes:core/v1:Namespace"),
    ],
)  # fmt: skip
def test_what_is_taken_away_is_missed(stack: str, token: str, rule: str, found_on: str) -> None:
    assert (rule, found_on) in violated(without(stack, token))


def changed(stack: str, token: str, path: str, value: Any) -> list[Resource]:
    """The stack with a value (None: nothing) at that path of each resource of the type."""
    *above, key = path.split(".")

    def edited(props: Mapping[str, Any], steps: list[str]) -> dict[str, Any]:
        if not steps:
            return {
                **{name: item for name, item in props.items() if name != key},
                **({} if value is None else {key: value}),
            }
        inner = props.get(steps[0])
        return {**props, steps[0]: edited(inner if isinstance(inner, Mapping) else {}, steps[1:])}

    assert any(item.type == token for item in resources(stack)), f"{stack} declares no {token}"
    return [replace(item, props=edited(item.props, above)) if item.type == token else item for item in resources(stack)]


@pytest.mark.parametrize(
    ("stack", "token", "path", "value", "rule"),
    [
        ("aws-prod", "aws:ecr/repository:Repository", "encryptionConfigurations", None, "registry-encrypted"),
        ("aws-prod", "aws:cloudwatch/logGroup:LogGroup", "kmsKeyId", None, "logs-encrypted"),
        ("aws-prod", "aws:sns/topic:Topic", "kmsMasterKeyId", None, "topics-encrypted"),
        ("aws-prod", "aws:sqs/queue:Queue", "sqsManagedSseEnabled", False, "topics-encrypted"),
        ("aws-prod", "aws:kms/key:Key", "enableKeyRotation", None, "keys-rotate"),
        ("aws-prod", "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", "cidrIpv4", "0.0.0.0/0",
         "ingress-closed"),
        ("aws-prod", "aws:ec2/subnet:Subnet", "mapPublicIpOnLaunch", True, "addresses-not-public"),
        ("gcp-prod", "gcp:storage/bucket:Bucket", "encryption.defaultKmsKeyName", None, "storage-encrypted"),
        ("gcp-prod", "gcp:storage/bucket:Bucket", "publicAccessPrevention", "inherited", "storage-not-public"),
        ("gcp-prod", "gcp:storage/bucketIAMMember:BucketIAMMember", "member", "allUsers", "storage-not-public"),
        ("gcp-prod", "gcp:artifactregistry/repository:Repository", "kmsKeyName", None, "registry-encrypted"),
        ("gcp-prod", "gcp:vertex/aiEndpoint:AiEndpoint", "encryptionSpec", None, "endpoints-encrypted"),
        ("gcp-prod", "gcp:logging/projectBucketConfig:ProjectBucketConfig", "cmekSettings", None, "logs-encrypted"),
        ("gcp-prod", "gcp:pubsub/topic:Topic", "kmsKeyName", None, "topics-encrypted"),
        ("gcp-prod", "gcp:kms/cryptoKey:CryptoKey", "rotationPeriod", None, "keys-rotate"),
        ("gcp-prod", "gcp:compute/firewall:Firewall", "sourceRanges", ["0.0.0.0/0"], "ingress-closed"),
        ("gcp-prod", "gcp:compute/subnetwork:Subnetwork", "logConfig", None, "network-flow-logs"),
        ("azure-prod", "azure-native:storage:StorageAccount", "encryption.keySource", "Microsoft.Storage",
         "storage-encrypted"),
        ("azure-prod", "azure-native:storage:StorageAccount", "enableHttpsTrafficOnly", False, "storage-tls-only"),
        ("azure-prod", "azure-native:storage:StorageAccount", "minimumTlsVersion", None, "tls-minimum-version"),
        ("azure-prod", "azure-native:storage:StorageAccount", "allowBlobPublicAccess", True, "storage-not-public"),
        ("azure-prod", "azure-native:storage:BlobContainer", "publicAccess", "Container", "storage-not-public"),
        ("azure-prod", "azure-native:containerregistry:Registry", "encryption", None, "registry-encrypted"),
        ("azure-prod", "azure-native:containerregistry:Registry", "publicNetworkAccess", "Enabled",
         "endpoints-private"),
        ("azure-prod", "azure-native:machinelearningservices:Workspace", "encryption.status", "Disabled",
         "endpoints-encrypted"),
        ("azure-prod", "azure-native:machinelearningservices:Workspace", "publicNetworkAccess", None,
         "endpoints-private"),
        ("azure-prod", "azure-native:machinelearningservices:OnlineEndpoint", "properties.publicNetworkAccess",
         "Enabled", "endpoints-private"),
        ("azure-prod", "azure-native:machinelearningservices:Compute", "properties.properties.enableNodePublicIp",
         None, "addresses-not-public"),
        ("azure-prod", "azure-native:keyvault:Key", "properties.rotationPolicy", None, "keys-rotate"),
        ("azure-prod", "azure-native:keyvault:Vault", "properties.publicNetworkAccess", "Enabled",
         "endpoints-private"),
        ("azure-prod", "azure-native:network:Subnet", "networkSecurityGroup", None, "default-group-closed"),
        ("azure-prod", "azure-native:network:NetworkSecurityGroup", "securityRules",
         [{"access": "Allow", "direction": "Inbound", "sourceAddressPrefix": "*"}], "ingress-closed"),
        ("kubernetes-prod", "kubernetes:core/v1:Service", "spec.externalIPs", ["192.0.2.1"], None),
    ],
)  # fmt: skip
def test_what_is_weakened_is_found(stack: str, token: str, path: str, value: Any, rule: str | None) -> None:
    """kubernetes-prod declares that its API is public, and so may its services be."""
    found = violated(changed(stack, token, path, value))
    assert (rule is None) or (rule, token) in found, found
    assert rule is not None or ("endpoints-private", token) not in found


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("0.0.0.0/0", True), ("::/0", True), ("0.0.0.0/1", True), ("2000::/3", True), ("*", True), ("Internet", True),
        ("any", True), ("10.0.0.0/8", False), ("192.0.2.7/32", False), ("192.0.2.7", False), ("fd00::/16", False),
        ("VirtualNetwork", False), ("", False), (None, False),
    ],
)  # fmt: skip
def test_everybody_has_many_names(source: str | None, expected: bool) -> None:
    assert is_open(source) is expected


def test_a_rule_says_where_it_has_a_meaning() -> None:
    by_name: dict[str, Rule] = {item.name: item for item in RULES}
    everywhere = {"aws", "gcp", "azure-native"}
    for name in ("storage-encrypted", "registry-encrypted", "cluster-secrets-encrypted", "keys-rotate",
                 "storage-not-public", "network-flow-logs"):  # fmt: skip
        assert set(by_name[name].clouds) >= everywhere, name
    for name in ("volumes-encrypted", "addresses-not-public", "endpoints-private", "ingress-closed",
                 "network-default-deny", "tls-minimum-version", "training-traffic-encrypted"):  # fmt: skip
        assert set(by_name[name].clouds) >= {*everywhere, "kubernetes"}, name
