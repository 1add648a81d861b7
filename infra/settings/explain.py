"""From a failed check to lines that a person can act on: the path as written, the value, what is allowed, the fix."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from catalog.errors import UserError, did_you_mean

PREFIX = "skywright:"
Node = Mapping[str, Any]


@dataclass(frozen=True)
class Mistake:
    """`path` as in the stack file; `problem` what is wrong and what is allowed; `remedy` may be empty."""

    path: str
    problem: str
    remedy: str = ""

    def line(self, where: str) -> str:
        return f"{where}: {self.path}{self.problem}. {self.remedy}".rstrip()


class InvalidSettings(UserError):
    """All mistakes of a stack's settings, one line each."""

    def __init__(self, where: str, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        self.lines = tuple(item.line(where) for item in mistakes)
        super().__init__("\n".join(self.lines))

    def __str__(self) -> str:
        return "\n".join(self.lines)


def path_of(parts: Sequence[str | int]) -> str:
    """("training", "pools", 0, "max_count") as `skywright:training.pools[0].max_count`."""
    path = PREFIX
    for index, part in enumerate(parts):
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if index else part
    return path


def shown(value: Any) -> str:
    """A value in a message: short, and never a whole tree."""
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


class Schema:
    """A JSON schema that can be walked along a path."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self.root = root
        self.definitions: Mapping[str, Any] = root.get("$defs", {})

    def resolve(self, node: Node, value: Any = None) -> Node:
        """References followed, an optional's null dropped, the variant that `value` names chosen."""
        while True:
            if "$ref" in node:
                rest = {key: item for key, item in node.items() if key != "$ref"}
                node = {**self.definitions[node["$ref"].rsplit("/", 1)[1]], **rest}
            elif "anyOf" in node:
                rest = {key: item for key, item in node.items() if key != "anyOf"}
                node = {**next(item for item in node["anyOf"] if item.get("type") != "null"), **rest}
            elif "discriminator" in node and isinstance(value, Mapping):
                tag = value.get(node["discriminator"]["propertyName"])
                target = node["discriminator"]["mapping"].get(tag) if isinstance(tag, str) else None
                if target is None:
                    return node
                node = {"$ref": target}
            else:
                return node

    def step(self, node: Node, key: str | int) -> Node | None:
        """The node of a member; None where there is none."""
        if isinstance(key, int):
            return self.item(node)
        if key in node.get("properties", {}):
            found: Node = node["properties"][key]
            return found
        for pattern, member in node.get("patternProperties", {}).items():
            if re.search(pattern, key):
                return dict(member)
        extra = node.get("additionalProperties")
        return extra if isinstance(extra, Mapping) else None

    @staticmethod
    def item(node: Node) -> Node | None:
        found = node.get("items")
        return found if isinstance(found, Mapping) else None

    def walk(self, data: Any, loc: Sequence[str | int]) -> tuple[list[str | int], Node, Any]:
        """Follow pydantic's location through the data: the written path, the schema there, the value there.

        Pydantic puts a union's tag into the location; what the data doesn't have is passed over.
        """
        path: list[str | int] = []
        node = self.resolve(self.root, data)
        for position, part in enumerate(loc):
            is_last = position == len(loc) - 1
            member = self.step(node, part)
            is_there = (isinstance(data, Mapping) and part in data) or (
                isinstance(data, list) and isinstance(part, int) and part < len(data)
            )
            if not is_there and (member is None or not is_last):
                continue
            data = data[part] if is_there else None
            path.append(part)
            node = self.resolve(member or {}, data)
        return path, node, data

    def describe(self, node: Node) -> str:
        """What may stand here, in words."""
        node = self.resolve(node)
        words = self._shape(node)
        note = node.get("description", "").split("\n")[0].rstrip(".")
        return f"{words} ({note})" if note and node.get("type") != "object" and "enum" not in node else words

    def _shape(self, node: Node) -> str:
        if "enum" in node:
            return ", ".join(map(str, node["enum"]))
        if "const" in node:
            return str(node["const"])
        if "discriminator" in node:
            return f"a mapping with kind: {' or '.join(sorted(node['discriminator']['mapping']))}"
        kind = node.get("type")
        if kind in ("integer", "number"):
            return f"a {'whole ' if kind == 'integer' else ''}number{_range(node)}"
        if kind == "boolean":
            return "true or false"
        if kind == "array":
            return "a list"
        if kind == "object":
            known = sorted(node.get("properties", {}))
            return f"a mapping with the keys {', '.join(known)}" if known else "a mapping of names to values"
        if kind == "null":
            return "nothing"
        if "description" not in node and "pattern" in node:
            return f"text like {node['pattern']}"
        if "maxLength" in node:
            return f"text of {node.get('minLength', 0)} to {node['maxLength']} characters"
        return "text"


def _range(node: Node) -> str:
    low, high = node.get("minimum"), node.get("maximum")
    above = node.get("exclusiveMinimum")
    if low is not None and high is not None:
        return f" from {low:g} to {high:.12g}"
    parts = [
        f"above {above:g}" if above is not None else "",
        f"at least {low:g}" if low is not None else "",
        f"at most {high:.12g}" if high is not None else "",
    ]
    said = " and ".join(part for part in parts if part)
    return f" {said}" if said else ""


def wrong_value(path: Sequence[str | int], value: Any, node: Node, schema: Schema) -> Mistake:
    """A value that isn't allowed where it stands."""
    remedy = ""
    if "enum" in node and isinstance(value, str):
        known = [str(item) for item in node["enum"]]
        longer = [item for item in known if value.startswith(item)]
        remedy = f"Did you mean {longer[0]}?" if longer else did_you_mean(value, known)
    elif node.get("type") == "null":
        remedy = "Remove the line."
    elif node.get("type") in ("integer", "number") and isinstance(value, str):
        remedy = "Write a plain number; the unit is in the key's name."
    elif node.get("type") == "string" and isinstance(value, int | float):
        remedy = f"Put it in quotes: '{str(value).lower() if isinstance(value, bool) else value}'."
    return Mistake(path_of(path), f" is {shown(value)}; allowed: {schema.describe(node)}", remedy)


def unknown_key(path: Sequence[str | int], known: Sequence[str], *, extra: Mapping[str, str] | None = None) -> Mistake:
    """A key that nothing reads; `extra` holds keys known for another place, with the hint for them."""
    key = str(path[-1])
    hint = (extra or {}).get(key) or did_you_mean(key, list(known))
    return Mistake(path_of(path), f" is not a known key; known here: {', '.join(sorted(known))}", hint)


def from_pydantic(error: ValidationError, schema: Schema, data: Mapping[str, Any]) -> Iterator[Mistake]:
    """One mistake per pydantic error."""
    for item in error.errors():
        loc, kind = item["loc"], item["type"]
        if kind == "extra_forbidden":
            path, node, _ = schema.walk(data, loc[:-1])
            yield unknown_key([*path, loc[-1]], list(node.get("properties", {})))
        elif loc and loc[-1] == "[key]":
            path, _, _ = schema.walk(data, loc[:-2])
            yield Mistake(
                path_of([*path, loc[-2]]), " has a name that is not allowed", "Use lower case letters, digits, dashes."
            )
        elif kind == "missing":
            path, node, _ = schema.walk(data, loc)
            example = f", such as {node['enum'][0]}" if "enum" in node else ""
            yield Mistake(path_of(path), f" is missing; allowed: {schema.describe(node)}", f"Add it{example}.")
        elif kind in ("union_tag_invalid", "union_tag_not_found"):
            path, node, value = schema.walk(data, loc)
            tags = sorted(node["discriminator"]["mapping"])
            given = value.get("kind") if isinstance(value, Mapping) else value
            problem = f" is {shown(given)}" if given is not None else " is missing"
            yield Mistake(path_of([*path, "kind"]), f"{problem}; allowed: {', '.join(tags)}", _near(given, tags))
        elif kind == "value_error":
            path, _, _ = schema.walk(data, loc)
            said = str(item["ctx"]["error"])
            yield Mistake(path_of(path), f" {said}" if said.startswith("is ") else f": {said}")
        else:
            path, node, value = schema.walk(data, loc)
            yield wrong_value(path, value, node, schema)


def _near(given: Any, known: list[str]) -> str:
    return did_you_mean(given, known) if isinstance(given, str) else ""


def booleans_as_numbers(schema: Schema, node: Node, data: Any, path: list[str | int]) -> Iterator[Mistake]:
    """`max_count: true` reads as 1 everywhere; nobody means that."""
    node = schema.resolve(node, data)
    if isinstance(data, bool) and node.get("type") in ("integer", "number"):
        yield wrong_value(path, data, node, schema)
    elif isinstance(data, Mapping):
        for key, value in data.items():
            if (member := schema.step(node, key)) is not None:
                yield from booleans_as_numbers(schema, member, value, [*path, key])
    elif isinstance(data, list) and (member := schema.item(node)) is not None:
        for index, value in enumerate(data):
            yield from booleans_as_numbers(schema, member, value, [*path, index])
