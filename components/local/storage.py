"""Folders for data, artifacts and checkpoints."""

from __future__ import annotations

from typing import Any

import pulumi

from components import contract
from components.contract import StorageOutputs
from components.local.network import LocalNetwork
from components.local.resources import Folder
from components.specs import StorageSpec


class Storage(contract.Storage):
    """Three owner-only folders; destroy keeps them unless `retain_data` is false."""

    cloud = "local"

    def build(self, spec: StorageSpec, *, network: LocalNetwork, **below: Any) -> StorageOutputs:
        def folder(role: str) -> pulumi.Output[str]:
            made = Folder(self.child_name(role), path=network.path(role), retain=spec.retain_data, opts=self.child())
            return made.id.apply(lambda path: f"file://{path}")

        return StorageOutputs(
            data_url=folder("data"),
            artifacts_url=folder("artifacts"),
            checkpoints_url=folder("checkpoints"),
            key_ref=pulumi.Output.from_input(""),
        )
