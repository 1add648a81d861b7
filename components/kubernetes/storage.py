"""Where things lie: in the storage that the user brings, else on volumes of the cluster."""

from __future__ import annotations

from typing import Any

import pulumi

from components import contract
from components.contract import StorageOutputs
from components.kubernetes.network import KubernetesNetwork, own_settings
from components.kubernetes.registry import ARTIFACTS_PATH, registry_url
from components.kubernetes.volumes import MOUNT
from components.specs import StorageSpec


class Storage(contract.Storage):
    """Folders of a brought bucket or file system; without one each team has claims for data and checkpoints, and
    artifacts lie with the registry, which serves them by HTTP."""

    cloud = "kubernetes"

    def build(self, spec: StorageSpec, *, network: KubernetesNetwork, **below: Any) -> StorageOutputs:
        settings = own_settings(self.ctx)
        base = settings.storage_url
        urls = {role: f"{base or f'file://{MOUNT}'}/{role}" for role in ("data", "artifacts", "checkpoints")}
        if not base:
            urls["artifacts"] = registry_url(settings) + ARTIFACTS_PATH
        return StorageOutputs(
            data_url=pulumi.Output.from_input(urls["data"]),
            artifacts_url=pulumi.Output.from_input(urls["artifacts"]),
            checkpoints_url=pulumi.Output.from_input(urls["checkpoints"]),
            key_ref=pulumi.Output.from_input(""),
        )
