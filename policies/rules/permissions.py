"""What a grant lets do: named actions on named things."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from policies.examples import Ref, declared
from policies.graph import Node
from policies.resources import UNKNOWN, Props
from policies.rule import Finding, Severity, rule
from policies.rules.aws_documents import AT_RESOURCES, Statement, statements
from policies.rules.gcp_grants import BINDINGS, CUSTOM_ROLES, MEMBERS, POLICIES, WIDE, bindings_of, role_of
from policies.rules.optional import records, text, texts

UNSCOPED = frozenset({
    "ce:GetCostAndUsage", "ce:GetCostForecast", "cloudwatch:GetMetricData", "cloudwatch:GetMetricStatistics",
    "cloudwatch:PutMetricData", "ec2:GetSpotPlacementScores", "ecr-public:GetAuthorizationToken",
    "ecr:GetAuthorizationToken", "kms:GenerateRandom", "pricing:GetAttributeValues", "pricing:GetProducts",
    "sagemaker:Search", "secretsmanager:GetRandomPassword", "sts:DecodeAuthorizationMessage", "sts:GetCallerIdentity",
    "sts:GetServiceBearerToken", "tag:GetResources", "tag:GetTagKeys", "tag:GetTagValues", "xray:GetSamplingRules",
    "xray:GetSamplingTargets", "xray:PutTelemetryRecords", "xray:PutTraceSegments",
})  # fmt: skip
"""Actions that take no resource but `*`, besides most that begin with Describe or List.

https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

LOOKS = re.compile(r"[\w-]+:(Describe|List)\w*\*?")
ANYTHING = re.compile(r"\*|arn:[^:]*:(\*.*|[^:]*:[^:]*:[^:]*:\*)")
"""Every resource, or every one of a service."""
TAG_CONDITIONS = re.compile(r"[\w-]+:(request|resource)tag/.+", re.IGNORECASE)
ROOT = re.compile(r"arn:[\w-]+:iam::\d{12}:root|\d{12}")
BROAD_MANAGED = re.compile(r"arn:[\w-]+:iam::aws:policy/(.*/)?(AdministratorAccess|PowerUserAccess|\w+FullAccess)")


@rule(
    "no-wildcard-actions",
    Severity.HIGH,
    types=(
        "aws:iam/policy:Policy",
        "aws:iam/rolePolicy:RolePolicy",
        "aws:iam/userPolicy:UserPolicy",
        "aws:iam/groupPolicy:GroupPolicy",
    ),
    title="A grant names what may be done, and on what",
    why="Whoever gets hold of the identity can do all that a wildcard covers, and what the service adds later.",
    remedy="Name the actions, and the resources they act on; take a narrow role in place of a broad one.",
)
def no_wildcard_actions(policy: Props) -> Iterator[Finding]:
    yield from unbounded(statements(policy, "policy"))


def unbounded(found: list[Statement]) -> Iterator[Finding]:
    """What is too wide in the policy of an identity."""
    for statement in found:
        if statement.is_allowed:
            yield from _wild_actions(statement)
            if any(ANYTHING.fullmatch(name) for name in statement.resources) and not _is_tagged(statement):
                for action in statement.actions:
                    if "*" not in action.split(":")[-1][:1] and not (action in UNSCOPED or LOOKS.fullmatch(action)):
                        yield Finding(at=f"{statement.path}.Resource", found=f"every resource for {action}")


def _wild_actions(statement: Statement) -> Iterator[Finding]:
    for name in statement.negated:
        if name != "NotPrincipal":
            yield Finding(at=f"{statement.path}.{name}", found="all that it doesn't name")
    for action in statement.actions:
        if action.split(":")[-1].startswith("*") and not _is_own_key(statement, action):
            yield Finding(at=f"{statement.path}.Action", found=action)


def _is_own_key(statement: Statement, action: str) -> bool:
    """A key's policy hands the key to its account. https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html"""
    names = [name for _, name in statement.principals]
    return action == "kms:*" and bool(names) and all(ROOT.fullmatch(name) for name in names)


def _is_tagged(statement: Statement) -> bool:
    return any(TAG_CONDITIONS.fullmatch(key) for _, key, _ in statement.conditions)


