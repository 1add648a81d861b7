"""Turning inputs into an API request by the shape of the request, with a table only for what names don't tell.

An input goes to the member of the same name, whatever the case (`kmsKeyId` -> `KmsKeyId`, `KMSKeyId`), also in the
plural or singular, or inside of a member `properties`. Values are turned where the shapes say how: a block into a
structure also if the SDK wraps it in a list, a map of tags into a list of {Key, Value}, an object into a JSON string,
one value into a list of one.
A table's key is the input's dotted path without indices; its value is one of

- `"Member"` or `"Outer.Inner"`: another member, from the structure that the input's parent became; `"/Outer.Inner"`:
  from the request's root; `"Items[].Name"`: in a list's only item; `""`: the input's own members belong to the
  structure of its parent.
- `To("Member", by=function)`: the turned value; `To("", by=function)`: the function gives a mapping of members.
- `Local("why")`: it goes to no request, for this reason.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.rehearsal.core.assets import is_asset
from infra.rehearsal.core.shape import Shape, plain_name
from infra.rehearsal.core.validate import Path, violations
from infra.rehearsal.core.values import UNKNOWN, has_unknown


@dataclass(frozen=True)
class To:
    path: str
    by: Callable[[Any], Any] | None = None


@dataclass(frozen=True)
class Local:
    why: str


Rule = str | To | Local


@dataclass
class Fitted:
    """`origins`: the input path of each request path that an input was put at. `unplaced`: inputs without a member."""

    request: dict[str, Any] = field(default_factory=dict)
    carried: set[str] = field(default_factory=set)
    reasons: dict[str, str] = field(default_factory=dict)
    unplaced: set[str] = field(default_factory=set)
    origins: dict[Path, str] = field(default_factory=dict)

    def origin(self, path: Path) -> str:
        """The input that a path of the request comes from: of the path itself, else of what is around it."""
        for count in range(len(path), 0, -1):
            if path[:count] in self.origins:
                return self.origins[path[:count]]
        return ""


def fit(inputs: Mapping[str, Any], shape: Shape, rules: Mapping[str, Rule] | None = None) -> Fitted:
    """The request that `inputs` make of `shape`. Never fails: what doesn't fit is placed as it is, or left unplaced."""
    fitter = _Fitter(shape, rules or {})
    shown = {key: value for key, value in inputs.items() if not key.startswith("__")}
    fitter.structure(shown, shape, fitter.done.request, "", "", ())
    return fitter.done


