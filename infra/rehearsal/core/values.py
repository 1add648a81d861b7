"""Property values as plain data and back: the engine's unknowns become UNKNOWN, secrets lose their cover inside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import pulumi
from pulumi.provider.experimental.property_value import PropertyValue, ResourceReference
from pulumi.runtime import rpc

Inputs = Mapping[str, Any]


class _Unknown:
    """A value that only the creation of something else will tell."""

    def __repr__(self) -> str:
        return "UNKNOWN"

    def __copy__(self) -> _Unknown:
        return self

    def __deepcopy__(self, memo: Any) -> _Unknown:
        return self


UNKNOWN: Final = _Unknown()


def plain(values: Mapping[str, PropertyValue]) -> dict[str, Any]:
    """As plain data. Nulls are left out; `__defaults` and its like stay."""
    return {key: _plain(value) for key, value in values.items() if value.value is not None}


def _plain(value: PropertyValue) -> Any:
    held = value.value
    if isinstance(held, str):
        return UNKNOWN if held == rpc.UNKNOWN else held
    if isinstance(held, bool) or held is None:
        return held
    if isinstance(held, float):
        return int(held) if held.is_integer() else held
    if isinstance(held, Mapping):
        return {key: _plain(item) for key, item in held.items() if item.value is not None}
    if isinstance(held, ResourceReference):
        return _plain(held.resource_id) if held.resource_id else held.urn
    if isinstance(held, tuple):
        return [_plain(item) for item in held]
    return held  # an asset or an archive


def secret_keys(values: Mapping[str, PropertyValue]) -> frozenset[str]:
    """Top-level keys that hold a secret, at any depth."""
    return frozenset(key for key, value in values.items() if value.contains_secret())


def wire(values: Inputs, secrets: Iterable[str] = ()) -> dict[str, PropertyValue]:
    """Plain data for the engine; the keys in `secrets` are covered again."""
    covered = set(secrets)
    return {key: _wire(value).with_secret(key in covered) for key, value in values.items()}


def _wire(value: Any) -> PropertyValue:
    if value is UNKNOWN:
        return PropertyValue(rpc.UNKNOWN)
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return PropertyValue(value)
    if isinstance(value, int | float):
        return PropertyValue(float(value))
    if isinstance(value, Mapping):
        return PropertyValue({str(key): _wire(item) for key, item in value.items()})
    if isinstance(value, list | tuple):
        return PropertyValue([_wire(item) for item in value])
    return PropertyValue(value)


def has_unknown(value: Any) -> bool:
    if value is UNKNOWN:
        return True
    if isinstance(value, Mapping):
        return any(has_unknown(item) for item in value.values())
    if isinstance(value, list | tuple):
        return any(has_unknown(item) for item in value)
    return False


def storable(value: Any) -> Any:
    """As JSON can hold it: of an asset or archive, what it is and what it holds."""
    if isinstance(value, Mapping):
        return {str(key): storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [storable(item) for item in value]
    if isinstance(value, pulumi.AssetArchive):
        return {"@archive": {name: storable(item) for name, item in value.assets.items()}}
    if isinstance(value, pulumi.StringAsset):
        return {"@text": value.text}
    if isinstance(value, pulumi.FileAsset | pulumi.FileArchive):
        return {"@file" if isinstance(value, pulumi.FileAsset) else "@archive-file": str(value.path)}
    if isinstance(value, pulumi.RemoteAsset | pulumi.RemoteArchive):
        return {"@remote": value.uri}
    return value


def at(values: Any, path: str) -> list[Any]:
    """Every value at a dotted path without indices, through all items of the lists on its way. `""` is the whole."""
    found = [values]
    for part in path.split(".") if path else ():
        found = [item[part] for item in _flat(found) if isinstance(item, Mapping) and part in item]
    return [item for item in _flat(found) if item is not None]


def _flat(values: Iterable[Any]) -> list[Any]:
    flat: list[Any] = []
    for value in values:
        flat.extend(_flat(value) if isinstance(value, list | tuple) else [value])
    return flat
