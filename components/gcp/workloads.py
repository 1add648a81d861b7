"""How pods on GKE become service accounts of the project.

https://cloud.google.com/kubernetes-engine/docs/how-to/workload-identity
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pulumi
import pulumi_gcp as gcp

from components.contract import Component
from components.gcp.outputs import GcpIdentity, GcpNetwork
from components.kubernetes.cluster import WorkloadIdentity

METADATA_SERVER = (("169.254.169.254/32", 80), ("169.254.169.252/32", 988))
"""Pods fetch tokens there; behind it, on Dataplane V2, the second one answers.

https://cloud.google.com/kubernetes-engine/docs/how-to/network-policy#network-policy-and-workload-identity
"""


def identity_of(identity: GcpIdentity, use: str) -> WorkloadIdentity:
    return WorkloadIdentity(
        annotations={"iam.gke.io/gcp-service-account": identity.emails[use]}, egress=METADATA_SERVER
    )


def bind(
    owner: Component[Any, Any],
    use: str,
    network: GcpNetwork,
    identity: GcpIdentity,
    namespace: str,
    account: str,
    *,
    depends_on: Iterable[pulumi.Resource],
) -> None:
    """Let the service account of that namespace act as the project's. The pool of such identities exists only when a
    cluster of the project has asked for it."""
    gcp.serviceaccount.IAMMember(
        owner.child_name(f"{use}-from-{namespace}"),
        service_account_id=identity.account_names[use],
        role="roles/iam.workloadIdentityUser",
        member=network.project_id.apply(lambda project: f"serviceAccount:{project}.svc.id.goog[{namespace}/{account}]"),
        opts=owner.child(depends_on=list(depends_on)),
    )
