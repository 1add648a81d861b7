"""What a stack would declare, read without an engine and without credentials: the program runs in this process.

Of what only a cloud can tell (ids, ARNs, accounts, zones) it sees what the rehearsal's stand-ins would answer, so that
rules see policies and references whole, before anything exists. Parents, dependencies and protection are the program's.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
from collections.abc import Mapping
from typing import Any

import pulumi
from google.protobuf import json_format
from pulumi.runtime.mocks import MockMonitor
from pulumi.runtime.proto import resource_pb2

from catalog.errors import UserError
from infra.program import build
from infra.rehearsal.core import outputs
from infra.rehearsal.core.cloud import Asked, Cloud
from infra.rehearsal.core.kinds import Kind
from infra.rehearsal.core.shape import Shape
from infra.settings import Settings
from infra.settings.model import SECRET_KEYS
from policies.readers.values import properties
from policies.resources import STACK, Resource

STAND_INS = {"aws": "aws", "gcp": "gcp", "azure-native": "azure"}
"""Provider -> folder of its tables under infra/rehearsal. Others give back what they are given."""


class _Answers(pulumi.runtime.Mocks):
    """What stand-ins answer. `config`: of the provider."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = config
        self.there: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        cloud = _stand_in(args.typ.split(":", 1)[0])
        if cloud is None or not args.custom:
            return args.name, args.inputs
        kind = cloud.kind(args.typ) or Kind(args.typ, id="{word}-{hex:12}")
        known = cloud.own_sdk().declared(args.typ)
        shape = known.outputs if known else Shape("structure")
        given = {key: value for key, value in args.inputs.items() if key != "__provider"}
        if kind.autoname and not given.get(kind.autoname.input):
            given[kind.autoname.input] = args.name
        made = outputs.made(kind, shape, given, cloud.place(self.config, given), args.name)
        self.there.setdefault(args.typ, []).append(made)
        return made

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        cloud = _stand_in(args.token.split(":", 1)[0])
        answer = cloud.invokes.get(args.token) if cloud else None
        if cloud is None or answer is None:
            raise LookupError(args.token)
        return dict(answer(Asked(args.token, args.args, cloud.place(self.config, args.args), self._find))), []

    def _find(self, token: str) -> list[tuple[str, Mapping[str, Any]]]:
        return self.there.get(token, [])


class _Monitor(MockMonitor):
    """Keeps each request as the engine would have got it."""

    def __init__(self, answers: _Answers, kept: list[Resource]) -> None:
        super().__init__(answers)
        self.kept = kept

    def Invoke(self, request: Any) -> Any:
        try:
            return super().Invoke(request)  # type: ignore[no-untyped-call]
        except LookupError:  # of what is brought, and lies in no account here
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
    try:
        asyncio.get_event_loop()
    except RuntimeError:  # `asyncio.run` of whoever ran before has taken away what the SDK asks the thread for
        asyncio.set_event_loop(asyncio.new_event_loop())
    kept: list[Resource] = []
    monitor = _Monitor(_Answers({"region": settings.region, "location": settings.region}), kept)
    # No preview where there are stand-ins: in one, whatever is made of an output stays unseen.
    is_preview = settings.cloud == "local"
    pulumi.runtime.set_mocks(
        monitor.mocks, project="skywright", stack=settings.stack, preview=is_preview, monitor=monitor
    )
    secrets = {key: pulumi.Output.secret("") for key in SECRET_KEYS}

    @pulumi.runtime.test  # type: ignore[untyped-decorator]
    def run() -> Any:
        return build(settings, secrets=secrets, project_dir=project_dir).contract

    run()
    return kept


@functools.cache
def _stand_in(package: str) -> Cloud | None:
    folder = STAND_INS.get(package)
    if folder is None:
        return None
    try:
        found: Cloud = importlib.import_module(f"infra.rehearsal.{folder}.stand_in").CLOUD
    except ModuleNotFoundError as error:
        raise UserError(
            f"the review of a stack on {folder} needs the Python package {error.name}",
            f"Install it: pip install 'skywright[{folder},rehearse]'",
        ) from None
    return found
