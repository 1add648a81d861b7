"""Holding a value against a shape. A value that is not known yet passes for anything."""

from __future__ import annotations

import base64
import binascii
import functools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from infra.rehearsal.core.assets import is_asset
from infra.rehearsal.core.shape import Shape
from infra.rehearsal.core.values import UNKNOWN

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Violation:
    """`what`: required, unknown, type, enum, pattern, length or range. `path`: of the member that is missing, unknown
    or wrong. `shape`: the one that the value breaks; of a missing or unknown member, the structure's. `allowed`: the
    constraint in words."""

    what: str
    path: Path
    value: Any
    shape: Shape
    allowed: str


Words = Callable[[Violation], str]
"""How a cloud puts a violation into words."""


def violations(value: Any, shape: Shape, path: Path = ()) -> Iterator[Violation]:
    if value is UNKNOWN or shape.kind == "any":
        return
    check = _CHECKS.get(shape.kind)
    if check is None:
        raise ValueError(f"no such kind of shape: {shape.kind!r}")
    yield from check(value, shape, path)


def dotted(path: Path) -> str:
    """`a.b[0].c`, as the engine writes property paths."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def _structure(value: Any, shape: Shape, path: Path) -> Iterator[Violation]:
    if not isinstance(value, Mapping):
        yield Violation("type", path, value, shape, "an object")
        return
    for name in sorted(shape.required - shape.filled):
        if value.get(name) is None:
            yield Violation("required", (*path, name), None, shape, "must be given")
    for name, item in value.items():
        member = shape.members.get(name)
        if member is None or name in shape.read_only:
            if shape.is_closed or name in shape.read_only:
                yield Violation("unknown", (*path, name), item, shape, ", ".join(shape.members))
        elif item is not None:
            yield from violations(item, member, (*path, name))


def _list(value: Any, shape: Shape, path: Path) -> Iterator[Violation]:
    if not isinstance(value, list | tuple):
        yield Violation("type", path, value, shape, "a list")
        return
    yield from _size("length", len(value), value, shape, path)
    for index, item in enumerate(value):
        yield from violations(item, shape.item, (*path, index))


def _map(value: Any, shape: Shape, path: Path) -> Iterator[Violation]:
    if not isinstance(value, Mapping):
        yield Violation("type", path, value, shape, "a map")
        return
    yield from _size("length", len(value), value, shape, path)
    for key, item in value.items():
        yield from violations(item, shape.item, (*path, key))


def _string(value: Any, shape: Shape, path: Path) -> Iterator[Violation]:
    if not isinstance(value, str):
        yield Violation("type", path, value, shape, "a string")
        return
    if shape.enum and value not in shape.enum:
        yield Violation("enum", path, value, shape, ", ".join(shape.enum))
        return
    yield from _size("length", len(value), value, shape, path)
    if shape.pattern is not None and (pattern := compiled(shape.pattern)) and not pattern.fullmatch(value):
        yield Violation("pattern", path, value, shape, shape.pattern)


def _number(value: Any, shape: Shape, path: Path) -> Iterator[Violation]:
    is_whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, bool) or not isinstance(value, int | float) or (shape.kind == "integer" and not is_whole):
        yield Violation("type", path, value, shape, "a whole number" if shape.kind == "integer" else "a number")
        return
    yield from _size("range", value, value, shape, path)


def _boolean(value: Any, shape: Shape, path: Path) -> Iterator[Violation]:
    if not isinstance(value, bool):
        yield Violation("type", path, value, shape, "true or false")


def _blob(value: Any, shape: Shape, path: Path) -> Iterator[Violation]:
    if isinstance(value, str):
        try:
            base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            yield Violation("type", path, value, shape, "base64")
    elif not isinstance(value, bytes):
        yield Violation("type", path, value, shape, "bytes")


def _asset(value: Any, shape: Shape, path: Path) -> Iterator[Violation]:
    if not is_asset(value):
        yield Violation("type", path, value, shape, "an asset or an archive")


def _timestamp(value: Any, shape: Shape, path: Path) -> Iterator[Violation]:
    if isinstance(value, bool | list | Mapping):
        yield Violation("type", path, value, shape, "a time")
    elif isinstance(value, str) and not re.match(r"\d{4}-\d\d-\d\d([T_ ]\d\d:\d\d.*)?$", value):
        yield Violation("type", path, value, shape, "a time such as 2026-01-31T00:00:00Z")


def _union(value: Any, shape: Shape, path: Path) -> Iterator[Violation]:
    """One option must take it; else what the option closest to it says."""
    tried: list[list[Violation]] = []
    for option in shape.options:
        found = list(violations(value, option, path))
        if not found:
            return
        tried.append(found)
    yield from min(
        tried, key=lambda found: (any(item.what == "type" and item.path == path for item in found), len(found))
    )


def _size(what: str, size: float, value: Any, shape: Shape, path: Path) -> Iterator[Violation]:
    if shape.minimum is not None and size < shape.minimum:
        yield Violation(what, path, value, shape, f">= {shape.minimum:g}")
    elif shape.maximum is not None and size > shape.maximum:
        yield Violation(what, path, value, shape, f"<= {shape.maximum:g}")


_CHECKS = {
    "structure": _structure, "list": _list, "map": _map, "string": _string, "integer": _number, "number": _number,
    "boolean": _boolean, "blob": _blob, "asset": _asset, "timestamp": _timestamp, "union": _union,
}  # fmt: skip


@functools.cache
def compiled(pattern: str) -> re.Pattern[str] | None:
    """A pattern as the clouds write them (Java's, ECMAScript's); None where Python has no equal."""
    try:
        return re.compile(_translated(pattern))
    except re.error:
        return None


def _translated(pattern: str) -> str:
    """Unicode classes, which Python's `re` lacks, as ranges: bare inside of brackets, else in brackets of their own."""
    done, is_inside = "", False
    for part in re.findall(r"\\[pP]\{\w+\}|\\.|[\[\]]|[^\\\[\]]+", pattern, re.DOTALL):
        if part.lower().startswith("\\p{"):
            ranges = _CLASSES.get(part[3:-1], r"\s\S")
            is_other = part[1] == "P"
            if is_inside:
                done += r"\s\S" if is_other else ranges  # a complement can't be named there: anything goes
            else:
                done += f"[{'^' if is_other else ''}{ranges}]"
        elif part == "\\z":
            done += "\\Z"
        else:
            is_inside = part == "[" or (is_inside and part != "]")
            done += "\\[" if part == "[" and done.endswith("[") else part
    return done


_CLASSES = {
    "L": r"a-zA-Z\u00aa-\uffff", "Lu": "A-Z", "Ll": "a-z", "N": "0-9", "Nd": "0-9", "Z": r"\s", "Zs": r"\s",
    "M": r"\u0300-\u036f", "S": r"$+<=>^`|~", "P": r"!-/:-@\[-`{-~", "Punct": r"!-/:-@\[-`{-~", "Alnum": "a-zA-Z0-9",
    "Alpha": "a-zA-Z", "Digit": "0-9", "ASCII": r"\x00-\x7f", "Graph": r"\x21-\x7e", "Print": r"\x20-\x7e",
    "XDigit": "0-9a-fA-F", "Upper": "A-Z", "Lower": "a-z", "Space": r"\s",
}  # fmt: skip
