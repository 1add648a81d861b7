"""The values that charts know, of those whose chart lies in a published Go module: what is set must be one of them.

Helm itself takes any value and ignores what it does not know, so that a misspelt one changes nothing without a word.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from catalog.errors import SkywrightError
from infra.engine import cache, making
from infra.engine.golang import Progress, Unavailable
from infra.rehearsal.kubernetes import binaries, crds, pins


def file() -> Path:
    """Where they lie; its name changes with what is in it."""
    mixed = hashlib.sha256(repr((1, sorted(pins.CHARTS.items()))).encode()).hexdigest()[:12]
    return cache.folder(binaries.FOLDER) / f"charts-{mixed}.json"


def make(progress: Progress) -> Path:
    """The file, made unless it is there. Raises SkywrightError where a chart can't be had."""
    if (target := file()).exists():
        return target
    with making.alone(binaries.FOLDER, progress, "charts"):
        try:
            found = {name: _read(*source, progress) for name, source in pins.CHARTS.items()}
        except Unavailable as reason:
            raise SkywrightError(f"the values of the operators' charts can't be had: {reason}", reason.remedy) from None
        aside = target.with_name(f".{target.name}-{os.getpid()}")
        aside.write_text(json.dumps(found, default=str))
        aside.rename(target)
    return target


def _read(module: str, version: str, folder: str, progress: Progress) -> dict[str, Any]:
    (text,) = crds.files(module, version, folder, progress, only="values.yaml")
    return yaml.load(text, crds.Loader) or {}


@functools.cache
def _known() -> dict[str, Any]:
    return dict(json.loads(make(lambda message, share: None).read_text()))


def is_known(chart: str, version: str) -> bool:
    """Whether the values of this very version are known."""
    source = pins.CHARTS.get(chart)
    return source is not None and source[1].removeprefix("v") == version.removeprefix("v")


def unknown(chart: str, values: Mapping[str, Any]) -> Iterator[str]:
    """Paths of `values` that the chart has no value for, each with what it has there."""
    yield from _unknown(values, _known()[chart], "values")


def _unknown(given: Mapping[str, Any], known: Mapping[str, Any], path: str) -> Iterator[str]:
    for key, value in given.items():
        if key not in known:
            yield f"{path}.{key} is no value of the chart; it has there: {', '.join(sorted(map(str, known)))}"
        elif isinstance(value, Mapping) and isinstance(known[key], Mapping) and known[key]:
            yield from _unknown(value, known[key], f"{path}.{key}")
        elif isinstance(known[key], bool) and not isinstance(value, bool):
            yield f"{path}.{key} is {value!r}; allowed: true, false"
