"""Small graphs for the truth tables of rules that join resources.

[declared("aws:s3/bucket:Bucket", "data"),
 declared("aws:s3/bucketVersioning:BucketVersioning", "versioning", bucket=Ref("data"))]
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from policies.resources import UNKNOWN, Resource


@dataclass(frozen=True)
class Ref:
    """Stands where a property is made of the outputs of the resource of that name: unknown, but joined."""

    name: str


def declared(
    type: str, name: str, /, *, parent: str | None = None, options: Mapping[str, Any] | None = None, **props: Any
) -> Resource:
    """A resource of an example. `parent` is another's name."""
    return Resource(
        type,
        name,
        {key: _plain(value) for key, value in props.items()},
        urn=_urn(name),
        parent=None if parent is None else _urn(parent),
        options=options or {},
        property_dependencies={
            key: tuple(_urn(ref.name) for ref in refs) for key, value in props.items() if (refs := list(_refs(value)))
        },
    )


def platform(*, is_production: bool = True, **tags: str) -> Resource:
    """A component, from which rules learn what stack this is: production, and its tags."""
    return declared("skywright:aws:Network", "network", isProduction=is_production, tags=tags, spec={})


def _urn(name: str) -> str:
    return f"urn:pulumi:example::skywright::any::{name}"


def _plain(value: Any) -> Any:
    if isinstance(value, Ref):
        return UNKNOWN
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _refs(value: Any) -> Iterator[Ref]:
    if isinstance(value, Ref):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _refs(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _refs(item)
