"""What a stack would declare, read without an engine and without credentials: the program runs in this process.

It sees what a preview on an empty stack sees: inputs, parents, dependencies and protection, and UNKNOWN for whatever
only a cloud can tell.
"""

from __future__ import annotations

from typing import Any

import pulumi
from google.protobuf import json_format
from pulumi.runtime.mocks import MockMonitor
from pulumi.runtime.proto import resource_pb2

from infra.program import build
from infra.settings import Settings
from infra.settings.model import SECRET_KEYS
from policies.readers.values import properties
from policies.resources import STACK, Resource


class _Silent(pulumi.runtime.Mocks):
    """A provider before anything exists: of its outputs it knows what it was given, where that keeps its form."""

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        if args.typ.startswith("kubernetes:"):
            return None, args.inputs
        return None, {key: value for key, value in args.inputs.items() if isinstance(value, str | int | float)}

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        return {}, None


class _Monitor(MockMonitor):
    """Keeps each request as the engine would have got it."""

    def __init__(self, kept: list[Resource]) -> None:
        super().__init__(_Silent())
        self.kept = kept

    def Invoke(self, request: Any) -> Any:
        return resource_pb2.ResourceInvokeResponse(unknown=True)

    def RegisterResource(self, request: Any) -> Any:
        answer = super().RegisterResource(request)  # type: ignore[no-untyped-call]
        if request.type == STACK:
            return answer
        self.kept.append(
            Resource(
                request.type,
                request.name,
                properties(json_format.MessageToDict(request.object)),
                urn=answer.urn,
                parent=request.parent or None,
                options={"protect": request.protect},
                property_dependencies={
                    key: tuple(item.urns) for key, item in request.propertyDependencies.items() if item.urns
                },
            )
        )
        return answer


def declared(settings: Settings, *, project_dir: str = ".") -> list[Resource]:
    """Every resource of the stack, in the order of its declaration. Raises UserError for what can't be declared."""
    kept: list[Resource] = []
    monitor = _Monitor(kept)
    pulumi.runtime.set_mocks(monitor.mocks, project="skywright", stack=settings.stack, preview=True, monitor=monitor)
    secrets = {key: pulumi.Output.secret("") for key in SECRET_KEYS}

    @pulumi.runtime.test  # type: ignore[untyped-decorator]
    def run() -> Any:
        return build(settings, secrets=secrets, project_dir=project_dir).contract

    run()
    return kept
