"""A cluster that things are declared on: the user's own, or one that a cloud's component has just made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pulumi

from catalog.labels import kubernetes_labels
from components.contract import Component, TrainingOutputs
from components.kubernetes.flavors import Flavor
from components.kubernetes.settings import PlatformSettings

if TYPE_CHECKING:  # a stack on a cloud's managed services names these records, and must not load the SDK for them
    import pulumi_kubernetes as k8s


@dataclass(frozen=True)
class WorkloadIdentity:
    """How pods become an identity of the cloud they run on.

    `annotations` go onto the service account (GKE, AKS), `pod_labels` onto its pods (AKS); EKS pod identities need
    neither. `egress`: (CIDR, port) of the agent that hands out credentials, for the network policies.
    """

    annotations: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    pod_labels: Mapping[str, str] = field(default_factory=dict)
    egress: tuple[tuple[str, int], ...] = ()


@dataclass
class Cluster:
    """`kubeconfig` is a secret, empty where the user's own is used.

    What is declared on the cluster is noted here for whatever comes after it: `operators`, `namespaces`, `flavors`,
    `queues` (ClusterQueue -> spot or on-demand), `accounts` (roles with a service account in the platform's namespace).
    """

    name: str
    kubeconfig: pulumi.Output[str]
    provider: k8s.Provider
    storage_class: str | None = None
    is_gpu_operator_needed: bool = True
    settings: PlatformSettings = field(default_factory=PlatformSettings)
    operators: dict[str, pulumi.Resource] = field(default_factory=dict)
    namespaces: dict[str, list[pulumi.Resource]] = field(default_factory=dict)
    accounts: set[str] = field(default_factory=set)
    flavors: list[Flavor] = field(default_factory=list)
    queues: dict[str, str] = field(default_factory=dict)

    def child(
        self, owner: Component[Any, Any], *, after: Iterable[str] = (), depends_on: Iterable[Any] = (), **options: Any
    ) -> pulumi.ResourceOptions:
        """Options of a child of `owner` on this cluster; `after` names the operators whose types it uses."""
        needed = [self.operators[name] for name in after if name in self.operators]
        return owner.child(provider=self.provider, depends_on=[*needed, *depends_on], **options)


def provider_for(
    owner: Component[Any, Any], *, kubeconfig: pulumi.Input[str] | None = None, context: str | None = None
) -> k8s.Provider:
    """The provider of a cluster: by its kubeconfig, or by a context of the user's own."""
    import pulumi_kubernetes as k8s

    return k8s.Provider(
        owner.child_name("cluster-provider"),
        kubeconfig=kubeconfig,
        context=context,
        enable_server_side_apply=True,
        enable_config_map_mutable=True,  # changed in place: a replaced one would be gone for a moment
        enable_secret_mutable=True,
        opts=owner.child(),
    )


@dataclass(frozen=True)
class ClusterTraining(TrainingOutputs):
    """Only for components of the same cloud: the cluster that queues lie on, None for a managed service."""

    cluster: Cluster | None = None
    flavors: tuple[Flavor, ...] = ()


WINS = {"pulumi.com/patchForce": "true"}
"""What is declared wins over a field that somebody has changed by hand; without it the API server reports a conflict.
Fields that are not declared (a queue's stopPolicy, a scaler's pause) stay whoever's they are.
"""


def labels_of(owner: Component[Any, Any], **more: str) -> dict[str, str]:
    """The stack's tags as labels, and what the recommended labels say.

    https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/
    """
    return {
        **kubernetes_labels(owner.tags()),
        **stack_label(owner),
        "app.kubernetes.io/part-of": "skywright",
        "app.kubernetes.io/managed-by": "pulumi",
        **{f"app.kubernetes.io/{key}": value for key, value in more.items()},
    }


def metadata(
    owner: Component[Any, Any],
    name: str,
    namespace: pulumi.Input[str] | None = None,
    *,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, pulumi.Input[str]] | None = None,
) -> k8s.meta.v1.ObjectMetaArgs:
    """The name that people and jobs refer to, labelled."""
    import pulumi_kubernetes as k8s

    return k8s.meta.v1.ObjectMetaArgs(
        name=name,
        namespace=namespace,
        labels={**labels_of(owner), **(labels or {})},
        annotations={**WINS, **(annotations or {})},
    )


def stack_label(owner: Component[Any, Any]) -> dict[str, str]:
    """The label that tells this stack's namespaces from others on the cluster."""
    return kubernetes_labels({"stack": owner.ctx.stack})
