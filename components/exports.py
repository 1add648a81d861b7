"""The eight classes and the file each lies in, the same in every cloud's folder; loaded only when they are used.

A cloud's settings must be readable without its SDK, so importing the package must not import the components.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from typing import Any

HOMES = {
    "Network": "network",
    "Identity": "identity",
    "Storage": "storage",
    "ModelRegistry": "registry",
    "TrainingCluster": "training",
    "ModelEndpoint": "endpoint",
    "Monitoring": "monitoring",
    "BudgetAlarm": "budget",
}

PROVIDER = "provider_options"
"""Of a cloud whose SDK must be told where to work: `provider.py` has `provider_options(ctx)`, for all eight."""


def lazily(package: str) -> Callable[[str], Any]:
    """A package's `__getattr__` that exports the eight, and `provider_options` where the cloud has it."""

    def get(name: str) -> Any:
        if name in HOMES:
            return getattr(importlib.import_module(f"{package}.{HOMES[name]}"), name)
        if name == PROVIDER and importlib.util.find_spec(f"{package}.provider"):
            return getattr(importlib.import_module(f"{package}.provider"), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return get
