"""Kubernetes' resources as manifests, a file each: that is what they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from policies.resources import SECRET, UNKNOWN, Resource

CHART = "helm.sh/v3"
"""A chart holds what only Helm can tell."""


def manifest(item: Resource) -> str | None:
    """None for another cloud's resource, and for a chart."""
    package, module, kind = item.type.split(":")
    if package != "kubernetes" or module == CHART:
        return None
    props = _plain(dict(item.props))
    metadata = {"name": item.name.lower(), **(props.get("metadata") or {})}
    body = {**props, "apiVersion": module.removeprefix("core/"), "kind": kind, "metadata": metadata}
    return yaml.safe_dump(body, sort_keys=False)


def _plain(value: Any) -> Any:
    """What isn't known yet is left out."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items() if inner is not UNKNOWN}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value if inner is not UNKNOWN]
    return "hidden" if value is SECRET else value
