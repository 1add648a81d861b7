"""Builds a stack's program in this process, against mocks: what is declared, with which inputs (tier: graph)."""

from __future__ import annotations

import asyncio
import functools
import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pulumi

from infra.program import build
from infra.settings import Settings, from_file

STACKS = Path(__file__).resolve().parents[2] / "stacks"


@dataclass(frozen=True)
class Declared:
    """One resource as the engine would be asked for it."""

    type: str
    name: str
    inputs: dict[str, Any]


@dataclass
class Graph:
    """All that a program declared, and the contract that it exported."""

    resources: list[Declared] = field(default_factory=list)
    contract: dict[str, Any] = field(default_factory=dict)

    def of(self, kind: str) -> dict[str, Declared]:
        """Resources whose type ends in `kind`, by name."""
        return {item.name: item for item in self.resources if item.type.endswith(kind)}


class Recorder(pulumi.runtime.Mocks):
    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        inputs = {key: value for key, value in args.inputs.items() if key != "__provider"}
        self.graph.resources.append(Declared(args.typ, args.name, inputs))
        if cloud := _answers(args.typ):
            made: tuple[str, dict[str, Any]] = cloud.resource(args.typ, args.name, inputs)
            return made
        ports = {name: 21000 + index for index, name in enumerate(sorted(inputs.get("wanted_ports") or ()))}
        computed = {"ports": ports, "socket": "/s.sock", "url": f"http://127.0.0.1/{args.name}", "status": "running"}
        return inputs.get("root") or inputs.get("path") or args.name, {**inputs, **computed}

    def call(self, args: pulumi.runtime.MockCallArgs) -> dict[str, Any]:
        cloud = _answers(args.token)
        answer: dict[str, Any] = cloud.call(args.token, args.args) if cloud else {}
        return answer


@functools.cache
def _answers(token: str) -> ModuleType | None:
    """How a cloud's mock answers: `outputs_<package>.py` beside this file has

    `resource(type, name, inputs) -> (id, outputs)` and `call(token, arguments) -> answer`.
    """
    package = token.split(":", 1)[0].replace("-", "_")
    home = f"{__package__}.outputs_{package}"
    return importlib.import_module(home) if importlib.util.find_spec(home) else None


def declare(settings: Settings, secrets: dict[str, str] | None = None) -> Graph:
    """Run the program of these settings to its end; every output is resolved when this returns."""
    try:
        asyncio.get_event_loop()
    except RuntimeError:  # another test's `asyncio.run` has taken the thread's loop away
        asyncio.set_event_loop(asyncio.new_event_loop())
    graph = Graph()
    pulumi.runtime.set_mocks(Recorder(graph), project="skywright", stack=settings.stack, preview=False)

    @pulumi.runtime.test
    def run() -> pulumi.Output[Any]:
        given = {key: pulumi.Output.secret(value) for key, value in (secrets or {}).items()}
        platform = build(settings, secrets=given, project_dir="/project")
        return platform.contract.apply(graph.contract.update)

    run()
    return graph


def graph(stack: str) -> Callable[[Callable[[Graph], None]], Callable[[], None]]:
    """The test gets the graph of an example stack."""

    def decorate(test: Callable[[Graph], None]) -> Callable[[], None]:
        @functools.wraps(test)
        def run() -> None:
            test(declare(from_file(STACKS / f"Pulumi.{stack}.yaml")))

        del run.__wrapped__  # type: ignore[attr-defined]  # pytest would ask for a fixture named as its argument
        return run

    return decorate
