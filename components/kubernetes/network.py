"""The network of a brought cluster is its own; ours are the namespaces on it and who may talk to whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi

from catalog.errors import UserError
from components import contract
from components.contract import Context, NetworkOutputs
from components.kubernetes.cluster import Cluster, provider_for
from components.kubernetes.namespaces import declare_namespace
from components.kubernetes.settings import KubernetesSettings
from components.specs import NetworkSpec


@dataclass(frozen=True)
class KubernetesNetwork(NetworkOutputs):
    """Only for the components here: the cluster, and whether its gateway may have a public address."""

    cluster: Cluster
    is_public: bool


def own_settings(ctx: Context) -> KubernetesSettings:
    assert isinstance(ctx.settings, KubernetesSettings)
    return ctx.settings


class Network(contract.Network):
    """A provider for the cluster that the kubeconfig names, and the platform's namespace, closed."""

    cloud = "kubernetes"

    @classmethod
    def check(cls, spec: NetworkSpec, ctx: Context) -> None:
        if spec.is_api_public and not own_settings(ctx).gateway.tls_secret:
            raise UserError(
                "skywright:network.is_api_public is true, and the gateway would answer in clear",
                "Set skywright:kubernetes.gateway.tls_secret to a TLS secret, or remove is_api_public.",
            )

    def build(self, spec: NetworkSpec, **below: Any) -> KubernetesNetwork:
        settings = own_settings(self.ctx)
        cluster = Cluster(
            name=settings.context or "current context",
            kubeconfig=pulumi.Output.secret(""),
            provider=provider_for(self, context=settings.context),
            storage_class=settings.volume.storage_class,
            settings=settings,
        )
        declare_namespace(self, cluster, settings.namespace)
        here = pulumi.Output.from_input(settings.namespace)
        return KubernetesNetwork(
            network_ref=here.apply(lambda name: f"k8s://namespaces/{name}"),
            private_refs=here.apply(lambda name: [name]),
            public_refs=here.apply(lambda _: []),
            cluster=cluster,
            is_public=spec.is_api_public,
        )
