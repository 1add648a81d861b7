"""Policy documents as plain data: strings in, a dict out. `roles.rendered` makes them of outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Document = dict[str, Any]
Conditions = Mapping[str, Mapping[str, Any]]


def policy(*statements: Document) -> Document:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(
    sid: str, actions: Sequence[str], on: str | Sequence[str] | None, *, to: Any = None, when: Conditions | None = None
) -> Document:
    """`on`: one resource or several; None where the API takes none (trust, ECR). `to`: principals, at a resource."""
    return _statement("Allow", sid, actions, on, to, when)


def deny(
    sid: str, actions: Sequence[str], on: str | Sequence[str] | None, *, to: Any = None, when: Conditions | None = None
) -> Document:
    return _statement("Deny", sid, actions, on, to, when)


def _statement(
    effect: str,
    sid: str,
    actions: Sequence[str],
    on: str | Sequence[str] | None,
    to: Any,
    when: Conditions | None,
) -> Document:
    found: Document = {"Sid": sid, "Effect": effect}
    if to is not None:
        found["Principal"] = to
    found["Action"] = actions[0] if len(actions) == 1 else list(actions)
    if on is not None:
        found["Resource"] = on if isinstance(on, str) else list(on)
    if when:
        found["Condition"] = {operator: dict(tests) for operator, tests in when.items()}
    return found


def account_root(account_id: str) -> str:
    """The account as a principal: its own identity policies then decide who."""
    return f"arn:aws:iam::{account_id}:root"


def of_account(account_id: str) -> Conditions:
    """A service acts for this account's resources only.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html
    """
    return {"StringEquals": {"aws:SourceAccount": account_id}}


def trusts_service(service: str, account_id: str) -> Document:
    """`service`, such as sagemaker.amazonaws.com, takes on the role."""
    sid = "".join(part.title() for part in service.removesuffix(".amazonaws.com").replace("-", ".").split("."))
    return allow(sid, ["sts:AssumeRole"], None, to={"Service": service}, when=of_account(account_id))


def trusts_pods(account_id: str, cluster_arn: str) -> Document:
    """Pods of one cluster take on the role, by EKS Pod Identity, which also sets session tags.

    https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html
    """
    return allow(
        "Pods",
        ["sts:AssumeRole", "sts:TagSession"],
        None,
        to={"Service": "pods.eks.amazonaws.com"},
        when={**of_account(account_id), "ArnEquals": {"aws:SourceArn": cluster_arn}},
    )


def trusts_principals(sid: str, arns: Sequence[str], account_id: str, *, requires_mfa: bool) -> Document:
    """The named users and roles take on the role; none named: whoever the account's own policies let."""
    when = {"Bool": {"aws:MultiFactorAuthPresent": "true"}} if requires_mfa else None
    return allow(sid, ["sts:AssumeRole"], None, to={"AWS": list(arns) or account_root(account_id)}, when=when)


def tls_only(action: str, on: str | Sequence[str]) -> Document:
    """Refuse whatever comes without TLS, whoever sends it. `action`: all of the service's, such as s3:*."""
    return deny("TlsOnly", [action], on, to={"AWS": "*"}, when={"Bool": {"aws:SecureTransport": "false"}})
