"""The stack's dynamic resource on Azure ML. Stacks keep this class by module and name: never rename or move it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pulumi.dynamic import CreateResult, DiffResult, ReadResult, ResourceProvider, UpdateResult

Props = Mapping[str, Any]


class EndpointTrafficProvider(ResourceProvider):
    """All weights of one online endpoint, and its mirror, set at once. Repeating any call changes nothing more."""

    serialize_as_secret_always = False
    place = ("subscription_id", "resource_group", "workspace", "endpoint")
    inputs = ("traffic", "mirror")

    def diff(self, _id: str, _olds: Props, _news: Props) -> DiffResult:
        replaces = [key for key in self.place if _olds.get(key) != _news.get(key)]
        changed = any(_plain(_olds.get(key)) != _plain(_news.get(key)) for key in self.inputs)
        # Two can't own the weights of one endpoint: the old one goes first.
        return DiffResult(changes=bool(replaces) or changed, replaces=replaces, delete_before_replace=True)

    def create(self, props: Props) -> CreateResult:
        from components.azure import traffic

        traffic.set_weights(props, _plain(props["traffic"]), _plain(props["mirror"]))
        return CreateResult(traffic.id_of(props), dict(props))

    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        from components.azure import traffic

        traffic.set_weights(_news, _plain(_news["traffic"]), _plain(_news["mirror"]))
        return UpdateResult(dict(_news))

    def read(self, id_: str, props: Props) -> ReadResult:
        from components.azure import traffic

        there = traffic.weights(props)
        return ReadResult(id_, {**props, **there}) if there is not None else ReadResult("", {})

    def delete(self, _id: str, _props: Props) -> None:
        from components.azure import traffic

        traffic.set_weights(_props, {}, {})


def _plain(weights: Any) -> dict[str, int]:
    """The engine keeps numbers as floats."""
    return {str(name): int(weight) for name, weight in (weights or {}).items() if int(weight)}