def _document(*actions: str, on: object = "arn:aws:s3:::data/*", **more: object) -> dict[str, object]:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": on, **more}
    return {"policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]})}


no_wildcard_actions.examples(
    good=[
        _document("s3:GetObject"),
        _document("s3:Get*"),
        _document("ec2:DescribeSubnets", "sagemaker:ListTrainingJobs", "ecr:GetAuthorizationToken", on="*"),
        _document("ec2:TerminateInstances", on="*", Condition={"StringEquals": {"aws:ResourceTag/stack": "prod"}}),
        _document("*", on="*", Effect="Deny"),
        {"policy": {"Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::data/*"}}},
    ],
    bad=[
        _document("*"),
        _document("s3:*"),
        _document("s3:GetObject", on="*"),
        _document("s3:GetObject", on="arn:aws:s3:::*"),
        _document("iam:PassRole", on=["arn:aws:iam::*:role/a", "*"]),
        _document("iam:PassRole", on="*", Condition={"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}),
        {"policy": json.dumps({"Statement": {"Effect": "Allow", "NotAction": "iam:*", "Resource": "arn:aws:s3:::a"}})},
        {"policy": {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}},
    ],
    unknown=[
        {"policy": UNKNOWN},
        {"policy": {"Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": UNKNOWN}]}},
    ],
)


@no_wildcard_actions.also("aws:ssoadmin/permissionSetInlinePolicy:PermissionSetInlinePolicy")
def _permission_set(policy: Props) -> Iterator[Finding]:
    yield from unbounded(statements(policy, "inlinePolicy"))


_permission_set.examples(
    good=[{"inlinePolicy": _document("s3:GetObject")["policy"]}],
    bad=[{"inlinePolicy": _document("*", on="*")["policy"]}],
    unknown=[{"inlinePolicy": UNKNOWN}],
)


@no_wildcard_actions.also("aws:iam/role:Role")
def _role(role: Props) -> Iterator[Finding]:
    for inline in records(role, "inlinePolicies"):
        yield from unbounded(statements(inline, "policy"))
    for index, arn in enumerate(texts(role, "managedPolicyArns")):
        if BROAD_MANAGED.fullmatch(arn):
            yield Finding(at=f"managedPolicyArns[{index}]", found=arn)


_role.examples(
    good=[{}, {"inlinePolicies": [_document("s3:GetObject")]}],
    bad=[
        {"inlinePolicies": [_document("s3:*")]},
        {"managedPolicyArns": ["arn:aws:iam::aws:policy/AdministratorAccess"]},
    ],
    unknown=[{"inlinePolicies": [{"policy": UNKNOWN}]}, {"managedPolicyArns": [UNKNOWN]}],
)


@no_wildcard_actions.also(
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
    "aws:iam/userPolicyAttachment:UserPolicyAttachment",
    "aws:iam/groupPolicyAttachment:GroupPolicyAttachment",
    "aws:iam/policyAttachment:PolicyAttachment",
)
def _attached(attachment: Props) -> Finding | None:
    arn = text(attachment, "policyArn")
    return Finding(at="policyArn", found=arn) if arn and BROAD_MANAGED.fullmatch(arn) else None


_attached.examples(
    good=[{"policyArn": "arn:aws:iam::aws:policy/AmazonEKSClusterPolicy"}],
    bad=[
        {"policyArn": "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"},
        {"policyArn": "arn:aws-us-gov:iam::aws:policy/AdministratorAccess"},
    ],
    unknown=[{"policyArn": UNKNOWN}],
)


@no_wildcard_actions.also("aws:ssoadmin/managedPolicyAttachment:ManagedPolicyAttachment")
def _attached_to_people(attachment: Props) -> Finding | None:
    arn = text(attachment, "managedPolicyArn")
    return Finding(at="managedPolicyArn", found=arn) if arn and BROAD_MANAGED.fullmatch(arn) else None


