"""The SDK's types, the fit of inputs to requests, the models: what is refused, and where an input went."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.rehearsal.aws import documents
from infra.rehearsal.aws.stand_in import CLOUD
from infra.rehearsal.azure.stand_in import CLOUD as AZURES
from infra.rehearsal.core import evidence, refusing
from infra.rehearsal.core.fit import Local, Rule, To, fit
from infra.rehearsal.core.judge import Verdict
from infra.rehearsal.core.sdk import Sdk, worded
from infra.rehearsal.core.shape import Shape
from infra.rehearsal.core.validate import compiled, violations
from infra.rehearsal.core.values import UNKNOWN

CONFIGURATION = "aws:sagemaker/endpointConfiguration:EndpointConfiguration"
VARIANT = {"variantName": "v", "modelName": "m", "instanceType": "ml.g5.xlarge", "initialInstanceCount": 1}
FACTS = {"region": "eu-west-1", "account": "123456789012", "partition": "aws"}


def refused(token: str, inputs: dict[str, Any]) -> dict[str, str]:
    return {found.path: found.message for found in refusing.verdict(CLOUD, token, inputs, FACTS).refusals}


def configuration(**variant: Any) -> dict[str, Any]:
    return {"name": "c", "productionVariants": [{**VARIANT, **variant}]}


@pytest.mark.parametrize(
    ("token", "inputs", "path", "words"),
    [  # a variant's paths begin with `.`
        (CONFIGURATION, {"name": "c"}, "productionVariants", "Missing required argument"),
        (CONFIGURATION, configuration(instanceTyp="x"), ".instanceTyp", "Unsupported argument"),
        (CONFIGURATION, configuration(initialInstanceCount="many"), ".initialInstanceCount", "Incorrect type"),
        (CONFIGURATION, configuration(initialInstanceCount=1.5), ".initialInstanceCount", "a whole number"),
        (CONFIGURATION, {"productionVariants": VARIANT}, "productionVariants", "a list"),
        (CONFIGURATION, {**configuration(), "tags": {"a": 1}}, "tags.a", "a string"),
        (
            CONFIGURATION,
            configuration(instanceType="ml.wrong"),
            ".instanceType",
            "ValidationException: 1 validation error detected: Value 'ml.wrong' at "
            "'productionVariants.1.member.instanceType' failed to satisfy constraint: Member must satisfy enum",
        ),
        (CONFIGURATION, {**configuration(), "name": "a_b"}, "name", "satisfy regular expression pattern"),
        (CONFIGURATION, configuration(initialInstanceCount=0), ".initialInstanceCount", "greater than or equal to 1"),
        ("aws:ec2/subnet:Subnet", {"cidrBlock": "10.0.0.0/24"}, "vpcId", "Missing required argument"),
        ("aws:ec2/vpc:Vpc", {"cidrBlock": "10.0.0.0/8"}, "cidrBlock", "InvalidVpc.Range"),
        ("aws:s3/bucket:Bucket", {"bucket": "Not_A_Bucket"}, "bucket", "InvalidBucketName"),
        ("aws:s3/bucket:Buckett", {}, "", "has no type aws:s3/bucket:Buckett"),
        ("aws:workspaces/ipGroup:IpGroup", {}, "", "nothing models it; add it to infra/rehearsal/aws/kinds"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_where_it_is_in_the_clouds_words(
    token: str, inputs: dict[str, Any], path: str, words: str
) -> None:
    where = f"productionVariants[0]{path}" if path.startswith(".") else path
    assert words in refused(token, inputs).get(where, "not refused")


@pytest.mark.parametrize(
    "inputs",
    [
        configuration(),
        configuration(instanceType=UNKNOWN),
        {"name": UNKNOWN, "productionVariants": UNKNOWN},
        {"name": "c", "productionVariants": [UNKNOWN], "tags": {"a": UNKNOWN}},
    ],
)
def test_what_is_not_known_yet_passes_for_anything(inputs: dict[str, Any]) -> None:
    assert refused(CONFIGURATION, inputs) == {}


@pytest.mark.parametrize("package", ["pulumi_aws", "pulumi_gcp", "pulumi_azure_native"])
def test_every_type_of_a_provider_is_read_from_its_sdk(package: str) -> None:
    library = Sdk(package)
    tokens = sorted(library.classes)[::40]
    assert len(tokens) > 30
    for token in tokens:
        declared = library.declared(token)
        assert declared is not None and declared.outputs.members, token
        assert library.check(token, {"noSuchInput": 1})[-1].what == "unknown"
        for shape in declared.inputs.members.values():
            assert shape.kind != "structure" or shape.members, (token, shape.name)


def test_a_strict_enum_of_the_sdk_is_closed_and_one_beside_a_string_is_open() -> None:
    azure = Sdk("pulumi_azure_native")
    account = {"resourceGroupName": "g", "kind": "anything", "sku": {"name": "anything"}}
    assert [worded(found) for found in azure.check("azure-native:storage:StorageAccount", account)] == []
    wrong = {**account, "sku": {}}
    (found,) = azure.check("azure-native:storage:StorageAccount", wrong)
    assert worded(found)[0] == "sku.name"


TAG = Shape("structure", lazy_members=lambda: {"Key": STRING, "Value": STRING})
STRING = Shape("string")
INNER = Shape(
    "structure", required=frozenset({"Mode"}), lazy_members=lambda: {"Mode": STRING, "Size": Shape("integer")}
)
REQUEST = Shape(
    "structure",
    lazy_members=lambda: {
        "KmsKeyId": STRING,
        "Document": STRING,
        "Inner": INNER,
        "Items": Shape("list", lazy_item=lambda: INNER),
        "Names": Shape("list", lazy_item=lambda: STRING),
        "Tags": Shape("list", lazy_item=lambda: TAG),
        "Labels": Shape("map", lazy_item=lambda: STRING),
        "Size": Shape("integer"),
        "properties": Shape("structure", lazy_members=lambda: {"innerSize": Shape("integer")}),
        "Either": Shape("union", lazy_options=lambda: (INNER, TAG)),
    },
)


@pytest.mark.parametrize(
    ("inputs", "rules", "request_made", "unplaced"),
    [
        ({"kmsKeyID": "k"}, {}, {"KmsKeyId": "k"}, set()),
        ({"keyArn": "k"}, {"keyArn": "KmsKeyId"}, {"KmsKeyId": "k"}, set()),
        ({"keyArn": "k"}, {}, {}, {"keyArn"}),
        ({"tags": {"a": "b"}}, {}, {"Tags": [{"Key": "a", "Value": "b"}]}, set()),
        ({"labels": {"a": "b"}}, {}, {"Labels": {"a": "b"}}, set()),
        ({"inners": [{"mode": "x"}]}, {}, {"Inner": {"Mode": "x"}}, set()),
        ({"name": "x"}, {}, {"Names": ["x"]}, set()),
        ({"document": {"a": 1}}, {}, {"Document": '{"a": 1}'}, set()),
        ({"size": "12"}, {}, {"Size": 12}, set()),
        ({"innerSize": 1}, {}, {"properties": {"innerSize": 1}}, set()),
        ({"either": {"key": "k"}}, {}, {"Either": {"Key": "k"}}, set()),
        ({"either": {"mode": "m"}}, {}, {"Either": {"Mode": "m"}}, set()),
        ({"a": "x", "b": 3}, {"a": "Inner.Mode", "b": "Inner.Size"}, {"Inner": {"Mode": "x", "Size": 3}}, set()),
        ({"mode": "x"}, {"mode": "Items[].Mode"}, {"Items": [{"Mode": "x"}]}, set()),
        ({"block": {"size": 3}}, {"block": ""}, {"Size": 3}, set()),
        ({"items": [{"key": "k"}]}, {"items.key": "/KmsKeyId"}, {"Items": [{}], "KmsKeyId": "k"}, set()),
        ({"isOn": True}, {"isOn": To("Inner.Mode", by={True: "ON"}.get)}, {"Inner": {"Mode": "ON"}}, set()),
        ({"isOn": UNKNOWN}, {"isOn": To("Inner.Mode", by={True: "ON"}.get)}, {"Inner": {"Mode": UNKNOWN}}, set()),
        ({"isOn": True}, {"isOn": To("", by=lambda on: {"Size": 1})}, {"Size": 1}, set()),
        ({"mine": 1}, {"mine": Local("the provider's own")}, {}, set()),
        ({"items": [{"mode": "x", "odd": 1}]}, {}, {"Items": [{"Mode": "x"}]}, {"items.odd"}),
    ],
)  # fmt: skip
def test_inputs_find_their_place_in_a_request(
    inputs: dict[str, Any], rules: dict[str, Rule], request_made: dict[str, Any], unplaced: set[str]
) -> None:
    done = fit(inputs, REQUEST, rules)
    assert (done.request, done.unplaced) == (request_made, unplaced)


def test_a_violation_of_a_request_names_the_input_that_it_came_from() -> None:
    done = fit({"blocks": [{"mode": "x"}, {"size": 1}]}, REQUEST, {"blocks": "Items"})
    (found,) = violations(done.request, REQUEST)
    assert (found.what, found.path, done.origin(found.path)) == ("required", ("Items", 1, "Mode"), "blocks[1]")


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        (r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*", "Größe 1", "{}"),
        (r"\p{L}+", "abc", "12"),
        (r"arn:aws[a-z\-]*:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+", "arn:aws:iam::123456789012:role/x", "role/x"),
        (r"[\P{M}\p{M}]*", "anything", None),
    ],
)
def test_patterns_of_other_dialects_are_understood(pattern: str, good: str, bad: str | None) -> None:
    found = compiled(pattern)
    assert found is not None and found.fullmatch(good)
    assert bad is None or not found.fullmatch(bad)


AZURE = {"resourceGroupName": "g", "virtualNetworkName": "net", "addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}}


@pytest.mark.parametrize(
    ("change", "path", "words"),
    [
        ({}, "", None),
        ({"virtualNetworkName": "-"}, "virtualNetworkName", "InvalidParameter: The value '-'"),
        ({"subnets": [{"name": "a", "privateEndpointNetworkPolicies": "Off"}]},
         "subnets[0].privateEndpointNetworkPolicies", "allowed: Enabled, Disabled"),
        ({"addressSpace": {"addressPrefix": "10.0.0.0/16"}}, "addressSpace.addressPrefix", "Unsupported argument"),
    ],
)  # fmt: skip
def test_a_request_of_azure_is_judged_by_its_models_and_the_names_in_its_path(
    change: dict[str, Any], path: str, words: str | None
) -> None:
    inputs = {**AZURE, **change}
    judged = refusing.verdict(AZURES, "azure-native:network:VirtualNetwork", inputs, AZURES.place({}, inputs))
    said = {found.path: found.message for found in judged.refusals}
    assert (said == {}) if words is None else words in said.get(path, "not refused")


POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, None),
        ({"Version": "2012"}, "valid version string"),
        ({"Statement": []}, "at least one statement"),
        ({"Statement": [{**POLICY["Statement"][0], "Effect": "Permit"}]}, "allowed: Allow, Deny"),
        ({"Statement": [{**POLICY["Statement"][0], "Action": "GetObject"}]}, "prefaced by a vendor"),
        ({"Statement": [{**POLICY["Statement"][0], "Resource": "bucket"}]}, "ARN format"),
        ({"Statement": [{**POLICY["Statement"][0], "Principal": "*"}]}, "should not specify a principal"),
        ({"Statement": [{**POLICY["Statement"][0], "Condition": {"Is": {"a": "b"}}}]}, "condition operator"),
    ],
)  # fmt: skip
def test_a_policy_is_read_as_iam_reads_it(change: dict[str, Any], words: str | None) -> None:
    rule = documents.identity("policy")
    said = [message for _, message in rule.check({"policy": json.dumps({**POLICY, **change})})]
    assert said == [] if words is None else any(words in message for message in said)


STATEMENT = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "sagemaker.amazonaws.com"}}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, None),
        ({"Principal": {"AWS": "arn:aws:iam::123456789012:role/a"}}, None),
        ({"Principal": {"Service": "sagemaker"}}, "Invalid principal in policy: 'Service': 'sagemaker'"),
        ({"Principal": {"Person": "me"}}, "allowed: AWS, CanonicalUser, Federated, Service"),
        ({"Principal": None}, "must have either Principal or NotPrincipal"),
        ({"Resource": "*"}, "Has prohibited field Resource"),
        ({"Sid": "with-a-dash"}, "allowed: letters and digits"),
    ],
)
def test_a_trust_policy_names_who_and_nothing_else(change: dict[str, Any], words: str | None) -> None:
    statement = {key: value for key, value in {**STATEMENT, **change}.items() if value is not None}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    said = [message for _, message in documents.trust("policy").check({"policy": document})]
    assert said == [] if words is None else any(words in message for message in said)


def test_an_input_that_reached_no_request_and_has_no_reason_keeps_a_resource_from_being_accepted() -> None:
    declared = frozenset({"a", "b.c", "d"})
    judged = Verdict("model", carried=frozenset({"a", "b"}), reasons={"d": "local"})
    assert evidence.of("urn", "t", declared, judged).tier == "accepted"
    left = evidence.of("urn", "t", declared | {"e"}, judged)
    assert (left.tier, left.unaccounted) == ("rehearsed", ("e",))
    assert evidence.of("urn", "t", declared, Verdict(carried=declared)).tier == "rehearsed"
