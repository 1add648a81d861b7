"""The local registry: an MLflow server with roles, approvals and whole version records."""

from __future__ import annotations

from typing import Any

import pulumi

from components import contract
from components.contract import RegistryOutputs, StorageOutputs
from components.local.config import service_config
from components.local.identity import LocalIdentity
from components.local.network import LocalNetwork
from components.local.resources import Service
from components.specs import RegistrySpec


class ModelRegistry(contract.ModelRegistry):
    """MLflow over SQLite and the artifacts folder, on loopback."""

    cloud = "local"

    def build(
        self,
        spec: RegistrySpec,
        *,
        network: LocalNetwork,
        identity: LocalIdentity,
        storage: StorageOutputs,
        requires_second_person: bool = False,
        **below: Any,
    ) -> RegistryOutputs:
        config = service_config(
            self.ctx,
            network,
            identity,
            storage,
            "registry",
            token_ref=identity.training_ref,
            settings={
                "requires_second_person": requires_second_person,
                "approver_key": identity.approver_key_ref.apply(lambda ref: ref.removeprefix("file://")),
            },
        )
        server = Service(
            self.child_name("server"),
            module="ml_jobs.local.registry",
            config=config,
            opts=self.child(),
        )
        return RegistryOutputs(
            tracking_url=server.url,
            models_ref=storage.artifacts_url.apply(lambda url: f"{url}/models"),
            image_url=pulumi.Output.from_input(""),
        )
