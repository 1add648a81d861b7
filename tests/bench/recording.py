"""What a stack's program declares, resource by resource, so that the same can be declared without components."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pulumi
import rounds
from pulumi._types import is_input_type

from infra.program import Platform, build
from infra.settings import Settings, from_file
from tests.graph.harness import Graph, Recorder

PROJECT = "/project"


@dataclasses.dataclass(frozen=True)
class Construction:
    """One call of a resource's class. `arguments` hold plain values; `provider`: the place in the list of the one that
    was given to it."""

    kind: type[pulumi.CustomResource]
    positional: tuple[Any, ...]
    arguments: dict[str, Any]
    provider: int | None

    def options(self, made: list[pulumi.CustomResource]) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(provider=None if self.provider is None else made[self.provider])  # type: ignore[arg-type]


def settings_of(cloud: str) -> Settings:
    return from_file(rounds.stack_of(cloud))


def run(settings: Settings, program: Any) -> None:
    """Run a program against the mocks of tests/graph to its end, every output resolved."""
    pulumi.runtime.set_mocks(Recorder(Graph()), project="skywright", stack=settings.stack, preview=False)
    pulumi.runtime.test(program)()


def platform(settings: Settings) -> Platform:
    return build(settings, project_dir=PROJECT)


def constructions(settings: Settings) -> list[Construction]:
    """Of every resource but the components, in the order in which they were declared."""
    taken: list[Construction] = []

    async def resolve(kind: type[Any], words: tuple[Any, ...], named: dict[str, Any], places: dict[int, int]) -> None:
        opts = named.pop("opts", None) or next((word for word in words if is_options(word)), None)
        positional = tuple([await plain(word) for word in words if not is_options(word)])
        provider = places.get(id(opts.provider)) if opts is not None and opts.provider is not None else None
        arguments = {key: await plain(value) for key, value in named.items() if value is not None}
        taken.append(Construction(kind, positional, arguments, provider))

    def program() -> pulumi.Output[Any]:
        with called() as calls:
            contract = platform(settings).contract

        async def all_of_them() -> None:
            resources = [call for call in calls if not issubclass(call[0], pulumi.ComponentResource)]
            places = {id(made): place for place, (_, made, _, _) in enumerate(resources)}
            for kind, _, words, named in resources:
                await resolve(kind, words, dict(named), places)

        return contract.apply(lambda _: pulumi.Output.from_input(all_of_them()))

    run(settings, program)
    return taken


Call = tuple[type[Any], Any, tuple[Any, ...], dict[str, Any]]
"""A class, what came of it, and the arguments as its caller gave them."""

_calls: list[Call] | None = None


@contextmanager
def called() -> Iterator[list[Call]]:
    """Every construction of a resource."""
    global _calls
    _calls = calls = []
    try:
        yield calls
    finally:
        _calls = None


def _new(kind: type[Any], /, *words: Any, **named: Any) -> Any:
    made = object.__new__(kind)
    if _calls is not None:
        _calls.append((kind, made, words, named))
    return made


# For good: CPython does not find back to `object.__new__` when a class loses its own.
pulumi.Resource.__new__ = _new  # type: ignore[method-assign,assignment]


def is_options(value: Any) -> bool:
    return isinstance(value, pulumi.ResourceOptions)


async def plain(value: Any) -> Any:
    """The value with every output in it resolved; typed arguments keep their classes."""
    if isinstance(value, pulumi.Output):
        return await plain(await value.future())
    if asyncio.isfuture(value) or asyncio.iscoroutine(value):
        return await plain(await value)
    if isinstance(value, dict):
        return {key: await plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [await plain(item) for item in value]
    if is_input_type(type(value)):
        twin = copy.copy(value)
        for key, item in list(vars(value).items()):
            vars(twin)[key] = await plain(item)
        return twin
    return value
