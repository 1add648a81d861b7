"""Who trains, who serves and who approves: three identities, and none can act as another."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from policies.examples import Ref, declared
from policies.graph import Node
from policies.resources import UNKNOWN, Malformed, Resource
from policies.rule import Finding, Severity, rule
from policies.rules.aws_documents import statements
from policies.rules.gcp_grants import role_of
from policies.rules.optional import records, text

IDENTITIES = (
    "aws:iam/role:Role",
    "gcp:serviceaccount/account:Account",
    "azure-native:managedidentity:UserAssignedIdentity",
)
USES = ("training", "serving", "pipeline", "approver")
APART = ("training", "serving", "approver")
"""The pipeline hands the first two to what it submits; nobody hands on the approver."""


def use_of(identity: Node) -> str | None:
    """What the platform's identity is for, by its name: `identity-training-role`. None for any other identity."""
    component = identity.component
    if component is None or not component.is_of("skywright:*:Identity"):
        return None
    role = identity.resource.name.removeprefix(f"{component.resource.name}-")
    return next((use for use in USES if role.startswith(f"{use}-")), None)


def uses_in(node: Node, key: str) -> set[str]:
    """The platform's identities that a property is made of."""
    return {use for identity in node.referred(key, *IDENTITIES) if (use := use_of(identity))}


@rule(
    "roles-separate",
    Severity.HIGH,
    types=("skywright:aws:Identity", "skywright:gcp:Identity", "skywright:azure:Identity"),
    joins=True,
    title="Training, serving and approval are different identities, and none acts as another",
    why="Whoever writes a model must not be able to approve it, nor reach the requests of those it serves.",
    remedy="Give each of the three an identity of its own, and grant it nothing that another needs.",
)
def roles_separate(component: Node) -> Iterator[Finding]:
    made = {use_of(node) for node in component.graph.of(*IDENTITIES) if node.component is component}
    yield from (Finding(at=use) for use in APART if use not in made)


_AT = "skywright:gcp:Identity"
_ACCOUNT = "gcp:serviceaccount/account:Account"
_PLATFORM = [
    declared(_AT, "identity"),
    *(declared(_ACCOUNT, f"identity-{use}-account", parent="identity") for use in USES),
]
_ROLES = [
    declared("skywright:aws:Identity", "identity"),
    *(declared("aws:iam/role:Role", f"identity-{use}-role", parent="identity") for use in USES),
]

roles_separate.examples(
    good=[_PLATFORM, _ROLES],
    bad=[_PLATFORM[:3], _ROLES[:1], [*_ROLES[:4], declared("aws:iam/role:Role", "approver-role")]],
)


@roles_separate.also("gcp:serviceaccount/iAMMember:IAMMember", joins=True)
def _acts_as(grant: Node) -> Iterator[Finding]:
    """Rights on an account are rights to act as it."""
    for on in uses_in(grant, "serviceAccountId"):
        for who in uses_in(grant, "member") - {on}:
            if not (who == "pipeline" and on in ("training", "serving")):
                yield Finding(at="member", found=f"{who}, who may act as {on}")


def _acting(who: str, on: str) -> list[Resource]:
    accounts: dict[str, Any] = {
        "member": Ref(f"identity-{who}-account"),
        "serviceAccountId": Ref(f"identity-{on}-account"),
    }
    return [*_PLATFORM, declared("gcp:serviceaccount/iAMMember:IAMMember", "acts", **dict[str, Any](accounts))]


_acts_as.examples(
    good=[_acting("pipeline", "training"), _acting("pipeline", "serving"), _acting("serving", "serving")],
    bad=[_acting("training", "serving"), _acting("serving", "approver"), _acting("pipeline", "approver")],
)


SIGNS = ("roles/cloudkms.signer", "roles/cloudkms.signerVerifier", "roles/cloudkms.admin", "roles/owner")


@roles_separate.also("gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember", joins=True)
def _signs(grant: Node) -> Iterator[Finding]:
    """The key that approvals are signed with lies with the identities; any other encrypts, for whoever stores."""
    keys = grant.referred("cryptoKeyId", "gcp:kms/cryptoKey:CryptoKey")
    if any(key.component is not None and key.component.is_of("skywright:*:Identity") for key in keys):
        others = uses_in(grant, "member") - {"approver"}
        if others and role_of(grant) in SIGNS:
            yield from (Finding(at="member", found=f"{who}, who may sign approvals") for who in others)


def _signing(who: str, role: object) -> list[Resource]:
    key = declared("gcp:kms/cryptoKey:CryptoKey", "key", parent="identity")
    given: dict[str, Any] = {"cryptoKeyId": Ref("key"), "member": Ref(f"identity-{who}-account"), "role": role}
    return [*_PLATFORM, key, declared("gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember", "signs", **given)]


