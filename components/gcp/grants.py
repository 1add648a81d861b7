"""What is granted on what, as plain data, and the words that grant it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_gcp as gcp

from components.contract import Component
from components.gcp import names

RESERVED = ("approvals", "audit", "skywright")
"""Folders of the artifact store that hold approvals, the audit log, the budget's state: jobs and servers write none."""

READ, ADD, CHANGE = "roles/storage.objectViewer", "roles/storage.objectCreator", "roles/storage.objectUser"
"""To add can't overwrite or delete; to change can both."""


@dataclass(frozen=True, slots=True)
class Grant:
    """`only`: folders that it is limited to; `but`: folders that it leaves out."""

    use: str
    bucket: str
    role: str
    only: tuple[str, ...] = ()
    but: tuple[str, ...] = ()


GRANTS: tuple[Grant, ...] = (
    Grant("training", "data", READ),
    Grant("training", "artifacts", READ),
    Grant("training", "artifacts", ADD, but=RESERVED),
    Grant("training", "artifacts", CHANGE, only=("runs",)),  # a run's summary is written anew as it goes
    Grant("training", "checkpoints", CHANGE),
    Grant("serving", "artifacts", READ),
    Grant("pipeline", "data", CHANGE),
    Grant("pipeline", "artifacts", READ),
    Grant("pipeline", "artifacts", ADD, but=("approvals", "skywright")),
    Grant("pipeline", "artifacts", CHANGE, only=("images",)),  # the record of the newest image
    Grant("pipeline", "checkpoints", CHANGE),
    Grant("approver", "artifacts", READ),
    Grant("approver", "artifacts", ADD, only=("approvals", "audit")),
    Grant("viewer", "artifacts", READ),
    Grant("admin", "data", READ),
    Grant("admin", "artifacts", READ),
    Grant("admin", "artifacts", CHANGE, but=("approvals",)),
    Grant("admin", "checkpoints", CHANGE),
)


def condition_of(grant: Grant, bucket: str) -> str | None:
    """The CEL expression that holds it to its folders. Listing, which has no object, is never granted by it.

    https://cloud.google.com/iam/docs/conditions-attribute-reference#resource-name
    """

    def begins(folder: str) -> str:
        return f'resource.name.startsWith("projects/_/buckets/{bucket}/objects/{folder}/")'

    if grant.only:
        return " || ".join(map(begins, grant.only))
    if grant.but:
        return " && ".join(f"!{begins(folder)}" for folder in grant.but)
    return None


def grant_on_bucket(
    owner: Component[Any, Any], grant: Grant, bucket: pulumi.Output[str], member: pulumi.Input[str]
) -> gcp.storage.BucketIAMMember:
    kind = grant.role.rsplit("object", 1)[-1].lower()
    is_limited = bool(grant.only or grant.but)
    return gcp.storage.BucketIAMMember(
        owner.child_name(f"{grant.bucket}-{grant.use}-{kind}"),
        bucket=bucket,
        role=grant.role,
        member=member,
        condition=gcp.storage.BucketIAMMemberConditionArgs(
            title=f"{grant.use}-folders", expression=bucket.apply(lambda name: condition_of(grant, name) or "")
        )
        if is_limited
        else None,
        opts=owner.child(),
    )


def account(email: pulumi.Output[str]) -> pulumi.Output[str]:
    """A service account as a member."""
    return email.apply(lambda address: f"serviceAccount:{address}")


def grant_key(
    owner: Component[Any, Any], use: str, key: pulumi.Input[str], member: pulumi.Input[str], **options: Any
) -> gcp.kms.CryptoKeyIAMMember:
    """Let one of Google's own services encrypt with the key."""
    return gcp.kms.CryptoKeyIAMMember(
        owner.child_name(f"key-for-{use}"),
        crypto_key_id=key,
        role="roles/cloudkms.cryptoKeyEncrypterDecrypter",
        member=member,
        opts=owner.child(**options),
    )


def declare_role(
    owner: Component[Any, Any], use: str, project: pulumi.Input[str], title: str, permissions: Sequence[str]
) -> gcp.projects.IAMCustomRole:
    """A role of the stack's own: exactly these permissions."""
    return gcp.projects.IAMCustomRole(
        owner.child_name(f"{use}-role"),
        project=project,
        role_id=owner.ctx.name(names.CUSTOM_ROLE, use),
        title=title[:100],
        permissions=sorted(permissions),
        opts=owner.child(delete_before_replace=True),
    )


def grant_in_project(
    owner: Component[Any, Any], use: str, what: str, project: pulumi.Input[str], role: pulumi.Input[str],
    member: pulumi.Input[str],
) -> gcp.projects.IAMMember:  # fmt: skip
    """For what has no policy of its own: Vertex jobs and models, metrics and logs."""
    return gcp.projects.IAMMember(
        owner.child_name(f"{use}-{what}"), project=project, role=role, member=member, opts=owner.child()
    )


def members_of(emails: Mapping[str, pulumi.Output[str]]) -> dict[str, pulumi.Output[str]]:
    return {use: account(email) for use, email in emails.items()}
