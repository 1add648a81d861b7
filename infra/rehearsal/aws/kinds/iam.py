"""Roles and their inline policies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from infra.rehearsal.aws.documents import identity, trust
from infra.rehearsal.aws.model import operation
from infra.rehearsal.core.kinds import Autoname, Kind, Ref, Rule, Unique
from infra.rehearsal.core.operations import Calls

ROLE = "aws:iam/role:Role"
QUOTAS = "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"


def at_most(path: str, limit: int, code: str) -> Rule:
    """IAM counts the characters of a document without its white space."""

    def check(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        size = len("".join(str(inputs.get(path, "")).split()))
        if size > limit:
            yield path, f"LimitExceeded: Cannot exceed quota for {code}: {limit} (it has {size})"

    return Rule(QUOTAS, check, needs=(path,))


KINDS: tuple[Kind, ...] = (
    Kind(
        ROLE,
        judge=Calls(
            "botocore iam",
            operation("iam", "CreateRole", {"name": "RoleName", "assumeRolePolicy": "AssumeRolePolicyDocument"}),
            local={
                "forceDetachPolicies": "the provider's own: what it does before it deletes the role",
                "inlinePolicies": "put by requests of their own",
            },
        ),
        outputs={"arn": "arn:aws:iam::{account}:role/{name}", "uniqueId": "AROA{upper:17}"},
        defaults={"maxSessionDuration": 3600, "path": "/", "forceDetachPolicies": False},
        unique=(
            Unique(("name",), "EntityAlreadyExists: Role with name {name} already exists.", scope="account"),
        ),
        rules=(
            trust("assumeRolePolicy"),
            at_most("assumeRolePolicy", 4096, "ACLSizePerRole"),
        ),
        immutable=frozenset({"name", "namePrefix", "path"}),
        autoname=Autoname(max_length=64),
    ),
    Kind(
        "aws:iam/rolePolicy:RolePolicy",
        judge=Calls(
            "botocore iam",
            operation("iam", "PutRolePolicy", {"name": "PolicyName", "role": "RoleName", "policy": "PolicyDocument"}),
        ),
        id="{role}:{name}",
        references={"role": Ref(ROLE, by=("name",), holds=True)},
        unique=(Unique(("role", "name"), "EntityAlreadyExists: {role} has a policy {name}", scope="account"),),
        rules=(
            identity("policy"),
            at_most("policy", 10_240, "InlinePolicySizePerRole"),
        ),
        immutable=frozenset({"name", "namePrefix", "role"}),
        autoname=Autoname(max_length=128),
    ),
    Kind(
        "aws:iam/policy:Policy",
        judge=Calls(
            "botocore iam",
            operation("iam", "CreatePolicy", {"name": "PolicyName", "policy": "PolicyDocument"}),
        ),
        id="arn:aws:iam::{account}:policy/{name}",
        outputs={"arn": "{id}", "policyId": "ANPA{upper:17}", "attachmentCount": 0},
        defaults={"path": "/"},
        unique=(
            Unique(("name",), "EntityAlreadyExists: A policy called {name} already exists.", scope="account"),
        ),
        rules=(
            identity("policy"),
            at_most("policy", 6144, "PolicySize"),
        ),
        immutable=frozenset({"name", "namePrefix", "path", "description"}),
        autoname=Autoname(max_length=128),
    ),
    Kind(
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        judge=Calls("botocore iam", operation("iam", "AttachRolePolicy", {"role": "RoleName"})),
        id="{role}/{policyArn}",
        references={
            "role": Ref(ROLE, by=("name",), holds=True),
            "policyArn": Ref("aws:iam/policy:Policy", by=("arn",), holds=True, skips=r"arn:aws:iam::aws:policy/"),
        },
        immutable=frozenset({"role", "policyArn"}),
    ),
)  # fmt: skip
