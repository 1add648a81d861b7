"""What network, identity, storage and registry declare on AWS (tier: graph); that the APIs take it is held in
tests/rehearsal."""

from __future__ import annotations

import functools
import importlib
import inspect
import json
import re
from ipaddress import IPv4Network
from typing import Any

import botocore.session
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.errors import UserError
from tests.graph.foundation import Foundation, declare_foundation, settings_of
from tests.graph.outputs_aws import ACCOUNT

pytestmark = pytest.mark.filterwarnings("ignore:.*has been deprecated in favor of:DeprecationWarning")

NETWORK_TYPES = ("Vpc", "Subnet", "NatGateway", "InternetGateway", "RouteTable", "VpcEndpoint", "FlowLog")
BROUGHT = {
    "vpc_id": "vpc-0123456789abcdef0",
    "private_subnet_ids": ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
    "kms_key_arn": "arn:aws:kms:eu-west-1:123456789012:key/01234567-89ab-cdef-0123-456789abcdef",
    "data_bucket": "our-data",
    "artifacts_bucket": "our-artifacts",
    "checkpoints_bucket": "our-checkpoints",
}


def documents(made: Foundation) -> list[tuple[str, dict[str, Any]]]:
    """Every policy document that is declared, by where it stands."""
    return [
        (f"{item.type} {item.name}", json.loads(item.inputs[key]))
        for item in made.graph.resources
        for key in ("policy", "assumeRolePolicy", "resourcePolicy")
        if item.inputs.get(key) and "LifecyclePolicy" not in item.type
    ]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize(
    ("nat", "nats", "interfaces", "public"), [("per_zone", 3, 0, 3), ("single", 1, 0, 3), ("none", 0, 8, 0)]
)
def test_each_way_out_has_what_it_needs_and_no_more(nat: str, nats: int, interfaces: int, public: int) -> None:
    made = declare_foundation(settings_of(network={"zones": 3, "nat": nat})).graph
    assert len(made.of(":NatGateway")) == len(made.of(":Eip")) == nats
    assert len(made.of(":InternetGateway")) == (1 if public else 0)
    subnets = made.of(":Subnet").values()
    assert len([subnet for subnet in subnets if "public" in subnet.name]) == public
    assert len([subnet for subnet in subnets if "private" in subnet.name]) == 3
    kinds = [way.inputs["vpcEndpointType"] for way in made.of(":VpcEndpoint").values()]
    assert sorted(kinds) == ["Gateway"] + ["Interface"] * interfaces
    routes = [route for name, route in made.of(":Route").items() if "private" in name]
    assert len(routes) == (3 if nats else 0)
    assert len({route.inputs["natGatewayId"] for route in routes}) == nats


def test_every_subnet_lies_alone_in_the_network_and_gives_no_public_address() -> None:
    subnets = declare_foundation(settings_of(network={"cidr": "10.9.0.0/16", "zones": 3})).graph.of(":Subnet").values()
    cidrs = [IPv4Network(subnet.inputs["cidrBlock"]) for subnet in subnets]
    assert all(cidr.subnet_of(IPv4Network("10.9.0.0/16")) for cidr in cidrs)
    assert not any(one.overlaps(other) for index, one in enumerate(cidrs) for other in cidrs[:index])
    assert {subnet.inputs["mapPublicIpOnLaunch"] for subnet in subnets} == {False}
    zones = [subnet.inputs["availabilityZone"] for subnet in subnets if "private" in subnet.name]
    assert zones == ["eu-west-1a", "eu-west-1b", "eu-west-1c"]


def test_interface_endpoints_can_be_had_beside_nat() -> None:
    made = declare_foundation(settings_of(aws={"interface_endpoints": True}))
    ways = {way.inputs["serviceName"] for way in made.graph.of(":VpcEndpoint").values()}
    assert {way.removeprefix("com.amazonaws.eu-west-1.") for way in ways} == {
        "s3", "ecr.api", "ecr.dkr", "sagemaker.api", "sagemaker.runtime", "logs", "monitoring", "sts", "kms",
    }  # fmt: skip
    assert made.outputs["network"].ways_group_id is not None


