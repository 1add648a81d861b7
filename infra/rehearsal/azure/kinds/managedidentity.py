"""Managed identities, and who becomes them by tokens of somebody else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from infra.rehearsal.azure.arm import arm
from infra.rehearsal.core.kinds import Find, Kind, Rule
from infra.rehearsal.core.templates import drawn_uuid

MODELS = "azure.mgmt.msi.models"
FEDERATION = "https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations"
MOST = 20
"""Credentials of one identity."""


def _one_audience(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    audiences, issuer = inputs.get("audiences"), inputs.get("issuer")
    if isinstance(audiences, list) and len(audiences) != 1:
        yield "audiences", f"BadRequest: audiences must contain a single value; {len(audiences)} are given"
    if isinstance(issuer, str) and not issuer.startswith("https://"):
        yield "issuer", f"BadRequest: issuer must be an https URL; {issuer} is given"


def _few(inputs: Mapping[str, Any], find: Find) -> Iterator[tuple[str, str]]:
    beside = [
        other
        for _, other in find("azure-native:managedidentity:FederatedIdentityCredential")
        if other.get("resourceName") == inputs.get("resourceName")
    ]
    if len(beside) >= MOST:
        yield "resourceName", f"TooManyFederatedIdentityCredentials: an identity has at most {MOST}"
    if any((other["issuer"], other["subject"]) == (inputs["issuer"], inputs["subject"]) for other in beside):
        yield "subject", "Conflict: issuer and subject must be unique among the credentials of an identity"


KINDS: tuple[Kind, ...] = (
    arm(
        "azure-native:managedidentity:UserAssignedIdentity",
        "Microsoft.ManagedIdentity/userAssignedIdentities",
        f"{MODELS}:Identity",
        name="resourceName",
        pattern=r"[A-Za-z0-9][\w-]*",
        longest=128,
        outputs={
            "tenantId": "{tenant}",
            "principalId": lambda facts: drawn_uuid(f"{facts['id']}/principal"),
            "clientId": lambda facts: drawn_uuid(f"{facts['id']}/client"),
        },
    ),
    arm(
        "azure-native:managedidentity:FederatedIdentityCredential",
        "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials",
        f"{MODELS}:FederatedIdentityCredential",
        name="federatedIdentityCredentialResourceName",
        pattern=r"[A-Za-z0-9][\w-]*",
        longest=120,
        under={"resourceName": "azure-native:managedidentity:UserAssignedIdentity"},
        checks=(Rule(FEDERATION, _one_audience),),
        meets=_few,
    ),
)
