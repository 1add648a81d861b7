"""Roles and the key that approvals are signed with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pulumi_aws as aws

from components import contract
from components.aws import names
from components.aws.iam import Document, trusts_pods, trusts_principals, trusts_service
from components.aws.key_policies import signing_key_policy
from components.aws.outputs import AwsIdentity, AwsNetwork
from components.aws.provider import aws_settings
from components.aws.roles import declare_role, rendered
from components.aws.settings import AwsSettings
from components.contract import Context
from components.specs import IdentitySpec

USES = {
    "training": "Training jobs",
    "serving": "Model servers",
    "pipeline": "What submits jobs and registers versions",
    "approver": "Judges versions and signs approvals",
    "viewer": "Reads, changes nothing",
    "admin": "Lifts holds and mends what is stored",
}
VERIFIERS = ("serving", "pipeline", "viewer", "admin")
KEY_DELETION_DAYS = 30


class Identity(contract.Identity):
    """Six roles that nothing is granted to yet, and an asymmetric key that only the approver signs with."""

    cloud = "aws"

    def build(self, spec: IdentitySpec, *, network: AwsNetwork, **below: Any) -> AwsIdentity:
        roles = {
            use: declare_role(
                self,
                use,
                trust=lambda account, use=use: trust_of(use, account, self.ctx),  # type: ignore[misc]
                account_id=network.account_id,
                description=does,
            )
            for use, does in USES.items()
        }
        key = self._signing_key(network, roles)
        arns = {use: role.arn for use, role in roles.items()}
        return AwsIdentity(
            training_ref=arns["training"],
            serving_ref=arns["serving"],
            pipeline_ref=arns["pipeline"],
            approver_ref=arns["approver"],
            viewer_ref=arns["viewer"],
            admin_ref=arns["admin"],
            approver_key_ref=key.arn,
            role_names={use: role.name for use, role in roles.items()},
            role_arns=arns,
        )

    def _signing_key(self, network: AwsNetwork, roles: dict[str, aws.iam.Role]) -> aws.kms.Key:
        def write(account: str, approver: str, *verifiers: str) -> Document:
            return signing_key_policy(account, approver_arn=approver, verifier_arns=verifiers)

        key = aws.kms.Key(
            self.child_name("approval-key"),
            description=f"Signs approvals of {self.ctx.project} {self.ctx.stack}",
            key_usage="SIGN_VERIFY",
            customer_master_key_spec="ECC_NIST_P256",
            deletion_window_in_days=KEY_DELETION_DAYS,
            policy=rendered(
                write, network.account_id, roles["approver"].arn, *(roles[verifier].arn for verifier in VERIFIERS)
            ),
            tags=self.tags(),
            # Approvals hold only as long as the key does.
            opts=self.child(protect=self.ctx.is_production, retain_on_delete=self.ctx.retain_data),
        )
        aws.kms.Alias(
            self.child_name("approval-key-alias"),
            name=f"alias/{self.ctx.name(names.KEY_ALIAS, 'approvals')}",
            target_key_id=key.id,
            opts=self.child(delete_before_replace=True),
        )
        return key


def trust_of(use: str, account_id: str, ctx: Context) -> Sequence[Document]:
    """Who takes on the role of that use."""
    settings: AwsSettings = aws_settings(ctx)
    access = settings.access
    if use in ("approver", "viewer", "admin"):
        arns = {"approver": access.approver_arns, "viewer": access.viewer_arns, "admin": access.admin_arns}[use]
        return [trusts_principals("People", arns, account_id, requires_mfa=access.requires_mfa)]
    machines = [
        trusts_service("sagemaker.amazonaws.com", account_id),
        trusts_pods(account_id, cluster_arn(ctx, account_id)),
    ]
    if use == "pipeline" and access.pipeline_arns:
        machines.append(trusts_principals("Machines", access.pipeline_arns, account_id, requires_mfa=False))
    return machines


def cluster_arn(ctx: Context, account_id: str) -> str:
    """The stack's own cluster, whether or not it has one yet: its name follows from the stack's."""
    name = aws_settings(ctx).existing.cluster_name or ctx.name(names.CLUSTER)
    return f"arn:aws:eks:{ctx.region}:{account_id}:cluster/{name}"