@pytest.mark.parametrize("nat", ["single", "none"])
def test_nobody_comes_in_from_outside(nat: str) -> None:
    made = declare_foundation(settings_of(network={"nat": nat})).graph
    for rule in made.of(":SecurityGroupIngressRule").values():
        assert rule.inputs.get("cidrIpv4", "10.0.0.0/16") == "10.0.0.0/16"
    (default,) = made.of(":DefaultSecurityGroup").values()
    assert default.inputs["ingress"] == default.inputs["egress"] == []


def test_ranks_of_a_job_reach_each_other_by_their_group() -> None:
    made = declare_foundation(settings_of()).graph
    for kind in (":SecurityGroupIngressRule", ":SecurityGroupEgressRule"):
        (rule,) = (rule for name, rule in made.of(kind).items() if "each-other" in name)
        assert rule.inputs["referencedSecurityGroupId"] == rule.inputs["securityGroupId"]


def test_flow_logs_are_kept_for_as_long_as_asked_under_the_stacks_key() -> None:
    made = declare_foundation(settings_of(monitoring={"log_retention_days": 100})).graph
    (log,) = made.of(":FlowLog").values()
    (group,) = made.of(":LogGroup").values()
    assert log.inputs["trafficType"] == "ALL"
    assert group.inputs["retentionInDays"] == 120
    assert ":key/" in group.inputs["kmsKeyId"]


def test_what_is_brought_is_not_made_and_nothing_of_it_is_changed() -> None:
    made = declare_foundation(settings_of(aws={"existing": BROUGHT}))
    for kind in (*NETWORK_TYPES, "Bucket", "BucketPolicy", "BucketPublicAccessBlock"):
        assert not made.graph.of(f":{kind}"), kind
    assert set(made.graph.of(":Key")) == {"identity-approval-key"}
    granted = json.dumps([document for _, document in documents(made)])
    for name in ("our-data", "our-artifacts", "our-checkpoints"):
        assert f"arn:aws:s3:::{name}/*" in granted
    assert BROUGHT["kms_key_arn"] in granted


def test_a_bucket_alone_can_be_brought() -> None:
    made = declare_foundation(settings_of(aws={"existing": {"data_bucket": "our-data"}})).graph
    assert set(made.of(":Bucket")) == {"storage-artifacts", "storage-checkpoints", "storage-access-logs"}


ON_ANY_RESOURCE = {"ecr:GetAuthorizationToken"}
"""Actions whose API names no resource."""


@pytest.mark.parametrize("tracking", ["none", "small"])
def test_nothing_is_granted_by_wildcard(tracking: str) -> None:
    made = declare_foundation(settings_of(network={"nat": "none"}, aws={"tracking_server": tracking}))
    found = documents(made)
    assert len(found) > 25
    for where, document in found:
        for statement in document["Statement"]:
            assert not {"NotAction", "NotResource", "NotPrincipal"} & set(statement)
            if statement["Effect"] == "Deny":
                continue
            assert not [action for action in listed(statement["Action"]) if "*" in action], where
            assert statement.get("Principal") != "*"
            if "Resource" not in statement or ":Key " in where:  # in a key's policy `*` is the key
                continue
            for resource in listed(statement["Resource"]):
                if resource == "*":
                    assert set(listed(statement["Action"])) <= ON_ANY_RESOURCE, where
                else:
                    assert "*" not in resource.split(":", 5)[5].split("/")[0], where  # the thing itself is named


