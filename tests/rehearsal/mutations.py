"""Inputs that are wrong in one way each, made of inputs that are right: by the SDK's types and by the API's models."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from infra.rehearsal.core.cloud import Cloud
from infra.rehearsal.core.operations import Operation
from infra.rehearsal.core.shape import ANY, Shape
from infra.rehearsal.core.validate import Path, compiled, dotted

WRONG = "skywright-wrong"
ODD = ("\x00", "not valid!", "%/?#[]@", "", "Ω" * 9, "a" * 5000, "0")
"""One of these matches hardly any pattern."""


@dataclass(frozen=True)
class Mutation:
    """`sort`: enum, required, pattern, unknown or type. `path`: of the input, with indices."""

    sort: str
    path: str
    value: Any
    inputs: Mapping[str, Any]

    @property
    def key(self) -> tuple[str, str]:
        return self.sort, re.sub(r"\[\d+\]", "", self.path)


def mutations(cloud: Cloud, token: str, inputs: Mapping[str, Any], facts: Mapping[str, Any]) -> Iterator[Mutation]:
    declared = cloud.own_sdk().declared(token)
    assert declared is not None
    yield from _of_sdk(inputs, declared.inputs, inputs, ())
    kind = cloud.kind(token)
    judge = kind.judge if kind else None
    if judge is None or not hasattr(judge, "fitted"):
        return
    for operation, done in judge.fitted(inputs, facts):
        yield from _of_request(operation, done.request, operation.shape(), (), done, declared.inputs, inputs)


def _of_sdk(value: Any, shape: Shape, inputs: Mapping[str, Any], path: Path) -> Iterator[Mutation]:
    if shape.kind == "structure" and isinstance(value, Mapping):
        for name in shape.required & value.keys():
            yield Mutation("required", dotted((*path, name)), None, without(inputs, (*path, name)))
        odd = (*path, "noSuchInput")
        yield Mutation("unknown", dotted(odd), WRONG, replaced(inputs, odd, WRONG))
        for name, item in value.items():
            yield from _of_sdk(item, shape.members.get(name, ANY), inputs, (*path, name))
    elif shape.kind == "list" and isinstance(value, list):
        for index, item in enumerate(value):
            yield from _of_sdk(item, shape.item, inputs, (*path, index))
    elif shape.kind in ("string", "integer", "number", "boolean"):
        yield Mutation("type", dotted(path), [{}], replaced(inputs, path, [{}]))
        if shape.enum:
            yield Mutation("enum", dotted(path), WRONG, replaced(inputs, path, WRONG))


def _of_request(
    operation: Operation, value: Any, shape: Shape, at: Path, done: Any, declared: Shape, inputs: Mapping[str, Any]
) -> Iterator[Mutation]:
    origin = done.origins.get(at)
    if shape.kind == "structure" and isinstance(value, Mapping):
        for name in shape.required - shape.filled:
            if (its := done.origins.get((*at, name))) is not None:
                less = without(inputs, parsed(its))
                if operation.is_made(less) and _is_there(operation, less, at):
                    yield Mutation("required", its, None, less)
        for name, item in value.items():
            its_shape = shape.members.get(name, ANY)
            yield from _of_request(operation, item, its_shape, (*at, name), done, declared, inputs)
    elif shape.kind == "list" and isinstance(value, list):
        for index, item in enumerate(value):
            yield from _of_request(operation, item, shape.item, (*at, index), done, declared, inputs)
    elif shape.kind == "string" and origin is not None and isinstance(given(inputs, parsed(origin)), str):
        if shape.enum:
            yield Mutation("enum", origin, WRONG, replaced(inputs, parsed(origin), WRONG))
        elif shape.pattern and (pattern := compiled(shape.pattern)):
            odd = next((text for text in ODD if not pattern.fullmatch(text)), None)
            if odd is not None:
                yield Mutation("pattern", origin, odd, replaced(inputs, parsed(origin), odd))


def _is_there(operation: Operation, inputs: Mapping[str, Any], at: Path) -> bool:
    """Whether the structure is still in the request: one that only the missing input asked for is rightly gone."""
    from infra.rehearsal.core.fit import fit

    value: Any = fit(inputs, operation.shape(), operation.rules).request
    for step in at:
        try:
            value = value[step]
        except (KeyError, IndexError):
            return False
    return True


def parsed(path: str) -> Path:
    return tuple(int(index) if index else name for name, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path))


def given(inputs: Any, path: Path) -> Any:
    for step in path:
        try:
            inputs = inputs[step]
        except (KeyError, IndexError, TypeError):
            return None
    return inputs


def replaced(inputs: Mapping[str, Any], path: Path, value: Any) -> dict[str, Any]:
    copied = _copied(inputs)
    given(copied, path[:-1])[path[-1]] = value
    return copied


def without(inputs: Mapping[str, Any], path: Path) -> dict[str, Any]:
    copied = _copied(inputs)
    around = given(copied, path[:-1])
    if isinstance(around, dict):
        around.pop(path[-1], None)
    return copied


def _copied(inputs: Any) -> Any:
    if isinstance(inputs, Mapping):
        return {key: _copied(item) for key, item in inputs.items()}
    if isinstance(inputs, list):
        return [_copied(item) for item in inputs]
    return copy.copy(inputs)
