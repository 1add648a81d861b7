"""Roles and what is granted to them, rendered from outputs."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pulumi
import pulumi_aws as aws

from components.aws import names
from components.aws.iam import Document, policy
from components.aws.provider import aws_settings
from components.contract import Component


def rendered(write: Callable[..., Document], *values: pulumi.Input[Any]) -> pulumi.Output[str]:
    """`write(*values)` as JSON, once the values are known."""
    known: pulumi.Output[list[Any]] = pulumi.Output.all(*values)
    return known.apply(lambda found: json.dumps(write(*found)))


def declare_role(
    owner: Component[Any, Any],
    use: str,
    *,
    trust: Callable[[str], Sequence[Document]],
    account_id: pulumi.Output[str],
    description: str,
) -> aws.iam.Role:
    """A role of the stack, named by its use, that nothing is granted to yet. `trust(account id)` says who takes it."""
    return aws.iam.Role(
        owner.child_name(f"{use}-role"),
        name=owner.ctx.name(names.ROLE, use),
        description=description,
        assume_role_policy=rendered(lambda account: policy(*trust(account)), account_id),
        permissions_boundary=aws_settings(owner.ctx).access.permissions_boundary_arn,
        tags=owner.tags(),
        opts=owner.child(delete_before_replace=True),
    )


def grant(
    owner: Component[Any, Any],
    use: str,
    what: str,
    role_name: pulumi.Input[str],
    write: Callable[..., Sequence[Document]],
    *values: pulumi.Input[Any],
) -> aws.iam.RolePolicy:
    """An inline policy on the role of that use: `write(*values)` gives its statements. `what` names the policy."""
    return aws.iam.RolePolicy(
        owner.child_name(f"{use}-{what}"),
        name=owner.ctx.name(names.POLICY, what),
        role=role_name,
        policy=rendered(lambda *found: policy(*write(*found)), *values),
        opts=owner.child(delete_before_replace=True),
    )
