"""Roles on the local stack: a signed token each, in files that only their owner can read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi

from components import contract
from components.contract import IdentityOutputs
from components.local.network import LocalNetwork
from components.local.resources import Keys
from components.specs import IdentitySpec


@dataclass(frozen=True)
class LocalIdentity(IdentityOutputs):
    """Only for the local components: when the signing key is replaced, whoever verifies with it starts anew."""

    fingerprint: pulumi.Output[str]


class Identity(contract.Identity):
    """Two Ed25519 pairs (tokens, approvals) and five tokens."""

    cloud = "local"

    def build(self, spec: IdentitySpec, *, network: LocalNetwork, **below: Any) -> LocalIdentity:
        keys = Keys(self.child_name("keys"), root=network.root, stack=self.ctx.stack, opts=self.child())

        def token(role: str) -> pulumi.Output[str]:
            return keys.id.apply(lambda folder: f"file://{folder}/tokens/{role}.token")

        return LocalIdentity(
            training_ref=token("trainer"),
            serving_ref=token("server"),
            pipeline_ref=token("trainer"),
            approver_ref=token("approver"),
            viewer_ref=token("viewer"),
            admin_ref=token("admin"),
            approver_key_ref=keys.id.apply(lambda folder: f"file://{folder}/approver.pub"),
            fingerprint=keys.fingerprint,
        )
