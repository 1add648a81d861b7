"""A declared resource as rules see it, whoever read it: the live analyzer, a preview, a stack's export, a test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final


class Unknown:
    """The type of UNKNOWN: a value that only the update will tell."""

    def __repr__(self) -> str:
        return "UNKNOWN"


class Secret:
    """The type of SECRET: a value that is there, and that no rule, report or log may see."""

    def __repr__(self) -> str:
        return "[secret]"


STACK: Final = "pulumi:pulumi:Stack"
"""The root of every stack's resources, which no rule is about."""

UNKNOWN: Final = Unknown()
SECRET: Final = Secret()


@dataclass(frozen=True)
class Resource:
    """`type`: the Pulumi token; `props`: plain data with the token's own keys, UNKNOWN where a value isn't known yet.

    Secret values are SECRET. `parent` and the values of `property_dependencies` are URNs; rules join resources by
    them, never by ids. `options`: `protect`, `deleteBeforeReplace` and the like, as far as the reader knows them.
    """

    type: str
    name: str
    props: Mapping[str, Any]
    urn: str = ""
    parent: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    property_dependencies: Mapping[str, Sequence[str]] = field(default_factory=dict)


class UnknownValue(Exception):
    """A rule asked for a value that it can't see. `path` as in `spec.releases.first.weight_percent`."""

    def __init__(self, path: str, why: str = "is not known before the update") -> None:
        super().__init__(f"{path} {why}")
        self.path = path


class Malformed(Exception):
    """A value isn't of the kind that the resource's type promises."""

    def __init__(self, path: str, value: Any, expected: str) -> None:
        super().__init__(f"{path} is {'absent' if value is None else type(value).__name__}, not {expected}")
        self.path = path


class Props:
    """A mapping of a resource, that knows its path and refuses to hand out what is secret or isn't known yet.

    `get` gives any value, or the default where there is none. `flag`, `number` and `mapping` raise Malformed where the
    value is absent or of another kind: a rule that can't tell must not pass.
    """

    def __init__(self, data: Mapping[str, Any], path: str = "") -> None:
        self._data = data
        self._path = path

    def at(self, key: str) -> str:
        """The whole path of a key."""
        return f"{self._path}.{key}" if self._path else key

    def get(self, key: str, default: Any = None) -> Any:
        value = self._data.get(key)
        return default if value is None else _wrapped(value, self.at(key))

    def is_secret(self, key: str) -> bool:
        return self._data.get(key) is SECRET

    def flag(self, key: str) -> bool:
        value = self.get(key)
        if not isinstance(value, bool):
            raise Malformed(self.at(key), value, "true or false")
        return value

    def number(self, key: str) -> float:
        value = self.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Malformed(self.at(key), value, "a number")
        return value

    def mapping(self, key: str) -> Props:
        value = self.get(key)
        if not isinstance(value, Props):
            raise Malformed(self.at(key), value, "a mapping")
        return value

    def records(self, key: str) -> list[Props]:
        """A list of mappings."""
        value = self.get(key)
        if not isinstance(value, list):
            raise Malformed(self.at(key), value, "a list")
        for index, item in enumerate(value):
            if not isinstance(item, Props):
                raise Malformed(f"{self.at(key)}[{index}]", item, "a mapping")
        return value

    def mappings(self) -> Iterator[tuple[str, Props]]:
        """Every key with its value, which must be a mapping."""
        for key in self._data:
            yield key, self.mapping(key)


def _wrapped(value: Any, path: str) -> Any:
    if value is UNKNOWN:
        raise UnknownValue(path)
    if value is SECRET:
        raise UnknownValue(path, "is secret")
    if isinstance(value, Mapping):
        return Props(value, path)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_wrapped(item, f"{path}[{index}]") for index, item in enumerate(value)]
    return value
