"""The config file of a local process, as inputs of the resource that runs it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi

from components.contract import Context, StorageOutputs
from components.local.identity import LocalIdentity
from components.local.network import LocalNetwork


def service_config(
    ctx: Context,
    network: LocalNetwork,
    identity: LocalIdentity,
    storage: StorageOutputs,
    name: str,
    *,
    token_ref: pulumi.Input[str],
    settings: Mapping[str, Any],
    peers: tuple[str, ...] = (),
    port: pulumi.Input[int] | None = None,
) -> dict[str, Any]:
    """A process's ServiceConfig (see ml_jobs.local.process) as inputs of its resource."""
    return {
        "name": name,
        "stack": ctx.stack,
        "environment": ctx.environment,
        "root": network.root,
        "host": "127.0.0.1",
        "port": port if port is not None else network.ports.apply(lambda ports: int(ports[name])),
        "issuer_key": network.path("identity/issuer.pub"),
        "issuer_fingerprint": identity.fingerprint,
        "token_file": pulumi.Output.from_input(token_ref).apply(_path),
        "artifacts_url": storage.artifacts_url,
        "holds_file": network.path("state/holds.jsonl"),
        "peers": {peer: network.url(peer) for peer in peers},
        "settings": settings,
    }


def _path(reference: str) -> str:
    return reference.removeprefix("file://")
