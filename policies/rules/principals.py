"""Whom a grant is made to."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from policies.examples import Ref, declared
from policies.graph import Node
from policies.resources import UNKNOWN, Malformed, Props
from policies.rule import Finding, Severity, rule
from policies.rules.aws_documents import AT_RESOURCES, Statement, statements
from policies.rules.gcp_grants import BINDINGS, MEMBERS, POLICIES, bindings_of, members_of
from policies.rules.optional import flag, is_given, mapping, records, text

BOUNDS = frozenset({
    "aws:principalaccount", "aws:principalarn", "aws:principalorgid", "aws:principalorgpaths", "aws:sourceaccount",
    "aws:sourcearn", "aws:sourceorgid", "aws:sourceorgpaths", "aws:sourceowner", "aws:sourcevpc", "aws:sourcevpce",
    "aws:userid", "kms:calleraccount", "s3:dataaccesspointaccount", "s3:dataaccesspointarn",
})  # fmt: skip
"""Condition keys that leave of everybody the ones they name; keys know no case."""
LOOSE = re.compile(r"StringNot|ArnNot|Null|ForAllValues|.*IfExists", re.IGNORECASE)
"""Operators that others than those named may pass."""

EVERYBODY = ("allUsers", "allAuthenticatedUsers")
SHARED_ISSUERS = ("token.actions.githubusercontent.com", "gitlab.com", "app.terraform.io", "agent.buildkite.com")
"""They sign for every customer of theirs alike: without a condition any of them gets in."""

GROUPS = ("system:anonymous", "system:unauthenticated", "system:authenticated", "system:serviceaccounts")
"""https://kubernetes.io/docs/reference/access-authn-authz/rbac/#default-roles-and-role-bindings"""


@rule(
    "no-wildcard-principals",
    Severity.CRITICAL,
    types=tuple(AT_RESOURCES),
    title="A grant names whom it is made to",
    why="A grant to everybody is a grant to the internet, whatever the network does.",
    remedy="Name the identities, or bound the grant by their account, organization or network.",
)
def no_wildcard_principals(resource: Node) -> Iterator[Finding]:
    yield from open_to_all(statements(resource, AT_RESOURCES.get(resource.resource.type, "policy")))


def open_to_all(found: list[Statement]) -> Iterator[Finding]:
    for statement in found:
        if statement.is_allowed and not is_bounded(statement):
            if "NotPrincipal" in statement.negated:
                yield Finding(at=f"{statement.path}.NotPrincipal", found="everybody that it doesn't name")
            if any(name == "*" for _, name in statement.principals):
                yield Finding(at=f"{statement.path}.Principal", found="*")


def is_bounded(statement: Statement) -> bool:
    return any(
        key.lower() in BOUNDS and "*" not in values and not LOOSE.match(operator)
        for operator, key, values in statement.conditions
    )


