"""Network, identity, storage and registry of AWS on the real engine, and what the API would refuse (tier: accepted)."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from infra.rehearsal.aws.stand_in import CLOUD
from infra.rehearsal.core import refusing
from tests.graph.foundation import declare_foundation, settings_of
from tests.rehearsal.aws_bed import Bed

pytestmark = pytest.mark.filterwarnings("ignore:.*has been deprecated in favor of:DeprecationWarning")

FACTS = {"region": "eu-west-1", "account": "123456789012", "partition": "aws", "suffix": "amazonaws.com"}
KEPT = {"aws:s3", "aws:kms", "aws:ecr", "aws:sagemaker"}


def test_the_foundation_comes_stays_changes_and_goes(tmp_path: Path) -> None:
    bed = Bed(tmp_path)
    tracking = {"tracking_server": "small"}
    bed.declare(network={"nat": "none"}, aws=tracking)
    made = bed.up()
    assert made.changes["create"] > 90
    proofs = bed.proofs()
    assert {name for name, proof in proofs.items() if proof.tier != "accepted"} == set()
    assert bed.engine.outputs()["data"].startswith("s3://skywright-small-data-")
    assert bed.up().is_unchanged

    bed.declare(network={"nat": "single"}, aws=tracking)
    changed = {(step.op, step.name) for step in bed.up().steps if step.op != "same"}
    replaced = [name for op, name in changed if "replace" in op]
    assert replaced == []
    assert {name for op, name in changed if op == "delete"} == {"network-ways-group", "network-ways-from-inside"} | {
        f"network-way-{way}"
        for way in ("ecr-api", "ecr-dkr", "sagemaker-api", "sagemaker-runtime", "logs", "metrics", "sts", "kms")
    }
    assert ("create", "network-nat-1") in changed

    bed.engine.destroy()
    left = {item.token.split("/")[0] for item in bed.account.objects()}
    assert left == KEPT  # the data, its key, the images and the versions: the stack retains its data


@pytest.fixture(scope="module")
def inputs() -> dict[str, tuple[str, dict[str, Any]]]:
    """(type, declared inputs) by logical name."""
    made = declare_foundation(settings_of(network={"nat": "none"}, aws={"tracking_server": "small"}))
    more = declare_foundation(settings_of())
    found = {item.name: (item.type, item.inputs) for item in [*more.graph.resources, *made.graph.resources]}
    for name, (kind, given) in found.items():
        if kind.endswith(":SecurityGroup"):
            given["name"] = f"{name}-0123456"  # the provider makes it up
    return found


def refusals(kind: str, given: dict[str, Any]) -> list[str]:
    return [found.message for found in refusing.verdict(CLOUD, kind, given, FACTS).refusals]


def test_nothing_that_is_declared_is_refused(inputs: dict[str, tuple[str, dict[str, Any]]]) -> None:
    kinds = {kind for kind, _ in inputs.values() if kind.startswith("aws:")}
    assert len(kinds) > 35
    assert {name: told for name, (kind, given) in inputs.items()
            if kind.startswith("aws:") and (told := refusals(kind, given))} == {}  # fmt: skip


def changed_document(text: str, change: str) -> str:
    """A policy document that is wrong in one way."""
    document = json.loads(text)
    statement = document["Statement"][0]
    match change:
        case "effect":
            statement["Effect"] = "Permit"
        case "action":
            statement["Action"] = "everything"
        case "version":
            document["Version"] = "2026-01-01"
        case "principal":
            statement["Principal"] = {"Somebody": "me"}
        case "resource":
            statement["Resource"] = "my-bucket"
        case "no resource":
            statement.pop("Resource")
    return json.dumps(document)


def expired(rules: list[dict[str, Any]], **expiration: Any) -> list[dict[str, Any]]:
    return [*rules[:-1], {**rules[-1], "expiration": expiration}]


WRONG = [
    ("network-training-group", "name", "sg-mine", "may not begin with sg-"),
    ("network-training-group", "description", "für alle", "is invalid"),
    ("network-training-https-out", "ipProtocol", "http", "Unknown protocol"),
    ("network-training-https-out", "fromPort", 70000, "portRange"),
    ("network-training-https-out", "cidrIpv4", "10.0.0.1/8", "malformed"),
    ("network-training-https-out", "referencedSecurityGroupId", "sg-1", "one source or target"),
    ("network-training-to-each-other", "fromPort", 80, "takes no ports"),
    ("network-private-1-out", "gatewayId", "igw-1", "one target"),
    ("network-way-s3", "subnetIds", ["subnet-1"], "not supported for a Gateway"),
    ("network-way-s3", "vpcEndpointType", "Door", "allowed: "),
    ("network-way-kms", "routeTableIds", ["rtb-1"], "not supported for an Interface"),
    ("network-way-kms", "subnetIds", [], "needs subnets"),
    ("network-flow-log", "maxAggregationInterval", 300, "60 or 600"),
    ("network-flow-log", "trafficType", "SOME", "allowed: "),
    ("network-flow-log", "iamRoleArn", None, "DeliverLogsPermissionArn"),
    ("network-flow-logs", "retentionInDays", 31, "retentionInDays is 31"),
    ("network-flow-logs", "name", "with space", "pattern"),
    ("network-logs-key", "deletionWindowInDays", 3, "between 7 and 30"),
    ("network-logs-key", "policy", lambda old: changed_document(old, "action"), "update the key policy in the future"),
    ("network-logs-key-alias", "name", "mine", "alias/"),
    ("network-logs-key-alias", "name", "alias/aws/mine", "reserved"),
    ("identity-approval-key", "keyUsage", "ENCRYPT_DECRYPT", "not compatible"),
    ("identity-approval-key", "customerMasterKeySpec", "ECC_9", "enum"),
    ("identity-approval-key", "enableKeyRotation", True, "no automatic rotation"),
    ("identity-training-role", "name", "a" * 65, "length"),
    ("identity-training-role", "assumeRolePolicy", lambda old: changed_document(old, "principal"), "Invalid principal"),
    ("identity-training-role", "assumeRolePolicy", "{}", "MalformedPolicyDocument"),
    ("identity-training-role", "permissionsBoundary", "short", "length"),
    ("storage-training-storage", "policy", lambda old: changed_document(old, "effect"), "Allow, Deny"),
    ("storage-training-storage", "policy", lambda old: changed_document(old, "resource"), "ARN format"),
    ("storage-training-storage", "policy", lambda old: changed_document(old, "no resource"), "Resource"),
    ("storage-training-storage", "policy", lambda old: changed_document(old, "version"), "version"),
    ("storage-training-storage", "policy", lambda old: old.replace("s3:GetObject", "s3:" + "G" * 10_240), "10240"),
    ("storage-data", "bucket", "Data", "InvalidBucketName"),
    ("storage-data", "bucket", "192.168.0.1", "InvalidBucketName"),
    ("storage-data", "bucket", "xn--data", "InvalidBucketName"),
    ("storage-data-versioning", "versioningConfiguration", {"status": "On"}, "Enabled"),
    ("storage-data-ownership", "rule", {"objectOwnership": "Me"}, "BucketOwnerEnforced"),
    ("storage-data-policy", "policy", lambda old: changed_document(old, "principal"), "Invalid principal"),
    ("storage-data-encryption", "rules",
     [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256", "kmsMasterKeyId": "k"}}], "not applicable"),
    ("storage-data-encryption", "rules", [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "rot13"}}], "AES256"),
    ("storage-checkpoints-lifecycle", "rules", lambda old: [*old, old[0]], "unique"),
    ("storage-checkpoints-lifecycle", "rules", lambda old: expired(old, days=0), "positive"),
    ("storage-checkpoints-lifecycle", "rules", lambda old: expired(old, days=1, expiredObjectDeleteMarker=True),
     "one of Days"),
    ("storage-checkpoints-lifecycle", "rules", lambda old: [{**old[0], "status": "On"}], "Enabled"),
    ("storage-data-logging", "targetPrefix", None, "required"),
    ("registry-images", "name", "Images", "pattern"),
    ("registry-images", "imageTagMutability", "FIXED", "IMMUTABLE"),
    ("registry-images", "encryptionConfigurations", [{"encryptionType": "AES256", "kmsKey": "k"}], "only for"),
    ("registry-images-retention", "policy", lambda old: old.replace('"any"', '"all"'), "tagStatus"),
    ("registry-images-retention", "policy", lambda old: old.replace('Priority": 2', 'Priority": 1'), "unique"),
    ("registry-images-retention", "policy", lambda old: old.replace('"countUnit": "days", ', ""), "countUnit"),
    ("registry-versions", "modelPackageGroupName", "with_underscore", "pattern"),
    ("registry-versions-policy", "resourcePolicy", "no", "MalformedPolicyDocument"),
    ("registry-tracking", "trackingServerSize", "Tiny", "Small"),
    ("registry-tracking", "artifactStoreUri", "ftp://x", "pattern"),
    ("registry-approvals-rule", "eventPattern", '{"source": "aws.sagemaker"}', "must be an object or an array"),
    ("registry-approvals-rule", "eventPattern", None, "must be specified"),
    ("registry-approvals-rule", "state", "ON", "ENABLED"),
    ("registry-approvals-target", "targetId", "with space", "pattern"),
    ("registry-approvals", "name", "with space", "Topic Name"),
    ("registry-approvals-policy", "policy", lambda old: changed_document(old, "action"), "prefaced by a vendor"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "key", "value", "words"), WRONG)
def test_what_the_api_would_refuse_is_refused(
    inputs: dict[str, tuple[str, dict[str, Any]]], name: str, key: str, value: Any, words: str
) -> None:
    kind, given = copy.deepcopy(inputs[name])
    made = value(given[key]) if callable(value) else value
    assert made != given.get(key)
    given = {**given, key: made} if made is not None else {item: held for item, held in given.items() if item != key}
    told = refusals(kind, given)
    assert told, f"{name}: {key} = {made!r} passed"
    assert any(words in message for message in told), told
