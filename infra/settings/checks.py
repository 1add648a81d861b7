"""Checks of a stack's raw settings: what needs more than one field, or a better word than a type's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from catalog.accelerators import ACCELERATORS, on_cloud
from catalog.errors import did_you_mean
from infra.settings.explain import PREFIX, Mistake, path_of, shown
from infra.settings.model import KEYS, OWN_TAGS, STACKS

_ALSO_CALLED = {"k8s": "kubernetes", "eks": "aws", "amazon": "aws", "google": "gcp", "gke": "gcp", "aks": "azure"}


def _cloud(data: Mapping[str, Any]) -> Iterator[Mistake]:
    cloud = data.get("cloud")
    if cloud in STACKS:
        return
    known = list(STACKS)
    if cloud in (None, ""):
        yield Mistake(path_of(["cloud"]), f" is missing; allowed: {', '.join(known)}", "Add it, such as local.")
    else:
        other = _ALSO_CALLED.get(str(cloud).lower())
        hint = f"Did you mean {other}?" if other else did_you_mean(str(cloud).lower(), known)
        yield Mistake(path_of(["cloud"]), f" is {shown(cloud)}; allowed: {', '.join(known)}", hint)


def _accelerators(data: Mapping[str, Any]) -> Iterator[Mistake]:
    """Kinds are neutral; which of them a cloud has is a fact of that cloud."""
    cloud = data["cloud"] if data.get("cloud") in STACKS else "kubernetes"
    pools = data["training"].get("pools") if isinstance(data.get("training"), Mapping) else None
    for name, pool in pools.items() if isinstance(pools, Mapping) else ():
        accelerator = pool.get("accelerator") if isinstance(pool, Mapping) else None
        kind = accelerator.get("kind") if isinstance(accelerator, Mapping) else None
        known = on_cloud(cloud)
        if not isinstance(kind, str) or kind in known:
            continue
        near = {item.lower(): item for item in known}
        hint = did_you_mean(kind.lower(), list(near))
        for low, proper in near.items():
            hint = hint.replace(f" {low}?", f" {proper}?")
        if kind.lower() in ("none", "cpu"):
            hint = "Leave `accelerator` out for a pool of CPUs."
        elif kind in ACCELERATORS:
            hint = f"{kind} is offered on {', '.join(sorted(ACCELERATORS[kind].clouds))}."
        yield Mistake(
            path_of(["training", "pools", name, "accelerator", "kind"]),
            f" is {shown(kind)}; known on {cloud}: {', '.join(known)}",
            hint,
        )


def _ttl(data: Mapping[str, Any]) -> Iterator[Mistake]:
    environment = data.get("environment", "dev")
    if data.get("ttl_hours") is not None and environment != "dev":
        yield Mistake(
            path_of(["ttl_hours"]),
            f" is {shown(data['ttl_hours'])} in environment {shown(environment)}; allowed: only in dev",
            "Remove the line: what others rely on does not expire.",
        )


def _tags(data: Mapping[str, Any]) -> Iterator[Mistake]:
    tags = data.get("tags")
    for key in OWN_TAGS:
        if isinstance(tags, Mapping) and key in tags:
            remedy = f"Set {PREFIX}{key} instead." if key in KEYS else "Remove the line."
            yield Mistake(path_of(["tags", key]), " is a tag that the platform sets itself", remedy)


RAW_CHECKS: tuple[Callable[[Mapping[str, Any]], Iterator[Mistake]], ...] = (
    _cloud,
    _accelerators,
    _ttl,
    _tags,
)
"""Each reads raw data and must bear any."""
