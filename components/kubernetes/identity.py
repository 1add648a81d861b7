"""Roles as service accounts with Roles of named verbs; people come by RBAC groups."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components import contract
from components.contract import IdentityOutputs
from components.kubernetes.cluster import metadata
from components.kubernetes.names import SERVING_ACCOUNT, TRAINING_ACCOUNT, serving_namespace
from components.kubernetes.network import KubernetesNetwork, own_settings
from components.kubernetes.roles import declare_role
from components.specs import IdentitySpec

ACCOUNTS = ("pipeline", "approver", "viewer", "admin")
"""In the platform's namespace. Jobs and servers have theirs where they run."""

KEY_MAP, KEY_NAME = "approver-key", "approver.pub"


class Identity(contract.Identity):
    """Four accounts, their roles, and the public key that approvals are verified with.

    The private key stays with whoever approves: the cluster never holds it.
    """

    cloud = "kubernetes"

    def build(self, spec: IdentitySpec, *, network: KubernetesNetwork, **below: Any) -> IdentityOutputs:
        cluster = network.cluster
        namespace = cluster.settings.namespace
        ready = cluster.namespaces[namespace]
        for role in ACCOUNTS:
            k8s.core.v1.ServiceAccount(
                self.child_name(role),
                metadata=metadata(self, role, namespace),
                automount_service_account_token=False,
                opts=cluster.child(self, depends_on=ready),
            )
            cluster.accounts.add(role)
        for role in ("viewer", "admin"):
            declare_role(self, cluster, namespace, role)
        if key := own_settings(self.ctx).approver_public_key:
            k8s.core.v1.ConfigMap(
                self.child_name(KEY_MAP),
                metadata=metadata(self, KEY_MAP, namespace),
                data={KEY_NAME: key},
                opts=cluster.child(self, depends_on=ready, protect=self.ctx.is_production),
            )

        def account(role: str, home: str = namespace) -> pulumi.Output[str]:
            return pulumi.Output.from_input(f"system:serviceaccount:{home}:{role}")

        return IdentityOutputs(
            training_ref=pulumi.Output.from_input(TRAINING_ACCOUNT),  # in each team's namespace
            serving_ref=account(SERVING_ACCOUNT, serving_namespace(namespace)),
            pipeline_ref=account("pipeline"),
            approver_ref=account("approver"),
            viewer_ref=account("viewer"),
            admin_ref=account("admin"),
            approver_key_ref=pulumi.Output.from_input(f"k8s://{namespace}/configmaps/{KEY_MAP}#{KEY_NAME}"),
        )
