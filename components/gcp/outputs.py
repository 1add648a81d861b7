"""What the Google Cloud components hand each other beside the outputs that every cloud promises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp

from components.contract import EndpointOutputs, IdentityOutputs, NetworkOutputs, RegistryOutputs, StorageOutputs
from components.kubernetes.cluster import ClusterTraining


@dataclass(frozen=True)
class GcpNetwork(NetworkOutputs):
    """`network_ref`: the network's self link; `private_refs`: the subnetwork's. There are no public subnetworks.

    `services`: what was enabled, by its name before `.googleapis.com`; whatever uses one depends on it. `zones`: those
    that clusters spread over. `training_tag`: instances that bear it reach each other. Ranges are names of the
    subnetwork's secondary ranges, empty where the network that is brought has none.
    """

    project_id: pulumi.Output[str]
    project_number: pulumi.Output[str]
    billing_account: pulumi.Output[str]
    services: Mapping[str, gcp.projects.Service]
    subnetwork: pulumi.Output[str]
    nodes_cidr: pulumi.Output[str]
    pods_range: str
    services_range: str
    zones: tuple[str, ...]
    training_tag: str
    is_api_public: bool


@dataclass(frozen=True)
class GcpIdentity(IdentityOutputs):
    """Service accounts by use: training, serving, pipeline, approver, viewer, admin; refs are e-mail addresses. They
    come with nothing granted; whoever owns a thing grants on it."""

    emails: Mapping[str, pulumi.Output[str]]
    account_names: Mapping[str, pulumi.Output[str]]


@dataclass(frozen=True)
class GcpStorage(StorageOutputs):
    """By use: data, artifacts, checkpoints. `key_ref`: the key that encrypts all; `agents`: the grants by
    which Google's own services may use it, by service, for `depends_on`."""

    bucket_names: Mapping[str, pulumi.Output[str]]
    agents: Mapping[str, pulumi.Resource]


@dataclass(frozen=True)
class GcpRegistry(RegistryOutputs):
    repository: pulumi.Output[str]


@dataclass(frozen=True)
class GcpTraining(ClusterTraining):
    """`cluster`: the GKE cluster; None where Vertex trains."""


@dataclass(frozen=True)
class GcpEndpoint(EndpointOutputs):
    """Of the Vertex endpoint: its number, and how many replicas of each release are declared, at least and at most."""

    endpoint_id: str
    replicas: tuple[int, int]
