"""What tells one stand-in from another."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.rehearsal.core.kinds import Kind
from infra.rehearsal.core.sdk import Sdk

Config = Mapping[str, Any]
Invoke = Callable[["Asked"], Mapping[str, Any]]


@dataclass(frozen=True)
class Asked:
    """An invoke. `facts`: of the place. `find(token)`: (id, outputs) of what exists of a type."""

    token: str
    arguments: Mapping[str, Any]
    facts: Mapping[str, Any]
    find: Callable[[str], Iterable[tuple[str, Mapping[str, Any]]]]


@dataclass(frozen=True)
class Messages:
    """How the cloud words what the account refuses. Templates over `what` (the type's own name), `id`, `value`,
    `path`, `region`, `account`."""

    missing: str
    in_use: str
    quota: str
    throttled: str
    gone: str


@dataclass(frozen=True)
class Cloud:
    """`package`: the provider's name. `sdk`: its Python package. `kinds`: the dotted package of the tables.

    `place(config, inputs)`: the facts that templates and invokes know: region, account, partition, project ..., from
    the provider's configuration and from the resource's own inputs; `scope` among them says where names are unique, the
    region if it is missing. `invokes`: by token. `reasons`: inputs that any type may have and that go to no request.
    `added(inputs, config)`: outputs that the provider itself adds to every resource (tagsAll). `check_config`: (path,
    message) of what is wrong with the provider's configuration.
    """

    package: str
    sdk: str
    kinds: str
    place: Callable[[Config, Mapping[str, Any]], dict[str, Any]]
    messages: Messages
    invokes: Mapping[str, Invoke] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    added: Callable[[Mapping[str, Any], Config], Mapping[str, Any]] = lambda inputs, config: {}
    check_config: Callable[[Config], Iterable[tuple[str, str]]] = lambda config: ()

    def kind(self, token: str) -> Kind | None:
        """The type's row; its module's tables are loaded at the first question."""
        return _tables(self.kinds, module_of(token)).get(token)

    def all_kinds(self) -> dict[str, Kind]:
        """Every row of every table."""
        package = importlib.import_module(self.kinds)
        found: dict[str, Kind] = {}
        for item in pkgutil.iter_modules(package.__path__):
            found |= _rows(f"{self.kinds}.{item.name}")
        return found

    def own_sdk(self) -> Sdk:
        return _sdk(self.sdk)


def module_of(token: str) -> str:
    """`kms` of aws:kms/key:Key, `network` of azure-native:network:VirtualNetwork, `core` of kubernetes:core/v1:Pod."""
    return token.split(":")[1].split("/")[0]


def own_name(token: str) -> str:
    return token.rsplit(":", 1)[-1]


@functools.cache
def _sdk(package: str) -> Sdk:
    return Sdk(package)


@functools.cache
def _tables(package: str, module: str) -> dict[str, Kind]:
    home = importlib.import_module(package)
    found: dict[str, Kind] = {}
    for item in pkgutil.iter_modules(home.__path__):
        if item.name == module or item.name.startswith(f"{module}_"):
            found |= _rows(f"{package}.{item.name}")
    return found


@functools.cache
def _rows(module: str) -> dict[str, Kind]:
    rows: tuple[Kind, ...] = importlib.import_module(module).KINDS
    found = {row.token: row for row in rows}
    if len(found) < len(rows):
        raise ValueError(f"{module} has a type twice")
    return found
