"""Service accounts, who may act as them, and the key that approvals are signed with."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_gcp as gcp

from components import contract
from components.gcp import names
from components.gcp.outputs import GcpIdentity, GcpNetwork
from components.gcp.provider import gcp_settings, labels_of
from components.gcp.services import after
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
KEY_DELETION = f"{30 * 86_400}s"


class Identity(contract.Identity):
    """Six service accounts that nothing is granted to yet, and an asymmetric key that only the approver signs with."""

    cloud = "gcp"

    def build(self, spec: IdentitySpec, *, network: GcpNetwork, **below: Any) -> GcpIdentity:
        accounts = {use: self._account(use, does, network) for use, does in USES.items()}
        self._impersonation(accounts)
        key = self._signing_key(network, accounts)
        emails = {use: made.email for use, made in accounts.items()}
        return GcpIdentity(
            training_ref=emails["training"],
            serving_ref=emails["serving"],
            pipeline_ref=emails["pipeline"],
            approver_ref=emails["approver"],
            viewer_ref=emails["viewer"],
            admin_ref=emails["admin"],
            approver_key_ref=key.id.apply(lambda id: f"{id}/cryptoKeyVersions/1"),
            emails=emails,
            account_names={use: made.name for use, made in accounts.items()},
        )

    def _account(self, use: str, does: str, network: GcpNetwork) -> gcp.serviceaccount.Account:
        return gcp.serviceaccount.Account(
            self.child_name(f"{use}-account"),
            project=network.project_id,
            account_id=self.ctx.name(names.SERVICE_ACCOUNT, use),
            display_name=f"{self.ctx.project} {self.ctx.stack} {use}"[:100],
            description=does,
            opts=after(
                self,
                network.services,
                "iam",
                delete_before_replace=True,
                # The budget's actor disables the account that submits jobs; `up` does not lift what it holds.
                ignore_changes=["disabled"] if use == "pipeline" else None,
            ),
        )

    def _impersonation(self, accounts: dict[str, gcp.serviceaccount.Account]) -> None:
        """The pipeline hands training and serving accounts to what it submits; people act as theirs by short tokens."""
        for use in ("training", "serving"):
            self._on_account(f"pipeline-as-{use}", accounts[use], "iam.serviceAccountUser", accounts["pipeline"].member)
        access = gcp_settings(self.ctx).access
        people = {
            "approver": access.approvers,
            "viewer": access.viewers,
            "admin": access.admins,
            "pipeline": access.pipelines,
        }
        for use, members in people.items():
            for member in members:
                self._on_account(
                    f"{use}-by-{member}",
                    accounts[use],
                    "iam.serviceAccountTokenCreator",
                    pulumi.Output.from_input(member),
                )

    def _on_account(
        self, name: str, on: gcp.serviceaccount.Account, role: str, member: pulumi.Output[str]
    ) -> gcp.serviceaccount.IAMMember:
        return gcp.serviceaccount.IAMMember(
            self.child_name(name), service_account_id=on.name, role=f"roles/{role}", member=member, opts=self.child()
        )

    def _signing_key(self, network: GcpNetwork, accounts: dict[str, gcp.serviceaccount.Account]) -> gcp.kms.CryptoKey:
        # No name of its own: a key ring is never deleted, and a stack that is made anew would meet its old one.
        # https://cloud.google.com/kms/docs/faq#cannot_delete
        ring = gcp.kms.KeyRing(
            self.child_name("keys"),
            project=network.project_id,
            location=self.ctx.region,
            opts=after(self, network.services, "cloudkms", protect=self.ctx.is_production),
        )
        key = gcp.kms.CryptoKey(
            self.child_name("approval-key"),
            name=self.ctx.name(names.KEY, "approvals"),
            key_ring=ring.id,
            purpose="ASYMMETRIC_SIGN",
            version_template=gcp.kms.CryptoKeyVersionTemplateArgs(
                algorithm="EC_SIGN_P256_SHA256", protection_level="SOFTWARE"
            ),
            destroy_scheduled_duration=KEY_DELETION,
            labels=labels_of(self),
            # Approvals hold only as long as the key does.
            opts=self.child(protect=self.ctx.is_production, retain_on_delete=self.ctx.retain_data),
        )
        self._on_key("approver-signs", key, "cloudkms.signerVerifier", accounts["approver"])
        for use in VERIFIERS:
            self._on_key(f"{use}-verifies", key, "cloudkms.publicKeyViewer", accounts[use])
        return key

    def _on_key(
        self, name: str, key: gcp.kms.CryptoKey, role: str, account: gcp.serviceaccount.Account
    ) -> gcp.kms.CryptoKeyIAMMember:
        return gcp.kms.CryptoKeyIAMMember(
            self.child_name(name),
            crypto_key_id=key.id,
            role=f"roles/{role}",
            member=account.member,
            opts=self.child(),
        )