def test_no_role_carries_more_than_iam_takes() -> None:
    """10,240 characters of inline policies on a role, white space aside; training and endpoint need some of it."""
    made = declare_foundation(settings_of(aws={"tracking_server": "large"})).graph
    sizes: dict[str, int] = {}
    for item in made.of(":RolePolicy").values():
        size = len(re.sub(r"\s", "", item.inputs["policy"]))
        sizes[item.inputs["role"]] = sizes.get(item.inputs["role"], 0) + size
    assert max(sizes.values()) < 6_000, sizes


def test_services_take_on_roles_for_this_account_only_and_people_by_a_second_factor() -> None:
    roles = declare_foundation(settings_of()).graph.of("role:Role")
    for name, role in roles.items():
        for statement in json.loads(role.inputs["assumeRolePolicy"])["Statement"]:
            if "Service" in statement["Principal"]:
                assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": ACCOUNT}, name
            else:
                assert statement["Condition"] == {"Bool": {"aws:MultiFactorAuthPresent": "true"}}, name
    people = {name for name, role in roles.items() if "MultiFactor" in role.inputs["assumeRolePolicy"]}
    assert people == {"identity-approver-role", "identity-viewer-role", "identity-admin-role"}


def test_only_the_approver_signs() -> None:
    keys = declare_foundation(settings_of()).graph.of(":Key")
    key = keys["identity-approval-key"].inputs
    assert (key["keyUsage"], key["customerMasterKeySpec"]) == ("SIGN_VERIFY", "ECC_NIST_P256")
    signers = [
        statement["Principal"]["AWS"]
        for statement in json.loads(key["policy"])["Statement"]
        if {"kms:Sign", "kms:CreateGrant"} & set(statement["Action"])
    ]
    assert signers == [f"arn:aws:iam::{ACCOUNT}:role/skywright-test-approver"]


def test_every_bucket_has_all_that_belongs_to_it() -> None:
    made = declare_foundation(settings_of(storage={"keep_checkpoints_days": 5, "noncurrent_days": 9})).graph
    buckets = {item.inputs["bucket"]: name for name, item in made.of(":Bucket").items()}
    assert len(buckets) == 4

    def by_bucket(kind: str) -> dict[str, dict[str, Any]]:
        return {buckets[item.inputs["bucket"]]: item.inputs for item in made.of(kind).values()}

    for kind in (
        ":BucketVersioning",
        ":BucketServerSideEncryptionConfiguration",
        ":BucketPublicAccessBlock",
        ":BucketOwnershipControls",
        ":BucketPolicy",
        ":BucketLifecycleConfiguration",
    ):
        assert set(by_bucket(kind)) == set(buckets.values()), kind
    assert set(by_bucket(":BucketLogging")) == set(buckets.values()) - {"storage-access-logs"}
    for name, inputs in by_bucket(":BucketServerSideEncryptionConfiguration").items():
        (rule,) = inputs["rules"]
        algorithm = rule["applyServerSideEncryptionByDefault"]["sseAlgorithm"]
        assert algorithm == ("AES256" if name == "storage-access-logs" else "aws:kms")
    for block in by_bucket(":BucketPublicAccessBlock").values():
        assert [value for key, value in block.items() if key != "bucket"] == [True] * 4
    for policy in by_bucket(":BucketPolicy").values():
        assert json.loads(policy["policy"])["Statement"][0]["Sid"] == "TlsOnly"
    rules = {name: inputs["rules"] for name, inputs in by_bucket(":BucketLifecycleConfiguration").items()}
    expiring = {rule["id"]: rule for rule in rules["storage-checkpoints"]}
    assert expiring["expire"]["expiration"]["days"] == 5
    assert expiring["clear-up"]["noncurrentVersionExpiration"]["noncurrentDays"] == 9
    assert [rule["id"] for rule in rules["storage-data"]] == ["clear-up"]


def test_access_logs_wait_for_the_policy_that_lets_s3_write_them() -> None:
    made = declare_foundation(settings_of()).graph
    order = [item.name for item in made.resources]
    for name in made.of(":BucketLogging"):
        assert order.index("storage-access-logs-policy") < order.index(name)


