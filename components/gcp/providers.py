"""The stack's dynamic resource on Vertex. Stacks keep this class by module and name: never rename or move it.

Every create can be repeated: models and deployments are found by ids that follow from what is declared, and adopted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pulumi.dynamic import CreateResult, DiffResult, ReadResult, ResourceProvider, UpdateResult

Props = Mapping[str, Any]


class VertexDeploymentsProvider(ResourceProvider):
    """All that is deployed to one endpoint, and all weights, set at once."""

    serialize_as_secret_always = False
    inputs = (
        "region", "releases", "images", "model_ids", "hardware", "environment", "service_account", "kms_key", "labels",
    )  # fmt: skip
    replacing = ("endpoint", "key")

    def diff(self, _id: str, _olds: Props, _news: Props) -> DiffResult:
        replaces = [key for key in self.replacing if _olds.get(key) != _news.get(key)]
        changed = any(_olds.get(key) != _news.get(key) for key in self.inputs)
        # Two can't own the weights of one endpoint: the old one goes first.
        return DiffResult(
            changes=bool(replaces) or changed or _olds.get("status") != "deployed",
            replaces=replaces,
            delete_before_replace=True,
        )

    def create(self, props: Props) -> CreateResult:
        return CreateResult(f"{props['endpoint']}/deployedModels", self._ensure(props, {}))

    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        return UpdateResult(self._ensure(_news, _olds))

    def _ensure(self, props: Props, olds: Props) -> dict[str, Any]:
        from components.gcp import vertex_process

        deployed = vertex_process.ask("ensure", props, olds)
        kept = {key: props.get(key) for key in (*self.inputs, *self.replacing)}
        return {**kept, "deployed": deployed, "status": "deployed"}

    def read(self, id_: str, props: Props) -> ReadResult:
        from components.gcp import vertex_process

        status = vertex_process.ask("status_of", props)
        return ReadResult(id_, {**props, "status": status}) if status else ReadResult("", {})

    def delete(self, _id: str, _props: Props) -> None:
        from components.gcp import vertex_process

        vertex_process.ask("remove", _props)