def _granted(principal: object, effect: str = "Allow", **more: object) -> dict[str, object]:
    statement = {"Effect": effect, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::data/*", "Principal": principal}
    return {"policy": json.dumps({"Statement": [{**statement, **more}]})}


no_wildcard_principals.examples(
    good=[
        {},
        _granted({"AWS": "arn:aws:iam::123456789012:role/a"}),
        _granted({"Service": ["logging.s3.amazonaws.com"]}),
        _granted("*", "Deny"),
        _granted({"AWS": "*"}, Condition={"StringEquals": {"aws:PrincipalOrgID": "o-1"}}),
        _granted("*", Condition={"ArnLike": {"AWS:SourceArn": ["arn:aws:sns:eu-west-1:1:a"]}}),
    ],
    bad=[
        _granted("*"),
        _granted({"AWS": ["arn:aws:iam::1:root", "*"]}),
        _granted("*", Condition={"Bool": {"aws:SecureTransport": "true"}}),
        _granted("*", Condition={"StringNotEquals": {"aws:PrincipalOrgID": "o-1"}}),
        _granted("*", Condition={"StringEqualsIfExists": {"aws:SourceAccount": "1"}}),
        _granted("*", Condition={"StringLike": {"aws:SourceArn": "*"}}),
        {"policy": json.dumps({"Statement": {"Effect": "Allow", "NotPrincipal": {"AWS": "1"}, "Action": "s3:*"}})},
    ],
    unknown=[{"policy": UNKNOWN}],
)


@no_wildcard_principals.also("aws:iam/role:Role")
def _trust(role: Node) -> Iterator[Finding]:
    found = statements(role, "assumeRolePolicy")
    yield from open_to_all(found)
    for statement in found:
        federated = [name for kind, name in statement.principals if kind == "Federated"]
        if statement.is_allowed and federated and not _names_subjects(statement):
            yield Finding(at=f"{statement.path}.Principal.Federated", found=f"every subject of {federated[0]}")


def _names_subjects(statement: Statement) -> bool:
    """Or the audience, where that alone names one pool of identities: Cognito's, SAML's."""
    if "sts:AssumeRoleWithSAML" in statement.actions:
        return True
    return any(
        key.lower().endswith((":sub", "cognito-identity.amazonaws.com:aud")) and not {"*", "repo:*"} & set(values)
        for _, key, values in statement.conditions
    )


def _trusted(principal: object, **more: object) -> dict[str, object]:
    statement = {"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity", "Principal": principal, **more}
    return {"assumeRolePolicy": json.dumps({"Statement": [statement]})}


_ISSUER = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
_SUB, _AUD = "token.actions.githubusercontent.com:sub", "token.actions.githubusercontent.com:aud"

_trust.examples(
    good=[
        _trusted({"Service": "sagemaker.amazonaws.com"}),
        _trusted({"Federated": _ISSUER}, Condition={"StringLike": {_SUB: "repo:us/ours:*"}}),
        _trusted({"Federated": "arn:aws:iam::1:saml-provider/a"}, Action="sts:AssumeRoleWithSAML"),
    ],
    bad=[
        _trusted({"AWS": "*"}),
        _trusted({"Federated": _ISSUER}),
        _trusted({"Federated": _ISSUER}, Condition={"StringEquals": {_AUD: "sts.amazonaws.com"}}),
        _trusted({"Federated": _ISSUER}, Condition={"StringLike": {_SUB: "repo:*"}}),
    ],
    unknown=[{"assumeRolePolicy": UNKNOWN}],
)


@no_wildcard_principals.also("aws:lambda/permission:Permission")
def _invoked(permission: Props) -> Finding | None:
    """A service calls for whichever account asks it to, unless the permission names the account or the source."""
    principal = text(permission, "principal")
    is_everybody = principal == "*" or not principal or principal.endswith(".amazonaws.com")
    if is_everybody and not any(is_given(permission, key) for key in ("principalOrgId", "sourceAccount", "sourceArn")):
        return Finding(at="principal", found=principal)
    return None


_invoked.examples(
    good=[
        {"principal": "events.amazonaws.com", "sourceArn": UNKNOWN},
        {"principal": "123456789012"},
        {"principal": "*", "principalOrgId": "o-1"},
    ],
    bad=[{"principal": "*"}, {"principal": "s3.amazonaws.com"}, {}],
    unknown=[{"principal": UNKNOWN}],
)


@no_wildcard_principals.also("aws:lambda/functionUrl:FunctionUrl")
def _function_url(url: Props) -> Finding | None:
    kind = text(url, "authorizationType")
    return None if kind == "AWS_IAM" else Finding(at="authorizationType", found=kind)


_function_url.examples(
    good=[{"authorizationType": "AWS_IAM"}],
    bad=[{}, {"authorizationType": "NONE"}],
    unknown=[{"authorizationType": UNKNOWN}],
)


@no_wildcard_principals.also(*MEMBERS, *BINDINGS, joins=True)
def _member(grant: Node) -> Iterator[Finding]:
    yield from (Finding(at=path, found=name) for path, name in members_of(grant) if name in EVERYBODY)


_ON_BUCKET = "gcp:storage/bucketIAMMember:BucketIAMMember"

_member.examples(
    good=[
        {"member": "serviceAccount:a@p.iam.gserviceaccount.com"},
        {"members": ["user:a@example.com"]},
        [declared("gcp:serviceaccount/account:Account", "own"), declared(_ON_BUCKET, "a", member=Ref("own"))],
    ],
    bad=[{"member": "allUsers"}, {"members": ["user:a@example.com", "allAuthenticatedUsers"]}],
    unknown=[{"member": UNKNOWN}, {"members": [UNKNOWN]}, {"members": UNKNOWN}],
)


@no_wildcard_principals.also(*POLICIES)
def _whole_policy(policy: Props) -> Iterator[Finding]:
    for path, _, members in bindings_of(policy):
        yield from (Finding(at=f"{path}.members", found=name) for name in members if name in EVERYBODY)


_whole_policy.examples(
    good=[{"policyData": json.dumps({"bindings": [{"role": "roles/run.invoker", "members": ["user:a@b.c"]}]})}],
    bad=[{"policyData": json.dumps({"bindings": [{"role": "roles/run.invoker", "members": ["allUsers"]}]})}],
    unknown=[{"policyData": UNKNOWN}],
)


@no_wildcard_principals.also(
    "gcp:storage/bucketAccessControl:BucketAccessControl",
    "gcp:storage/defaultObjectAccessControl:DefaultObjectAccessControl",
    "gcp:storage/objectAccessControl:ObjectAccessControl",
)
def _acl(control: Props) -> Finding | None:
    entity = text(control, "entity")
    return Finding(at="entity", found=entity) if entity in EVERYBODY else None


_acl.examples(good=[{"entity": "user-a@example.com"}], bad=[{"entity": "allUsers"}], unknown=[{"entity": UNKNOWN}])


@no_wildcard_principals.also("gcp:bigquery/datasetAccess:DatasetAccess")
def _dataset_access(access: Props) -> Iterator[Finding]:
    for key in ("specialGroup", "iamMember"):
        if (name := text(access, key)) in EVERYBODY:
            yield Finding(at=key, found=name)


_dataset_access.examples(
    good=[{"userByEmail": "a@example.com"}, {"specialGroup": "projectOwners"}],
    bad=[{"specialGroup": "allAuthenticatedUsers"}, {"iamMember": "allUsers"}],
    unknown=[{"specialGroup": UNKNOWN}],
)


@no_wildcard_principals.also("gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider")
def _federation(provider: Props) -> Finding | None:
    issuer = text(mapping(provider, "oidc"), "issuerUri") or ""
    if any(shared in issuer for shared in SHARED_ISSUERS) and not is_given(provider, "attributeCondition"):
        return Finding(at="attributeCondition")
    return None


_GITHUB = {"issuerUri": "https://token.actions.githubusercontent.com"}

_federation.examples(
    good=[
        {"oidc": _GITHUB, "attributeCondition": "assertion.repository_owner == 'us'"},
        {"oidc": {"issuerUri": "https://login.example.com"}},
    ],
    bad=[{"oidc": _GITHUB}],
    unknown=[{"oidc": UNKNOWN}, {"oidc": {"issuerUri": UNKNOWN}}],
)


@no_wildcard_principals.also("azure-native:containerregistry:Registry")
def _anonymous_pull(registry: Props) -> Finding | None:
    return Finding(at="anonymousPullEnabled", found=True) if flag(registry, "anonymousPullEnabled") else None


_anonymous_pull.examples(
    good=[{}, {"anonymousPullEnabled": False}],
    bad=[{"anonymousPullEnabled": True}],
    unknown=[{"anonymousPullEnabled": UNKNOWN}],
)


@no_wildcard_principals.also(
    "kubernetes:rbac.authorization.k8s.io/*:ClusterRoleBinding", "kubernetes:rbac.authorization.k8s.io/*:RoleBinding"
)
def _subjects(binding: Props) -> Iterator[Finding]:
    for subject in records(binding, "subjects"):
        if not (name := text(subject, "name")):
            raise Malformed(subject.at("name"), name, "a name")
        if name in GROUPS:
            yield Finding(at=subject.at("name"), found=name)


_subjects.examples(
    good=[{"subjects": [{"kind": "ServiceAccount", "name": "training", "namespace": "team"}]}, {}],
    bad=[{"subjects": [{"kind": "Group", "name": name}]} for name in GROUPS],
    unknown=[{"subjects": UNKNOWN}, {"subjects": [{"kind": "User", "name": UNKNOWN}]}],
)
