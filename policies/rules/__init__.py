"""The rules, one concern a file. A new file here is found by itself."""

from __future__ import annotations

import functools
import importlib
import pkgutil

from policies.rule import Rule


@functools.cache
def all_rules() -> tuple[Rule, ...]:
    """Every rule of every file here, by name."""
    modules = [importlib.import_module(f"{__name__}.{info.name}") for info in pkgutil.iter_modules(__path__)]
    found = [value for module in modules for value in vars(module).values() if isinstance(value, Rule)]
    by_name = {item.name: item for item in found}
    if len(by_name) != len(found):
        raise ValueError("two rules bear the same name")
    return tuple(by_name[name] for name in sorted(by_name))
