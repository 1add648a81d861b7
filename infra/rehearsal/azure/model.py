"""Azure's own models: the REST models that the azure-mgmt and azure-ai-ml packages ship, as shapes.

The packages come in two generations. Newer ones (TypeSpec) annotate their classes: types, closed values, what must be
given, what only answers hold. Older ones (msrest) carry an attribute map and a table of validation with patterns,
lengths and ranges. Both name members as REST does.
"""

from __future__ import annotations

import datetime
import functools
import importlib
import importlib.util
import sys
import threading
import types
import typing
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from enum import Enum
from typing import Any

from infra.rehearsal.core.shape import ANY, Shape

_SCALARS: dict[Any, Shape] = {
    str: Shape("string"), int: Shape("integer"), float: Shape("number"), Decimal: Shape("number"),
    bool: Shape("boolean"), bytes: Shape("blob"), datetime.datetime: Shape("timestamp"),
    datetime.date: Shape("timestamp"), datetime.time: Shape("string"), datetime.timedelta: Shape("string"),
}  # fmt: skip
_MSREST = {
    "str": Shape("string"), "int": Shape("integer"), "long": Shape("integer"), "float": Shape("number"),
    "decimal": Shape("number"), "bool": Shape("boolean"), "bytearray": Shape("blob"), "base64": Shape("blob"),
    "iso-8601": Shape("timestamp"), "rfc-1123": Shape("timestamp"), "date": Shape("timestamp"),
    "duration": Shape("string"), "time": Shape("string"), "object": ANY, "IO": ANY, "unix-time": Shape("integer"),
}  # fmt: skip


_IMPORTING = threading.RLock()
"""A graph in one process is judged from several threads."""


@functools.cache
def model(path: str) -> Shape:
    """`azure.mgmt.storage.models:StorageAccountCreateParameters` as the shape of its REST body."""
    module, _, name = path.partition(":")
    with _without_clients(module):
        return _model(getattr(importlib.import_module(module), name))


@contextmanager
def _without_clients(module: str) -> Iterator[None]:
    """Meanwhile the packages around `module` are found and not run: they import clients and all their operations,
    which takes many times as long as the models. Afterwards whoever imports them gets them whole."""
    around: list[str] = []
    parts = module.split(".")
    with _IMPORTING:
        try:
            for name in [".".join(parts[:depth]) for depth in range(3, len(parts))]:  # azure.mgmt itself holds nothing
                if name not in sys.modules and (spec := importlib.util.find_spec(name)):
                    sys.modules[name] = importlib.util.module_from_spec(spec)
                    around.append(name)
            yield
        finally:
            for name in around:
                del sys.modules[name]


@functools.cache
def _model(cls: type) -> Shape:
    if hasattr(cls, "_attribute_map"):
        return _msrest(cls)
    kinds: Mapping[str, type] = cls.__dict__.get("__mapping__") or {}
    if kinds:  # polymorphic: the discriminator chooses
        return Shape("union", cls.__name__, lazy_options=lambda: tuple(_typespec(kind) for kind in kinds.values()))
    return _typespec(cls)


# --- TypeSpec


@functools.cache
def _typespec(cls: type) -> Shape:
    fields = {
        name: field
        for base in reversed(cls.__mro__)
        for name, field in vars(base).items()
        if type(field).__name__ == "_RestField"
    }
    hints = _hints(cls)
    rest = {name: field._rest_name_input or name for name, field in fields.items()}
    return Shape(
        "structure",
        cls.__name__,
        required=frozenset(
            rest[name] for name, field in fields.items()
            if not _is_optional(hints.get(name, Any)) and not _is_read_only(field) and not field._is_discriminator
        ),
        read_only=frozenset(rest[name] for name, field in fields.items() if _is_read_only(field)),
        lazy_members=lambda: {rest[name]: _hinted(hints.get(name, Any), rest[name]) for name in fields},
    )  # fmt: skip


def _is_read_only(field: Any) -> bool:
    return list(field._visibility or ()) == ["read"]


def _hints(cls: type) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        module = sys.modules.get(base.__module__)
        package = sys.modules.get(base.__module__.rpartition(".")[0])
        names = {**vars(module), "_models": package, "_types": package} if module else {}
        for name, hint in vars(base).get("__annotations__", {}).items():
            try:
                found[name] = eval(hint, names) if isinstance(hint, str) else typing._eval_type(hint, names, names)  # type: ignore[attr-defined]
            except (NameError, AttributeError):
                found[name] = Any
    return found


def _is_optional(hint: Any) -> bool:
    return hint is Any or type(None) in typing.get_args(hint)


