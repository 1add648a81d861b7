"""The custom resource definitions of the operators that the components install, from their published Go modules."""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from infra.engine import golang
from infra.engine.golang import Progress
from infra.rehearsal.kubernetes import pins

_GO = (1, 24)


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML as Kubernetes projects write it: a bare `=` is a string."""


Loader.add_constructor("tag:yaml.org,2002:value", lambda loader, node: loader.construct_scalar(node))


def definitions(progress: Progress) -> Iterator[dict[str, Any]]:
    """Each definition once. Raises Unavailable where a module can't be had."""
    seen: set[str] = set()
    for module, version, folder in pins.CRDS.values():
        for text in files(module, version, folder, progress):
            for document in yaml.load_all(text, Loader):
                if not isinstance(document, dict) or document.get("kind") != "CustomResourceDefinition":
                    continue
                if (name := document["metadata"]["name"]) not in seen:
                    seen.add(name)
                    yield _without_webhooks(document)


def files(module: str, version: str, folder: str, progress: Progress, *, only: str = "") -> list[bytes]:
    """The YAML files right below `folder` of a module's published zip, or the one that is called `only`."""
    told = golang.fetched(f"{module}@{version}", _GO, progress)
    inside = re.compile(re.escape(f"{module}@{version}/{folder}/") + (re.escape(only) or r"[^/]+\.yaml"))
    with zipfile.ZipFile(Path(told["Zip"])) as opened:
        return [opened.read(name) for name in sorted(opened.namelist()) if inside.fullmatch(name)]


def fingerprint() -> str:
    """Changes with what would be loaded."""
    return hashlib.sha256(repr((pins.KUBERNETES, sorted(pins.CRDS.items()))).encode()).hexdigest()[:12]


def _without_webhooks(definition: dict[str, Any]) -> dict[str, Any]:
    """Nothing converts between versions here: the stored version is the one that is declared."""
    definition["spec"].pop("conversion", None)
    definition["metadata"] = {
        key: value for key, value in definition["metadata"].items() if key in ("name", "labels", "annotations")
    }
    return definition