@pytest.mark.parametrize(
    ("environment", "retain", "is_protected", "is_kept", "is_emptied"),
    [("prod", True, True, True, False), ("prod", False, True, False, False), ("dev", True, False, True, False),
     ("dev", False, False, False, True)],
)  # fmt: skip
def test_what_holds_data_stays_as_the_stack_says(
    environment: str, retain: bool, is_protected: bool, is_kept: bool, is_emptied: bool
) -> None:
    made = declare_foundation(
        settings_of(environment=environment, owner="ml", cost_center="ml", storage={"retain_data": retain})
    )
    for name in ("storage-data", "storage-artifacts", "storage-key", "registry-images", "identity-approval-key"):
        assert bool(made.options[name].protect) is is_protected, name
        assert bool(made.options[name].retain_on_delete) is is_kept, name
    for side in ("storage-data-policy", "storage-data-public-access", "storage-data-encryption"):
        assert bool(made.options[side].retain_on_delete) is is_kept, side
    assert {bucket.inputs["forceDestroy"] for bucket in made.graph.of(":Bucket").values()} == {is_emptied}
    assert made.graph.of(":Repository")["registry-images"].inputs["forceDelete"] is is_emptied


def test_a_version_that_is_judged_is_told_to_an_encrypted_topic() -> None:
    made = declare_foundation(settings_of()).graph
    (rule,) = made.of(":EventRule").values()
    (group,) = made.of(":ModelPackageGroup").values()
    detail = json.loads(rule.inputs["eventPattern"])["detail"]
    assert detail["ModelPackageGroupName"] == [group.inputs["modelPackageGroupName"]]
    (topic,) = made.of(":Topic").values()
    assert ":key/" in topic.inputs["kmsMasterKeyId"]
    (target,) = made.of(":EventTarget").values()
    assert target.inputs["arn"].endswith(topic.inputs["name"])


def test_images_never_move_and_are_scanned() -> None:
    (images,) = declare_foundation(settings_of()).graph.of(":Repository").values()
    assert images.inputs["imageTagMutability"] == "IMMUTABLE"
    assert images.inputs["imageScanningConfiguration"] == {"scanOnPush": True}
    assert images.inputs["encryptionConfigurations"][0]["encryptionType"] == "KMS"


def test_all_that_can_carry_tags_carries_the_stacks() -> None:
    made = declare_foundation(settings_of(owner="ml", network={"nat": "none"}, aws={"tracking_server": "small"})).graph
    bare = []
    for item in made.resources:
        if not item.type.startswith("aws:"):
            continue
        _, module, kind = item.type.split(":")
        cls = getattr(importlib.import_module(f"pulumi_aws.{module.split('/')[0]}"), kind)
        if "tags" in inspect.signature(cls._internal_init).parameters and not (
            item.inputs.get("tags", {}).items() >= {"owner": "ml", "stack": "test", "project": "skywright"}.items()
        ):
            bare.append(item.name)
    assert bare == []


NAMED = {
    "role:Role": ("iam", "CreateRole", {"name": "RoleName", "description": "Description"}),
    ":RolePolicy": ("iam", "PutRolePolicy", {"name": "PolicyName", "policy": "PolicyDocument"}),
    ":Bucket": ("s3", "CreateBucket", {"bucket": "Bucket"}),
    ":Alias": ("kms", "CreateAlias", {"name": "AliasName"}),
    ":LogGroup": ("logs", "CreateLogGroup", {"name": "logGroupName", "kmsKeyId": "kmsKeyId"}),
    ":Repository": ("ecr", "CreateRepository", {"name": "repositoryName"}),
    ":ModelPackageGroup": ("sagemaker", "CreateModelPackageGroup",
                           {"modelPackageGroupName": "ModelPackageGroupName",
                            "modelPackageGroupDescription": "ModelPackageGroupDescription"}),
    ":MlflowTrackingServer": ("sagemaker", "CreateMlflowTrackingServer",
                              {"trackingServerName": "TrackingServerName", "artifactStoreUri": "ArtifactStoreUri",
                               "trackingServerSize": "TrackingServerSize"}),
    ":EventRule": ("events", "PutRule", {"name": "Name", "state": "State"}),
    ":Topic": ("sns", "CreateTopic", {"name": "Name"}),
}  # fmt: skip

