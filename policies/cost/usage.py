"""What no declaration holds: hours trained, GB stored, requests served. Given by the stack, or a stated default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from catalog.errors import UserError, did_you_mean


@dataclass(frozen=True, slots=True)
class Quantity:
    """A usage key (as in Infracost's usage files, where those have one), its default for a month, and its unit."""

    key: str
    default: Decimal
    unit: str


def quantity(key: str, default: float | str, unit: str) -> Quantity:
    """Made known here once, so that a stack's usage can be checked against all keys that there are."""
    made = Quantity(key, Decimal(str(default)), unit)
    KEYS.setdefault(key, unit)
    return made


KEYS: dict[str, str] = {}
"""Every usage key that a price asks for, with its unit."""


@dataclass(frozen=True)
class Usage:
    """{resource name: {key: number}}. A component's name (`training`, `storage`) speaks for each resource below it."""

    given: Mapping[str, Mapping[str, Decimal]] = field(default_factory=dict)
    is_strict: bool = True

    def lenient(self) -> Usage:
        """Keys that a resource's prices don't ask for count for nothing, and are told: usage made for another cloud."""
        return replace(self, is_strict=False)

    @classmethod
    def from_dict(cls, data: Any) -> Usage:
        """Raises UserError, one line, for what isn't {name: {key: number}} or names a key that no price asks for."""
        from policies.cost import tables  # the keys are known once the prices are

        tables.load()
        if not isinstance(data, Mapping):
            raise UserError(f"usage is {type(data).__name__}; allowed: resource name -> key -> number")
        return cls({str(name): _checked(str(name), keys) for name, keys in data.items()})


def _checked(name: str, keys: Any) -> dict[str, Decimal]:
    if not isinstance(keys, Mapping):
        raise UserError(f"usage.{name} is {type(keys).__name__}; allowed: key -> number")
    found = {}
    for key, value in keys.items():
        if key not in KEYS and not is_pooled(str(key)):
            raise refused(name, str(key), KEYS)
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            raise UserError(f"usage.{name}.{key} is {value!r}; allowed: a number, 0 or more")
        number = Decimal(str(value))
        if not number.is_finite() or number < 0:
            raise UserError(f"usage.{name}.{key} is {value!r}; allowed: a number, 0 or more")
        found[str(key)] = number
    return found


def refused(name: str, key: str, allowed: Mapping[str, Any]) -> UserError:
    """What is said of a key that this resource's prices don't ask for."""
    return UserError(
        f"usage.{name}.{key} is not asked for there; allowed: {', '.join(sorted(allowed)) or 'nothing'}",
        did_you_mean(key, list(allowed)),
    )


POOLED = ("training_hours", "usd_per_node_hour")
"""Keys that may name a pool: `training_hours:spot-large`."""


def is_pooled(key: str) -> bool:
    base, _, pool = key.partition(":")
    return base in POOLED and bool(pool)
