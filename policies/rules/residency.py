"""Where things lie."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

from policies.examples import declared
from policies.graph import Graph, Node
from policies.resources import UNKNOWN, Props
from policies.rule import Finding, Severity, rule
from policies.rules.classification import classified, is_sensitive
from policies.rules.optional import mapping, records, text, texts

NOWHERE = ("", "global")
"""What isn't in any region: names, policies, DNS."""

KEYS = ("region", "location", "zone", "availabilityZone")
ZONE = re.compile(r"(?P<region>[a-z]+(-[a-z]+)+-?\d+)-?[a-z]")
"""A zone of AWS or Google Cloud: eu-west-1a, europe-west4-b."""


@rule(
    "regions-allowed",
    Severity.HIGH,
    types=("aws:*", "gcp:*", "azure-native:*", "pulumi:providers:*", "skywright:*:Network"),
    joins=True,
    title="Everything lies in an allowed region",
    why="Data that crosses a border comes under another law, and moving it back doesn't undo that.",
    remedy="Declare it in a region of allowed_regions, or have the region allowed in policies/enforcement.yaml.",
)
def regions_allowed(resource: Node) -> Iterator[Finding]:
    """Where nothing is listed, data of people lies in the stack's own region, and all else where it likes."""
    if (allowed := _allowed(resource.graph)) is not None:
        for key in KEYS:
            given = text(resource, key)
            if given is not None and not _is_in(given, allowed):
                yield Finding(at=key, found=given)


@functools.lru_cache(maxsize=4)
def _allowed(graph: Graph) -> frozenset[str] | None:
    """None: any region."""
    if graph.parameters.get("allowed_regions") is not None:
        return frozenset(_plain(name) for name in texts(graph.parameters, "allowed_regions"))
    if not is_sensitive(graph):
        return None
    return frozenset(_plain(region) for node in graph.components if (region := text(node, "region")))


def _is_in(given: str, allowed: frozenset[str]) -> bool:
    name = _plain(given)
    zone = ZONE.fullmatch(name)
    return name in NOWHERE or name in allowed or (zone is not None and zone["region"] in allowed)


def _plain(name: str) -> str:
    """Azure writes West Europe and westeurope, Google Cloud EUROPE-WEST4 and europe-west4."""
    return name.replace(" ", "").lower()


_BUCKET, _ACCOUNT, _DISK = "gcp:storage/bucket:Bucket", "azure-native:storage:StorageAccount", "gcp:compute/disk:Disk"

regions_allowed.examples(
    good=[
        [declared(_BUCKET, "a", location="us-east1")],
        [classified("internal"), declared(_BUCKET, "a", location="us-east1")],
        [classified(), declared("aws:s3/bucket:Bucket", "a", region="eu-west-1")],
        [classified(), declared("aws:s3/bucket:Bucket", "a")],
        [classified(), declared("aws:ec2/subnet:Subnet", "a", availabilityZone="eu-west-1b")],
        [classified(), declared("azure-native:privatedns:PrivateZone", "a", location="Global")],
        [classified("health, internal"), declared(_ACCOUNT, "a", location="EU-West-1")],
    ],
    bad=[
        [classified(), declared("aws:s3/bucket:Bucket", "a", region="us-east-1")],
        [classified("health"), declared("pulumi:providers:aws", "a", region="us-east-1")],
        [classified(), declared("aws:ec2/subnet:Subnet", "a", availabilityZone="eu-west-2b")],
        [classified(), declared(_BUCKET, "a", location="EU")],
        [classified(), declared(_DISK, "a", zone="us-east1-b")],
        [classified(), declared(_ACCOUNT, "a", location="West US")],
    ],
    unknown=[[classified(), declared(_BUCKET, "a", location=UNKNOWN)]],
)


@regions_allowed.also(
    "aws:dynamodb/table:Table", "aws:ecr/replicationConfiguration:ReplicationConfiguration",
    "aws:secretsmanager/secret:Secret", "azure-native:cosmosdb:DatabaseAccount", "gcp:pubsub/topic:Topic",
    joins=True,
)  # fmt: skip
def _copies(resource: Node) -> Iterator[Finding]:
    """Where a service itself makes copies."""
    if (allowed := _allowed(resource.graph)) is not None:
        for at, name in _copied_to(resource):
            if not _is_in(name, allowed):
                yield Finding(at=at, found=name)


def _copied_to(resource: Props) -> Iterator[tuple[str, str]]:
    replication = mapping(resource, "replicationConfiguration")
    destinations = [item for each in records(replication, "rules") for item in records(each, "destinations")]
    for place in (*records(resource, "replicas"), *records(resource, "locations"), *destinations):
        for key in ("region", "regionName", "locationName"):
            if name := text(place, key):
                yield place.at(key), name
    policy = mapping(resource, "messageStoragePolicy")
    for name in texts(policy, "allowedPersistenceRegions"):
        yield policy.at("allowedPersistenceRegions"), name


_TABLE, _IMAGES = "aws:dynamodb/table:Table", "aws:ecr/replicationConfiguration:ReplicationConfiguration"


def _replicated(region: object) -> dict[str, object]:
    return {"rules": [{"destinations": [{"region": region, "registryId": "1"}]}]}


_copies.examples(
    good=[
        [declared(_TABLE, "a", replicas=[{"regionName": "us-east-1"}])],
        [classified(), declared(_TABLE, "a", replicas=[{"regionName": "eu-west-1"}])],
        [classified(), declared(_TABLE, "a")],
    ],
    bad=[
        [classified(), declared(_TABLE, "a", replicas=[{"regionName": "us-east-1"}])],
        [classified(), declared(_IMAGES, "a", replicationConfiguration=_replicated("us-east-1"))],
        [
            classified(),
            declared(
                "gcp:pubsub/topic:Topic", "a", messageStoragePolicy={"allowedPersistenceRegions": ["eu-west-1", "us"]}
            ),
        ],
    ],
    unknown=[
        [classified(), declared(_TABLE, "a", replicas=UNKNOWN)],
        [classified(), declared(_IMAGES, "a", replicationConfiguration=_replicated(UNKNOWN))],
    ],
)
