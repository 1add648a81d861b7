"""Who may talk to whom: each namespace begins with nobody, and says what it needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pulumi_kubernetes as k8s
from pulumi_kubernetes.networking.v1 import NetworkPolicyPeerArgs

from components.contract import Component
from components.kubernetes.cluster import Cluster, WorkloadIdentity, metadata, stack_label

GATEWAY_NAMESPACE = "envoy-gateway-system"
SYSTEM_NAMESPACE = "kube-system"
NAMESPACE_LABEL = "kubernetes.io/metadata.name"
LINK_LOCAL = "169.254.0.0/16"
"""Node metadata lies here: whatever reads it becomes the node."""
NODE_LOCAL_DNS = "169.254.20.10/32"
ROLE_LABEL = "skywright.dev/role"


def namespace_peer(name: str) -> NetworkPolicyPeerArgs:
    """All pods of a namespace."""
    return NetworkPolicyPeerArgs(namespace_selector=k8s.meta.v1.LabelSelectorArgs(match_labels={NAMESPACE_LABEL: name}))


def stack_peer(owner: Component[Any, Any]) -> NetworkPolicyPeerArgs:
    """All pods in the namespaces that this stack has made."""
    return NetworkPolicyPeerArgs(namespace_selector=k8s.meta.v1.LabelSelectorArgs(match_labels=stack_label(owner)))


def same_namespace() -> NetworkPolicyPeerArgs:
    return NetworkPolicyPeerArgs(pod_selector=k8s.meta.v1.LabelSelectorArgs())


def anywhere_but_nodes() -> NetworkPolicyPeerArgs:
    """Any address but the link-local ones."""
    return NetworkPolicyPeerArgs(ip_block=k8s.networking.v1.IPBlockArgs(cidr="0.0.0.0/0", except_=[LINK_LOCAL]))


def address(cidr: str) -> NetworkPolicyPeerArgs:
    return NetworkPolicyPeerArgs(ip_block=k8s.networking.v1.IPBlockArgs(cidr=cidr))


def ports(*numbers: int | str, protocol: str = "TCP") -> list[k8s.networking.v1.NetworkPolicyPortArgs]:
    return [k8s.networking.v1.NetworkPolicyPortArgs(port=number, protocol=protocol) for number in numbers]


class Gate:
    """The network policies of one namespace, each named after what it lets through."""

    def __init__(self, owner: Component[Any, Any], cluster: Cluster, namespace: str, depends_on: Sequence[Any]) -> None:
        self.owner, self.cluster, self.namespace = owner, cluster, namespace
        self.depends_on = depends_on

    def shut(self) -> None:
        """Nobody comes in, nothing goes out, names are resolved."""
        self._policy("default-deny", types=["Ingress", "Egress"])
        self._policy(
            "allow-dns",
            types=["Egress"],
            egress=[
                k8s.networking.v1.NetworkPolicyEgressRuleArgs(
                    to=[namespace_peer(SYSTEM_NAMESPACE), address(NODE_LOCAL_DNS)],
                    ports=[*ports(53, protocol="UDP"), *ports(53)],
                )
            ],
        )

    def let_in(
        self, what: str, *peers: NetworkPolicyPeerArgs, to: Sequence[int | str] = (), role: str | None = None
    ) -> None:
        """`peers` reach the pods of `role` (default: all) at the ports `to` (default: all)."""
        self._policy(
            f"allow-from-{what}",
            types=["Ingress"],
            role=role,
            ingress=[
                k8s.networking.v1.NetworkPolicyIngressRuleArgs(
                    from_=list(peers) or None, ports=ports(*to) if to else None
                )
            ],
        )

    def let_out(
        self, what: str, *peers: NetworkPolicyPeerArgs, to: Sequence[int | str] = (), role: str | None = None
    ) -> None:
        """The pods of `role` (default: all) reach `peers` at the ports `to` (default: all)."""
        self._policy(
            f"allow-to-{what}",
            types=["Egress"],
            role=role,
            egress=[k8s.networking.v1.NetworkPolicyEgressRuleArgs(to=list(peers), ports=ports(*to) if to else None)],
        )

    def let_out_to_cloud(self, identity: WorkloadIdentity) -> None:
        """HTTPS to object stores and APIs, and the agent that hands out the cloud's credentials."""
        self.let_out("https", anywhere_but_nodes(), to=(443,))
        for cidr, port in identity.egress:
            self.let_out(f"credentials-{port}", address(cidr), to=(port,))

    def _policy(self, name: str, *, types: list[str], role: str | None = None, **rules: Any) -> None:
        k8s.networking.v1.NetworkPolicy(
            self.owner.child_name(f"{self.namespace}-{name}"),
            metadata=metadata(self.owner, name, self.namespace),
            spec=k8s.networking.v1.NetworkPolicySpecArgs(
                pod_selector=k8s.meta.v1.LabelSelectorArgs(match_labels={ROLE_LABEL: role} if role else None),
                policy_types=types,
                **rules,
            ),
            opts=self.cluster.child(self.owner, depends_on=self.depends_on),
        )