_signs.examples(
    good=[_signing("approver", "roles/cloudkms.signerVerifier"), _signing("serving", "roles/cloudkms.publicKeyViewer")],
    bad=[_signing("serving", "roles/cloudkms.signer"), _signing("pipeline", "roles/cloudkms.signerVerifier")],
    unknown=[_signing("serving", UNKNOWN)],
)

JUDGES = ("kms:Sign", "sagemaker:UpdateModelPackage")
"""What only an approver does on AWS."""


@roles_separate.also("aws:iam/rolePolicy:RolePolicy", joins=True)
def _judges(policy: Node) -> Iterator[Finding]:
    if others := uses_in(policy, "role") - {"approver"}:
        for statement in statements(policy, "policy"):
            for action in set(JUDGES) & set(statement.actions):
                if statement.is_allowed:
                    yield Finding(at=f"{statement.path}.Action", found=f"{action} for {min(others)}")


def _judging(who: str, *actions: str) -> list[Resource]:
    text = json.dumps({"Statement": {"Effect": "Allow", "Action": actions, "Resource": "arn:aws:kms:a:1:key/b"}})
    return [*_ROLES, declared("aws:iam/rolePolicy:RolePolicy", "p", role=Ref(f"identity-{who}-role"), policy=text)]


_judges.examples(
    good=[_judging("approver", "kms:Sign"), _judging("serving", "kms:Verify")],
    bad=[_judging("training", "kms:Sign"), _judging("pipeline", "sagemaker:UpdateModelPackage")],
    unknown=[
        [*_ROLES, declared("aws:iam/rolePolicy:RolePolicy", "p", role=Ref("identity-serving-role"), policy=UNKNOWN)]
    ],
)

RUNS_AS = {
    "aws:eks/podIdentityAssociation:PodIdentityAssociation": "roleArn",
    "aws:sagemaker/domain:Domain": "defaultUserSettings",
    "aws:sagemaker/endpointConfiguration:EndpointConfiguration": "executionRoleArn",
    "aws:sagemaker/model:Model": "executionRoleArn",
    "aws:sagemaker/notebookInstance:NotebookInstance": "roleArn",
    "aws:sagemaker/trainingJob:TrainingJob": "roleArn",
    "azure-native:machinelearningservices:Compute": "identity",
    "azure-native:machinelearningservices:OnlineEndpoint": "identity",
}
"""Type -> the property that says as whom it runs."""

SERVES = ("aws:sagemaker/model:Model", "aws:sagemaker/endpoint*", "azure-native:*:OnlineEndpoint")


@roles_separate.also(*RUNS_AS, joins=True)
def _runs(workload: Node) -> Iterator[Finding]:
    """What runs is no approver; what serves doesn't train, and what trains doesn't serve."""
    key = RUNS_AS.get(workload.resource.type, "identity")
    component = workload.component
    kind = component.resource.type.rpartition(":")[2] if component else ""
    is_server = workload.is_of(*SERVES) or kind == "ModelEndpoint"
    refused = {"approver", "training" if is_server else "serving"}
    for use in sorted(uses_in(workload, key) & refused):
        yield Finding(at=key, found=f"the identity of {use}")


def _running(type_token: str, use: str) -> list[Resource]:
    given: dict[str, Any] = {RUNS_AS[type_token]: Ref(f"identity-{use}-role")}
    return [*_ROLES, declared(type_token, "w", **given)]


_MODEL, _JOB = "aws:sagemaker/model:Model", "aws:sagemaker/trainingJob:TrainingJob"

_runs.examples(
    good=[_running(_MODEL, "serving"), _running(_JOB, "training")],
    bad=[_running(_MODEL, "training"), _running(_JOB, "serving"), _running(_MODEL, "approver")],
)


@roles_separate.also("kubernetes:rbac.authorization.k8s.io/*:RoleBinding")
def _bound_together(binding: Node) -> Finding | None:
    accounts = set()
    for subject in records(binding, "subjects"):
        if text(subject, "kind") == "ServiceAccount":
            if not (name := text(subject, "name")):
                raise Malformed(subject.at("name"), name, "a name")
            accounts.add(name)
    shared = sorted(accounts & set(APART))
    return Finding(at="subjects", found=f"one grant for {' and '.join(shared)}") if len(shared) > 1 else None


def _bound(*names: object) -> dict[str, object]:
    return {"subjects": [{"kind": "ServiceAccount", "name": name, "namespace": "team"} for name in names]}


_bound_together.examples(
    good=[{}, _bound("training"), _bound("admin", "approver")],
    bad=[_bound("training", "serving"), _bound("serving", "approver")],
    unknown=[_bound("training", UNKNOWN)],
)
