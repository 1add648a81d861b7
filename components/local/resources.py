"""The dynamic resources as the components declare them: typed inputs, documented outputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi.dynamic import Resource

from components.local import providers


class Host(Resource, module="local", name="Host"):
    """`ports`: {name: port}, 0 where a free one is wanted. Outputs `ports` and `socket` of the supervisor."""

    ports: pulumi.Output[Mapping[str, int]]
    socket: pulumi.Output[str]

    def __init__(
        self, name: str, *, root: str, ports: Mapping[str, int], retain: bool, opts: pulumi.ResourceOptions
    ) -> None:
        inputs = {"root": root, "wanted_ports": dict(ports), "retain": retain}
        outputs = {"ports": None, "socket": None, "status": None}
        super().__init__(providers.HostProvider(), name, {**inputs, **outputs}, opts)


class Keys(Resource, module="local", name="Keys"):
    """`fingerprint`: of the public key that tokens are verified with."""

    fingerprint: pulumi.Output[str]

    def __init__(self, name: str, *, root: pulumi.Input[str], stack: str, opts: pulumi.ResourceOptions) -> None:
        super().__init__(
            providers.KeysProvider(), name, {"root": root, "stack": stack, "fingerprint": None, "status": None}, opts
        )


class Folder(Resource, module="local", name="Folder"):
    path: pulumi.Output[str]

    def __init__(self, name: str, *, path: pulumi.Input[str], retain: bool, opts: pulumi.ResourceOptions) -> None:
        super().__init__(providers.FolderProvider(), name, {"path": path, "retain": retain, "status": None}, opts)


class SecretFile(Resource, module="local", name="SecretFile"):
    path: pulumi.Output[str]

    def __init__(
        self, name: str, *, path: pulumi.Input[str], value: pulumi.Output[str], opts: pulumi.ResourceOptions
    ) -> None:
        outputs = {"salt": None, "digest": None, "status": None}
        super().__init__(
            providers.SecretFileProvider(), name, {"path": path, "value": pulumi.Output.secret(value), **outputs}, opts
        )


class Service(Resource, module="local", name="Service"):
    url: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        module: str,
        config: pulumi.Input[Mapping[str, Any]],
        opts: pulumi.ResourceOptions,
        stop_s: int = 20,
        ready_s: int = 90,
    ) -> None:
        inputs = {"module": module, "config": config, "stop_s": stop_s, "ready_s": ready_s}
        outputs = {"url": None, "unplanned_restarts": None, "status": None}
        super().__init__(providers.ServiceProvider(), name, {**inputs, **outputs}, opts)


class ReleaseServer(Resource, module="local", name="ReleaseServer"):
    """`release`: the declared record less its weights, which the routes carry."""

    url: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        release: Mapping[str, Any],
        config: pulumi.Input[Mapping[str, Any]],
        requires_approval: bool,
        registry_url: pulumi.Input[str],
        token_ref: pulumi.Input[str],
        opts: pulumi.ResourceOptions,
    ) -> None:
        inputs = {
            "release": release, "config": config, "requires_approval": requires_approval,
            "registry_url": registry_url, "token_ref": token_ref,
        }  # fmt: skip
        outputs = {"url": None, "running_config": None, "unplanned_restarts": None, "status": None}
        super().__init__(providers.ReleaseProvider(), name, {**inputs, **outputs}, opts)


class Routes(Resource, module="local", name="Routes"):
    def __init__(
        self,
        name: str,
        *,
        router_url: pulumi.Input[str],
        token_ref: pulumi.Input[str],
        routes: pulumi.Input[Mapping[str, Any]],
        opts: pulumi.ResourceOptions,
    ) -> None:
        inputs = {"router_url": router_url, "token_ref": token_ref, "routes": routes}
        super().__init__(providers.RoutesProvider(), name, {**inputs, "status": None}, opts)
