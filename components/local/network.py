"""The local stack's network: loopback, its ports, and the supervisor that everything runs under."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi

from components import contract
from components.contract import Context, NetworkOutputs
from components.local.resources import Host
from components.local.settings import LocalSettings
from components.specs import NetworkSpec

SERVICES = ("registry", "scheduler", "router", "monitor", "ledger")


@dataclass(frozen=True)
class LocalNetwork(NetworkOutputs):
    """Only for the local components: the stack's folder, its ports, the supervisor's socket."""

    root: pulumi.Output[str]
    ports: pulumi.Output[Mapping[str, int]]
    socket: pulumi.Output[str]

    def path(self, relative: str) -> pulumi.Output[str]:
        return self.root.apply(lambda root: f"{root}/{relative}")

    def url(self, service: str) -> pulumi.Output[str]:
        return self.ports.apply(lambda ports: f"http://127.0.0.1:{int(ports[service])}")


def local_settings(ctx: Context) -> LocalSettings:
    assert isinstance(ctx.settings, LocalSettings)
    return ctx.settings


def root_of(ctx: Context) -> Path:
    """The stack's folder, absolute."""
    settings = local_settings(ctx)
    base = Path(ctx.project_dir)
    return (base / (settings.root or f".skywright/{ctx.stack}")).expanduser().resolve()


class Network(contract.Network):
    """Loopback ports and one supervisord."""

    cloud = "local"

    def build(self, spec: NetworkSpec, **below: Any) -> LocalNetwork:
        settings = local_settings(self.ctx)
        root = str(root_of(self.ctx))
        host = Host(
            self.child_name("host"),
            root=root,
            ports=settings.ports.model_dump(),
            retain=self.ctx.retain_data,
            opts=self.child(),
        )
        here = pulumi.Output.from_input("127.0.0.1")
        return LocalNetwork(
            network_ref=host.id.apply(lambda path: f"file://{path}"),
            private_refs=here.apply(lambda address: [address]),
            public_refs=here.apply(lambda _: []),
            root=host.id,
            ports=host.ports,
            socket=host.socket,
        )
