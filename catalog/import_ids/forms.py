"""A form: how the id of a type is made of what is declared, or where a person finds it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What the engine writes where a value is not known before the update."""

_PART = re.compile(r"\[([^\[\]]*)\]")
_NAME = re.compile(r"\{([\w.]+)\}")


@dataclass(frozen=True, slots=True)
class Form:
    """`id`: a template over inputs and facts, such as `{project}/{service}` or `b/{bucket} {role}[ {condition.title}]`;
    a part in brackets is left out where a name of it is absent. Empty where only the cloud tells the id.

    `look_up`: where a person finds what the template can't give, a template too. `by_up`: of a type that has no import,
    why the next `up` makes it again without harm.
    """

    id: str = ""
    look_up: str = ""
    by_up: str = ""


class Absent(Exception):
    """A name that is neither declared nor a fact; its text is the name."""


class Unknown(Exception):
    """A name whose value only an update tells; its text is the name."""


def filled(template: str, values: Mapping[str, Any]) -> str:
    """The template with every name's value. Raises Absent or Unknown."""

    def part(match: re.Match[str]) -> str:
        try:
            return _NAME.sub(lambda name: _value(name[1], values), match[1])
        except Absent:
            return ""

    return _NAME.sub(lambda name: _value(name[1], values), _PART.sub(part, template))


def shown(template: str, values: Mapping[str, Any]) -> str:
    """For people: what is not known reads `?`."""

    def value(match: re.Match[str]) -> str:
        try:
            return _value(match[1], values)
        except (Absent, Unknown):
            return "?"

    return _NAME.sub(value, template)


def names_of(template: str) -> list[str]:
    """The names that the template needs; those in brackets are not among them."""
    return _NAME.findall(_PART.sub("", template))


def _value(path: str, values: Mapping[str, Any]) -> str:
    found: Any = values
    for key in path.split("."):
        if found == UNKNOWN:
            raise Unknown(path)
        found = found.get(key) if isinstance(found, Mapping) else None
    if found == UNKNOWN:
        raise Unknown(path)
    if not isinstance(found, str) or not found:
        raise Absent(path)
    return found