SNS_NAME = r"[A-Za-z0-9_-]{1,256}"
BUCKET_NAME = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
"""Two rules that the API models lack."""


@functools.cache
def api(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


def allowed(service: str, operation: str, member: str, value: str) -> bool:
    rule = api(service).operation_model(operation).input_shape.members[member].metadata
    pattern = rule.get("pattern", ".*").replace(r"\p{L}\p{M}\p{Z}\p{S}\p{N}\p{P}", r"\s\S")
    return (
        rule.get("min", 0) <= len(value) <= rule.get("max", 1_000_000)
        and re.fullmatch(pattern, value) is not None
        and value in rule.get("enum", [value])
    )


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.from_regex(r"[a-z][a-z0-9]{17,19}-[a-z0-9]{17,19}", fullmatch=True))
def test_names_stay_within_the_apis_limits_however_long_the_stacks_is(stack: str) -> None:
    made = declare_foundation(settings_of(stack=stack, aws={"tracking_server": "small"})).graph
    seen = set()
    for kind, (service, operation, members) in NAMED.items():
        for item in made.of(kind).values():
            for key, member in members.items():
                assert allowed(service, operation, member, item.inputs[key]), (item.name, key, item.inputs[key])
                seen.add((kind, key))
    assert {kind for kind, _ in seen} == set(NAMED)
    assert all(re.fullmatch(SNS_NAME, topic.inputs["name"]) for topic in made.of(":Topic").values())
    names = [bucket.inputs["bucket"] for bucket in made.of(":Bucket").values()]
    assert all(re.fullmatch(BUCKET_NAME, name) for name in names)
    assert len(set(names)) == 4


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"network": {"cidr": "10.0.0.0/12"}}, "cidr is '10.0.0.0/12'; allowed: on aws a prefix from /16"),
        ({"network": {"zones": 6}}, "zones is 6; allowed in eu-west-1: 1 to 3"),
        ({"network": {"cidr": "10.0.0.0/24", "zones": 3}}, None),
        ({"aws": {"existing": {"vpc_id": BROUGHT["vpc_id"]}}}, "private_subnet_ids"),
        ({"aws": {"existing": {"public_subnet_ids": ["subnet-01234567"]}}}, "add vpc_id"),
        ({"aws": {"existing": {k: BROUGHT[k] for k in ("vpc_id", "private_subnet_ids")}, "interface_endpoints": True}},
         "keeps its own endpoints"),
        ({"aws": {"warm_pool_s": 7200}}, "3600"),
        ({"aws": {"account_id": "12345"}}, "account_id"),
    ],
)  # fmt: skip
def test_mistakes_are_told_in_one_line_before_anything_is_declared(sections: dict[str, Any], words: str | None) -> None:
    if words is None:
        assert declare_foundation(settings_of(**sections)).graph.of(":Subnet")
        return
    with pytest.raises(UserError, match=re.escape(words)) as refused:
        declare_foundation(settings_of(**sections))
    assert len(str(refused.value).splitlines()) <= 1


def test_the_provider_works_in_the_stacks_region_and_account_alone() -> None:
    made = declare_foundation(settings_of(aws={"account_id": ACCOUNT}))
    (provider,) = made.graph.of("providers:aws").values()
    assert provider.inputs["region"] == "eu-west-1"
    assert json.loads(provider.inputs["allowedAccountIds"]) == [ACCOUNT]