_attached_to_people.examples(
    good=[{"managedPolicyArn": "arn:aws:iam::aws:policy/ViewOnlyAccess"}],
    bad=[{"managedPolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}],
    unknown=[{"managedPolicyArn": UNKNOWN}],
)


@no_wildcard_actions.also(*AT_RESOURCES)
def _at_resource(resource: Node) -> Iterator[Finding]:
    for statement in statements(resource, AT_RESOURCES.get(resource.resource.type, "policy")):
        if statement.is_allowed:
            yield from _wild_actions(statement)


_at_resource.examples(
    good=[
        {},
        _document("s3:GetObject", on="*", Principal={"AWS": "arn:aws:iam::1:role/a"}),
        _document("kms:*", on="*", Principal={"AWS": "arn:aws:iam::123456789012:root"}),
        _document("s3:*", Effect="Deny", Principal="*"),
    ],
    bad=[
        _document("s3:*", Principal={"AWS": "arn:aws:iam::123456789012:role/a"}),
        _document("kms:*", on="*", Principal={"AWS": "arn:aws:iam::123456789012:role/a"}),
        _document("*", on="*", Principal={"AWS": "arn:aws:iam::123456789012:root"}),
    ],
    unknown=[{"policy": UNKNOWN}],
)


PRIMITIVE = ("roles/owner", "roles/editor", "roles/viewer")
"""They reach into every service. https://cloud.google.com/iam/docs/roles-overview#basic"""
IMPERSONATES = (
    "roles/iam.serviceAccountTokenCreator",
    "roles/iam.serviceAccountUser",
    "roles/iam.workloadIdentityUser",
)
ADMINISTERS = re.compile(r"roles/[\w.]*[aA]dmin")


def _is_broad(role: str, type_token: str) -> bool:
    """Below a project or more, also whoever acts as any account, or administers a whole service."""
    is_wide = type_token.startswith(WIDE)
    return role in PRIMITIVE or (is_wide and (role in IMPERSONATES or bool(ADMINISTERS.fullmatch(role))))


@no_wildcard_actions.also(*MEMBERS, *BINDINGS, joins=True)
def _google_role(grant: Node) -> Finding | None:
    role = role_of(grant)
    return Finding(at="role", found=role) if role and _is_broad(role, grant.resource.type) else None


_ON_PROJECT, _ON_BUCKET = "gcp:projects/iAMMember:IAMMember", "gcp:storage/bucketIAMMember:BucketIAMMember"

_google_role.examples(
    good=[
        [declared(_ON_PROJECT, "a", role="roles/logging.logWriter")],
        [declared(_ON_BUCKET, "a", role="roles/storage.admin")],
        [
            declared("gcp:projects/iAMCustomRole:IAMCustomRole", "own", permissions=[]),
            declared(_ON_PROJECT, "a", role=Ref("own")),
        ],
    ],
    bad=[
        [declared(_ON_PROJECT, "a", role="roles/storage.admin")],
        [declared(_ON_PROJECT, "a", role="roles/iam.serviceAccountTokenCreator")],
        [declared("gcp:folder/iAMBinding:IAMBinding", "a", role="roles/editor")],
        [declared(_ON_BUCKET, "a", role="roles/owner")],
    ],
    unknown=[[declared(_ON_PROJECT, "a", role=UNKNOWN)], [declared(_ON_PROJECT, "a", role=Ref("elsewhere"))]],
)


@no_wildcard_actions.also(*POLICIES)
def _whole_policy(policy: Node) -> Iterator[Finding]:
    for path, role, _ in bindings_of(policy):
        if _is_broad(role, policy.resource.type):
            yield Finding(at=f"{path}.role", found=role)


_whole_policy.examples(
    good=[{"policyData": json.dumps({"bindings": [{"role": "roles/storage.objectViewer", "members": []}]})}],
    bad=[{"policyData": json.dumps({"bindings": [{"role": "roles/editor", "members": ["user:a@b.c"]}]})}],
    unknown=[{"policyData": UNKNOWN}],
)


@no_wildcard_actions.also(*CUSTOM_ROLES)
def _custom_role(role: Props) -> Iterator[Finding]:
    for index, permission in enumerate(texts(role, "permissions")):
        if "*" in permission or permission.endswith(".setIamPolicy"):
            yield Finding(at=f"permissions[{index}]", found=permission)


_custom_role.examples(
    good=[{"permissions": ["aiplatform.models.get"]}],
    bad=[{"permissions": ["aiplatform.*"]}, {"permissions": ["resourcemanager.projects.setIamPolicy"]}],
    unknown=[{"permissions": UNKNOWN}, {"permissions": [UNKNOWN]}],
)
