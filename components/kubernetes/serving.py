"""The declared releases on a cluster: an inference service each, behind one route."""

from __future__ import annotations

from typing import Any

from components.contract import Component, EndpointOutputs, RegistryOutputs, StorageOutputs
from components.kubernetes.cluster import Cluster, WorkloadIdentity
from components.specs import EndpointSpec


def declare_endpoint(
    owner: Component[Any, Any],
    cluster: Cluster,
    spec: EndpointSpec,
    *,
    storage: StorageOutputs,
    registry: RegistryOutputs,
    approver_key_ref: Any = None,
    identity: WorkloadIdentity | None = None,
    is_public: bool = False,
) -> EndpointOutputs:
    """Declare it. `identity` is what model servers become on the cloud; `is_public`: whether callers from outside of
    the network reach it."""
    raise NotImplementedError
