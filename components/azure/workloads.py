"""How pods on AKS become managed identities. https://learn.microsoft.com/azure/aks/workload-identity-overview"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pulumi
from pulumi_azure_native import managedidentity

from components.azure.outputs import AzureIdentity, AzureNetwork
from components.contract import Component
from components.kubernetes.cluster import WorkloadIdentity

AUDIENCE = "api://AzureADTokenExchange"
ENTRA = (("0.0.0.0/0", 443),)
"""Tokens come from login.microsoftonline.com, which keeps no fixed addresses."""


def identity_of(identity: AzureIdentity, use: str) -> WorkloadIdentity:
    return WorkloadIdentity(
        annotations={"azure.workload.identity/client-id": identity.client_ids[use]},
        pod_labels={"azure.workload.identity/use": "true"},
        egress=ENTRA,
    )


def bind(
    owner: Component[Any, Any],
    use: str,
    network: AzureNetwork,
    identity: AzureIdentity,
    issuer: pulumi.Input[str],
    namespace: str,
    account: str,
    *,
    depends_on: Sequence[pulumi.Resource] = (),
) -> list[pulumi.Resource]:
    """Let the service account of that namespace act as the identity, which takes one change at a time."""
    return [
        managedidentity.FederatedIdentityCredential(
            owner.child_name(f"{use}-from-{namespace}"),
            resource_group_name=network.group,
            resource_name_=identity.names[use],
            federated_identity_credential_resource_name=f"{namespace}-{account}",
            issuer=issuer,
            subject=f"system:serviceaccount:{namespace}:{account}",
            audiences=[AUDIENCE],
            opts=owner.child(delete_before_replace=True, depends_on=list(depends_on)),
        )
    ]
