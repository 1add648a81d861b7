"""The local endpoint: a router, one model server per release, and all weights set at once."""

from __future__ import annotations

from typing import Any

import pulumi

from components import contract
from components.contract import Context, EndpointOutputs, RegistryOutputs, StorageOutputs, Unsupported
from components.local.config import service_config
from components.local.identity import LocalIdentity
from components.local.network import LocalNetwork
from components.local.release import STOP_S, server_name
from components.local.resources import ReleaseServer, Routes, Service
from components.specs import EndpointSpec


class ModelEndpoint(contract.ModelEndpoint):
    """Requests go to the router; a release's server joins when it is ready and leaves after its last answer."""

    cloud = "local"

    @classmethod
    def check(cls, spec: EndpointSpec, ctx: Context) -> None:
        if spec.min_replicas > 1:
            raise Unsupported(
                f"skywright:endpoint.min_replicas is {spec.min_replicas}; the local stack runs one server per release",
                "Set it to 1, or choose a cloud.",
            )

    def build(
        self,
        spec: EndpointSpec,
        *,
        network: LocalNetwork,
        identity: LocalIdentity,
        storage: StorageOutputs,
        registry: RegistryOutputs,
        **below: Any,
    ) -> EndpointOutputs:
        router = Service(
            self.child_name("router"),
            module="ml_jobs.local.router",
            stop_s=STOP_S,
            config=service_config(
                self.ctx,
                network,
                identity,
                storage,
                "router",
                token_ref=identity.serving_ref,
                settings={"endpoint": spec.name},
            ),
            opts=self.child(),
        )
        servers = {}
        for name, release in spec.releases.items():
            record = release.model_dump(mode="json")
            process = server_name(name, release.artifact_sha256)
            config = service_config(
                self.ctx,
                network,
                identity,
                storage,
                process,
                token_ref=identity.serving_ref,
                port=0,
                settings={"release_name": name, "endpoint": spec.name, "release": record | _WEIGHTLESS},
            )
            servers[name] = ReleaseServer(
                self.child_name(f"release-{name}"),
                release={key: value for key, value in record.items() if key not in _WEIGHTLESS},
                config=config,
                requires_approval=spec.requires_approval or self.ctx.is_production,
                registry_url=registry.tracking_url,
                token_ref=identity.serving_ref,
                opts=self.child(),
            )
        routes = Routes(
            self.child_name("routes"),
            router_url=router.url,
            token_ref=identity.admin_ref,
            routes={
                "routing": spec.routing.model_dump(mode="json"),
                "releases": {
                    name: {
                        "url": servers[name].url,
                        "model": release.model,
                        "version": release.version,
                        "weight_percent": release.weight_percent,
                        "shadow_percent": release.shadow_percent,
                    }
                    for name, release in spec.releases.items()
                },
            },
            opts=self.child(),
        )
        url = pulumi.Output.all(router.url, routes.id).apply(lambda both: both[0])
        return EndpointOutputs(name=spec.name, url=url, protocol="open-inference-v2")


_WEIGHTLESS = {"weight_percent": 0.0, "shadow_percent": 0.0}
"""A server does not know its weight: changing weights must not restart it."""
