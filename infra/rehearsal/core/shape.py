"""One form for every model of an API and for the SDKs' own types; each is read only as far as it is asked for."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

SCALARS = ("string", "integer", "number", "boolean")


def _no_members() -> Mapping[str, Shape]:
    return {}


def _anything() -> Shape:
    return ANY


@dataclass(eq=False)
class Shape:
    """`kind`: structure, list, map, string, integer, number, boolean, blob, timestamp, asset, union or any.

    `minimum` and `maximum` bound numbers, the length of strings, and the size of lists and maps. `pattern` is what the
    whole string must match. `filled`: required members that the service's clients fill in by themselves. A structure
    that is not `is_closed` takes members that it doesn't name. `options`: of a union. `read_only`: members of answers.
    """

    kind: str
    name: str = ""
    required: frozenset[str] = frozenset()
    enum: tuple[str, ...] = ()
    pattern: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    filled: frozenset[str] = frozenset()
    is_closed: bool = True
    read_only: frozenset[str] = frozenset()
    lazy_members: Callable[[], Mapping[str, Shape]] = _no_members
    lazy_item: Callable[[], Shape] = _anything
    lazy_options: Callable[[], tuple[Shape, ...]] = tuple

    @functools.cached_property
    def members(self) -> Mapping[str, Shape]:
        return self.lazy_members()

    @functools.cached_property
    def item(self) -> Shape:
        """Of a list, or the values of a map."""
        return self.lazy_item()

    @functools.cached_property
    def options(self) -> tuple[Shape, ...]:
        return self.lazy_options()

    @functools.cached_property
    def by_plain_name(self) -> Mapping[str, str]:
        """Member by its name without case, hyphens and underscores."""
        return {plain_name(name): name for name in self.members}


def plain_name(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


ANY = Shape("any")