def _hinted(hint: Any, name: str) -> Shape:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        options = [item for item in arguments if item is not type(None)]
        enums = [item for item in options if isinstance(item, type) and issubclass(item, Enum)]
        if enums:
            return _hinted(enums[0], name)
        if len(options) == 1:
            return _hinted(options[0], name)
        return Shape("union", name, lazy_options=lambda: tuple(_hinted(item, name) for item in options))
    if origin is list:
        return Shape("list", name, lazy_item=lambda: _hinted(arguments[0], name))
    if origin is dict:
        return Shape("map", name, lazy_item=lambda: _hinted(arguments[1], name))
    if origin is typing.Literal:
        values = tuple(str(item.value if isinstance(item, Enum) else item) for item in arguments)
        return Shape("string", name, enum=values)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return Shape("string", name, enum=tuple(str(item.value) for item in hint))
    if hint in _SCALARS:
        return _SCALARS[hint]
    return _model(hint) if isinstance(hint, type) and hasattr(hint, "as_dict") else ANY


# --- msrest


@functools.cache
def _msrest(cls: Any) -> Shape:
    kinds = {
        name: kind for table in (getattr(cls, "_subtype_map", None) or {}).values() for name, kind in table.items()
    }
    if kinds:
        module = sys.modules[cls.__module__]
        return Shape(
            "union", cls.__name__, lazy_options=lambda: tuple(_flat(getattr(module, kind)) for kind in kinds.values())
        )
    return _flat(cls)


@functools.cache
def _flat(cls: Any) -> Shape:
    """The SDK flattens `properties.x` to `x`; REST nests."""
    return _nested(cls, cls.__name__, [(item["key"], name) for name, item in cls._attribute_map.items()])


def _nested(cls: Any, title: str, keys: list[tuple[str, str]]) -> Shape:
    validation: Mapping[str, Mapping[str, Any]] = cls._validation
    below: dict[str, list[tuple[str, str]]] = {}
    leaves: dict[str, str] = {}
    for key, name in keys:
        head, dot, rest = key.partition(".") if "\\." not in key else (key.replace("\\.", "."), "", "")
        if dot:
            below.setdefault(head, []).append((rest, name))
        else:
            leaves[head] = name
    must = {key for key, name in leaves.items() if _rule(validation, name, "required")}
    must |= {key for key, inner in below.items() if any(_rule(validation, name, "required") for _, name in inner)}
    return Shape(
        "structure",
        title,
        required=frozenset(must),
        read_only=frozenset(key for key, name in leaves.items() if _rule(validation, name, "readonly")),
        lazy_members=lambda: {
            **{key: _typed(cls, cls._attribute_map[name]["type"], validation.get(name, {}), key)
               for key, name in leaves.items()},
            **{key: _nested(cls, key, inner) for key, inner in below.items()},
        },
    )  # fmt: skip


def _rule(validation: Mapping[str, Mapping[str, Any]], name: str, word: str) -> bool:
    return bool(validation.get(name, {}).get(word))


def _typed(cls: Any, kind: str, rules: Mapping[str, Any], name: str) -> Shape:
    if kind.startswith("[") and kind.endswith("]"):
        return Shape(
            "list", name, minimum=rules.get("min_items"), maximum=rules.get("max_items"),
            lazy_item=lambda: _typed(cls, kind[1:-1], {}, name),
        )  # fmt: skip
    if kind.startswith("{") and kind.endswith("}"):
        return Shape("map", name, lazy_item=lambda: _typed(cls, kind[1:-1], {}, name))
    if kind in _MSREST:
        base = _MSREST[kind]
        enum = _documented_enum(cls, name) if kind == "str" else ()
        if base is ANY or not (rules or enum):
            return base
        return Shape(
            base.kind, name, enum=enum, pattern=rules.get("pattern"),
            minimum=rules.get("minimum", rules.get("min_length")),
            maximum=rules.get("maximum", rules.get("max_length")),
        )  # fmt: skip
    found = getattr(sys.modules[cls.__module__], kind, None)
    return _msrest(found) if found is not None else ANY


@functools.cache
def _documented(cls: Any) -> Mapping[str, tuple[str, ...]]:
    """msrest types an enum as `str` and names its class in the docstring alone: `:vartype sku: str or ~a.b.SkuName`."""
    found: dict[str, tuple[str, ...]] = {}
    package = importlib.import_module(cls.__module__.rpartition(".")[0])
    for line in (cls.__doc__ or "").splitlines():
        words = line.strip().split()
        if len(words) >= 5 and words[0] == ":vartype" and words[2:4] == ["str", "or"]:
            enum = getattr(package, words[4].rpartition(".")[2], None)
            if isinstance(enum, type) and issubclass(enum, Enum):
                found[words[1].rstrip(":")] = tuple(str(item.value) for item in enum)
    return found


def _documented_enum(cls: Any, rest_name: str) -> tuple[str, ...]:
    for name, item in cls._attribute_map.items():
        if item["key"].rpartition(".")[2] == rest_name:
            return _documented(cls).get(name, ())
    return ()