class _Fitter:
    def __init__(self, root: Shape, rules: Mapping[str, Rule]) -> None:
        self._root = root
        self._rules = rules
        self.done = Fitted()

    def structure(
        self, values: Mapping[str, Any], shape: Shape, into: dict[str, Any], path: str, spot: str, at: Path
    ) -> None:
        """Put `values` into a structure. `path`: dotted, for the table; `spot`: with indices, for messages; `at`: the
        structure's own path in the request."""
        for key, value in values.items():
            own = f"{path}.{key}" if path else key
            here = f"{spot}.{key}" if spot else key
            rule = self._rules.get(own)
            if isinstance(rule, Local):
                self.done.reasons[own] = rule.why
                continue
            by = rule.by if isinstance(rule, To) else None
            wanted = rule.path if isinstance(rule, To) else rule
            if wanted is None:
                wanted = _member(shape, key)
                if wanted is None:
                    self.done.unplaced.add(own)
                    continue
            if wanted == "":
                self._merge(value, by, shape, into, own, here, at)
                continue
            target, container, end, name = self._walk(wanted, shape, into, at)
            if by is not None:
                container[name] = UNKNOWN if has_unknown(value) else by(value)
                self.done.carried.add(own)
                self.done.origins[(*end, name)] = here
                continue
            self.done.origins[(*end, name)] = here
            made = self._value(value, target, own, here, (*end, name))
            held = container.get(name)
            if isinstance(held, dict) and isinstance(made, dict):
                held.update(made)
            elif isinstance(held, list) and isinstance(made, list):
                held.extend(made)
            else:
                container[name] = made

    def _merge(
        self,
        value: Any,
        by: Callable[[Any], Any] | None,
        shape: Shape,
        into: dict[str, Any],
        own: str,
        here: str,
        at: Path,
    ) -> None:
        if by is not None:
            self.done.carried.add(own)
            for name, item in ({} if has_unknown(value) else by(value)).items():
                into[name] = item
                self.done.origins[(*at, name)] = here
            return
        if value is UNKNOWN:
            self.done.carried.add(own)
            return
        for block in value if isinstance(value, list | tuple) else [value]:
            if isinstance(block, Mapping):
                self.structure(block, shape, into, own, here, at)

    def _walk(
        self, wanted: str, shape: Shape, into: dict[str, Any], at: Path
    ) -> tuple[Shape, dict[str, Any], Path, str]:
        """Make the way to a member: (its shape, the structure that holds it, that structure's path, its name)."""
        if wanted.startswith("/"):
            shape, into, at, wanted = self._root, self.done.request, (), wanted[1:]
        *way, name = wanted.split(".")
        for step in way:
            own = step.removesuffix("[]")
            at = (*at, own)
            shape = shape.members.get(own, _NOTHING)
            if step.endswith("[]"):
                items = into.setdefault(own, [{}])
                into, at, shape = items[0], (*at, 0), shape.item
            else:
                into = into.setdefault(own, {})
        return shape.members.get(name, _NOTHING), into, at, name

    def _value(self, value: Any, shape: Shape, path: str, spot: str, at: Path) -> Any:
        if value is UNKNOWN:
            self.done.carried.add(path)
            return UNKNOWN
        if is_asset(value):  # what is in it is nobody's to judge
            self.done.carried.add(path)
            return b"" if shape.kind == "blob" else UNKNOWN
        if shape.kind == "union":
            shape = self._chosen(value, shape)
        if shape.kind == "structure":
            if isinstance(value, list | tuple) and len(value) == 1:  # a block that the SDK wraps in a list
                value, spot = value[0], f"{spot}[0]"
            if isinstance(value, Mapping):
                made: dict[str, Any] = {}
                if not value:
                    self.done.carried.add(path)
                self.structure(value, shape, made, path, spot, at)
                return made
        elif shape.kind == "list":
            return self._list(value, shape, path, spot, at)
        elif shape.kind == "map" and isinstance(value, Mapping):
            self.done.carried.add(path)
            return {
                key: self._value(item, shape.item, path, f"{spot}.{key}", (*at, key)) for key, item in value.items()
            }
        self.done.carried.add(path)
        return _scalar(value, shape)

    def _chosen(self, value: Any, shape: Shape) -> Shape:
        """The option that takes the value with the least that is wrong or has no place."""
        block = value[0] if isinstance(value, list | tuple) and len(value) == 1 else value
        if not isinstance(block, Mapping):
            return shape
        tried = []
        for option in shape.options:
            if option.kind == "structure":
                done = fit(block, option)
                tried.append((len(done.unplaced) + len(list(violations(done.request, option))), option))
        return min(tried, key=lambda item: item[0])[1] if tried else shape

    def _list(self, value: Any, shape: Shape, path: str, spot: str, at: Path) -> Any:
        if isinstance(value, Mapping):
            pair = _pair(shape.item)
            if pair is not None and not any(isinstance(item, Mapping | list) for item in value.values()):
                self.done.carried.add(path)
                self.done.origins.update({(*at, index): f"{spot}.{key}" for index, key in enumerate(value)})
                return [{pair[0]: key, pair[1]: item} for key, item in value.items()]
            value = [value]
        elif not isinstance(value, list | tuple):
            value = [value]
        if not value:
            self.done.carried.add(path)
        made = []
        for index, item in enumerate(value):
            self.done.origins[(*at, index)] = f"{spot}[{index}]"
            made.append(self._value(item, shape.item, path, f"{spot}[{index}]", (*at, index)))
        return made


_NOTHING = Shape("any", name="no such member")


WRAPPER = "properties"
"""Azure's REST puts a thing's own members into a structure of this name, which its SDKs leave out."""


def _member(shape: Shape, key: str) -> str | None:
    if key in shape.members:
        return key
    names = shape.by_plain_name
    own = plain_name(key)
    for guess in (own, f"{own}s", own.removesuffix("s"), f"{own.removesuffix('y')}ies", f"{own.removesuffix('ies')}y"):
        if guess in names:
            return names[guess]
    inner = shape.members.get(WRAPPER)
    if inner is not None and inner.kind == "structure" and (found := _member(inner, key)) is not None:
        return f"{WRAPPER}.{found}"
    return None


def _pair(shape: Shape) -> tuple[str, str] | None:
    """The members of a structure that is a key and a value, such as a tag."""
    if shape.kind != "structure":
        return None
    for key, value in (("Key", "Value"), ("TagKey", "TagValue"), ("key", "value"), ("Name", "Value")):
        if key in shape.members and value in shape.members and len(shape.members) <= 3:
            return key, value
    return None


def _scalar(value: Any, shape: Shape) -> Any:
    """What providers turn by themselves: documents into text, digits into numbers, numbers into digits."""
    if shape.kind in ("string", "blob") and isinstance(value, Mapping | list):
        return json.dumps(value)
    if shape.kind == "string" and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if shape.kind in ("integer", "number") and isinstance(value, str):
        try:
            return int(value) if shape.kind == "integer" else float(value)
        except ValueError:
            return value
    if shape.kind == "boolean" and value in ("true", "false"):
        return value == "true"
    return value
