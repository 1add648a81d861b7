"""Who may do what on AWS, read off the documents alone."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.aws import bucket_policies, registry_policies
from components.aws.iam import trusts_principals, trusts_service
from components.aws.key_policies import data_key_policy, logs_key_policy, signing_key_policy
from components.aws.logs import RETENTIONS, retention_days

ACCOUNT = "123456789012"
KEY = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/1"
BUCKETS = {name: f"arn:aws:s3:::{name}" for name in ("data", "artifacts", "checkpoints")}
REPOSITORY = f"arn:aws:ecr:eu-west-1:{ACCOUNT}:repository/us"
GROUP = f"arn:aws:sagemaker:eu-west-1:{ACCOUNT}:model-package-group/us"
VERSION = f"arn:aws:sagemaker:eu-west-1:{ACCOUNT}:model-package/us/3"
ROLES = ("training", "serving", "pipeline", "approver", "viewer", "admin")


def may(statements: list[dict[str, Any]], action: str, resource: str) -> bool:
    """As IAM judges: a deny wins, then an allow, else no. Conditions are taken as met."""

    def speaks_of(statement: dict[str, Any]) -> bool:
        actions, resources = statement["Action"], statement.get("Resource", "*")
        return any(fnmatchcase(action, one) for one in ([actions] if isinstance(actions, str) else actions)) and any(
            fnmatchcase(resource, one) for one in ([resources] if isinstance(resources, str) else resources)
        )

    effects = {statement["Effect"] for statement in statements if speaks_of(statement)}
    return "Allow" in effects and "Deny" not in effects


def storage_of(use: str) -> list[dict[str, Any]]:
    return bucket_policies.granted_to(use, *BUCKETS.values(), KEY)


@pytest.mark.parametrize(
    ("act", "resource", "who"),
    [
        ("s3:GetObject", "data/day-1.csv", {"training", "pipeline", "admin"}),
        ("s3:PutObject", "data/day-1.csv", {"pipeline"}),
        ("s3:DeleteObject", "data/day-1.csv", set()),
        ("s3:GetObject", "artifacts/models/m", set(ROLES)),
        ("s3:PutObject", "artifacts/models/m", {"training", "pipeline", "admin"}),
        ("s3:DeleteObject", "artifacts/models/m", {"admin"}),
        ("s3:PutObject", "artifacts/approvals/m.jsonl", {"approver"}),
        ("s3:DeleteObject", "artifacts/approvals/m.jsonl", set()),
        ("s3:PutObject", "artifacts/audit/log.jsonl", {"pipeline", "approver", "admin"}),
        ("s3:PutObject", "artifacts/skywright/budget/state.json", {"admin"}),
        ("s3:PutObject", "artifacts/capture/predict/1", {"training", "serving", "pipeline", "admin"}),
        ("s3:PutObject", "checkpoints/job/1", {"training", "pipeline"}),
        ("s3:DeleteObject", "checkpoints/job/1", {"training", "pipeline", "admin"}),
        ("s3:DeleteObjectVersion", "checkpoints/job/1", set()),
        ("s3:GetObject", "somebody-elses/thing", set()),
    ],
)
def test_each_role_has_what_it_needs_of_the_buckets(act: str, resource: str, who: set[str]) -> None:
    assert {use for use in ROLES if may(storage_of(use), act, f"arn:aws:s3:::{resource}")} == who


@pytest.mark.parametrize(
    ("act", "resource", "who"),
    [
        ("ecr:BatchGetImage", REPOSITORY, {"training", "serving", "pipeline", "admin"}),
        ("ecr:PutImage", REPOSITORY, {"pipeline"}),
        ("ecr:BatchDeleteImage", REPOSITORY, {"admin"}),
        ("ecr:BatchGetImage", REPOSITORY + "-other", set()),
        ("sagemaker:CreateModelPackage", VERSION, {"pipeline"}),
        ("sagemaker:UpdateModelPackage", VERSION, {"approver"}),
        ("sagemaker:DescribeModelPackage", VERSION, set(ROLES)),
        ("sagemaker:DeleteModelPackage", VERSION, set()),
    ],
)
def test_each_role_has_what_it_needs_of_the_registry(act: str, resource: str, who: set[str]) -> None:
    granted = {use: registry_policies.granted_to(use, REPOSITORY, GROUP) for use in ROLES}
    assert {use for use in ROLES if may(granted[use], act, resource)} == who


def test_a_role_that_nobody_planned_gets_nothing() -> None:
    with pytest.raises(ValueError, match="visitor"):
        storage_of("visitor")
    with pytest.raises(ValueError, match="visitor"):
        registry_policies.granted_to("visitor", REPOSITORY, GROUP)


def test_nobody_but_the_approver_judges_whatever_else_is_allowed() -> None:
    denied = registry_policies.group_policy(GROUP, "arn:aws:iam::1:role/approver")["Statement"][0]
    assert denied["Effect"] == "Deny"
    assert not may([denied, {"Effect": "Allow", "Action": "sagemaker:*"}], "sagemaker:UpdateModelPackage", VERSION)
    assert denied["Condition"] == {"ArnNotEquals": {"aws:PrincipalArn": "arn:aws:iam::1:role/approver"}}


def test_an_upload_under_another_key_is_refused_and_one_that_names_none_is_not() -> None:
    statements = bucket_policies.bucket_policy(BUCKETS["data"], KEY)["Statement"]
    conditions = [statement["Condition"] for statement in statements if statement["Action"] == "s3:PutObject"]
    assert all(set(condition) == {"StringNotEqualsIfExists"} for condition in conditions)
    assert KEY in str(conditions)


def test_signing_can_not_be_handed_on_by_grants_or_by_the_accounts_own_policies() -> None:
    policy = signing_key_policy(ACCOUNT, approver_arn="approver", verifier_arns=["viewer"])
    whose = {statement["Principal"]["AWS"] if isinstance(statement["Principal"]["AWS"], str) else "verifiers":
             set(statement["Action"]) for statement in policy["Statement"]}  # fmt: skip
    root = whose[f"arn:aws:iam::{ACCOUNT}:root"]
    assert not {"kms:Sign", "kms:CreateGrant", "kms:*"} & root
    assert "kms:PutKeyPolicy" in root  # else KMS refuses the key: nobody could manage it
    assert "kms:Sign" in whose["approver"] and "kms:Sign" not in whose["verifiers"]


def test_the_logs_key_is_for_this_accounts_groups_and_for_services_that_act_for_it() -> None:
    account, logs, notices = logs_key_policy(ACCOUNT, "eu-west-1")["Statement"]
    assert [account] == data_key_policy(ACCOUNT)["Statement"]
    assert logs["Principal"] == {"Service": "logs.eu-west-1.amazonaws.com"}
    assert ACCOUNT in str(logs["Condition"])
    assert notices["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}


def test_named_people_are_trusted_instead_of_the_whole_account() -> None:
    me = "arn:aws:iam::123456789012:user/me"
    assert trusts_principals("People", [me], ACCOUNT, requires_mfa=True)["Principal"] == {"AWS": [me]}
    whole = trusts_principals("People", [], ACCOUNT, requires_mfa=False)
    assert whole["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:root"} and "Condition" not in whole


@pytest.mark.parametrize(
    ("service", "sid"), [("sagemaker.amazonaws.com", "Sagemaker"), ("vpc-flow-logs.amazonaws.com", "VpcFlowLogs")]
)
def test_statement_ids_are_letters_and_digits(service: str, sid: str) -> None:
    assert trusts_service(service, ACCOUNT)["Sid"] == sid


@given(st.integers(1, 3650))
def test_logs_are_kept_no_shorter_than_asked(days: int) -> None:
    kept = retention_days(days)
    assert kept in RETENTIONS and kept >= days
    assert not [shorter for shorter in RETENTIONS if days <= shorter < kept]


def test_images_without_a_tag_go_by_age_and_others_by_number() -> None:
    untagged, rest = registry_policies.image_retention(keep_last=7, untagged_days=3)["rules"]
    assert untagged["rulePriority"] < rest["rulePriority"] and rest["selection"]["tagStatus"] == "any"
    assert (untagged["selection"]["countNumber"], rest["selection"]["countNumber"]) == (3, 7)
