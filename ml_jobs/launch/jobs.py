"""The jobs that can be named in a command: the sample jobs, and any module's JobSpec."""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from catalog.errors import UserError, did_you_mean, mistake
from ml_jobs.contract import JobSpec, explain

SAMPLES = {"breast-cancer": "ml_jobs.train.breast_cancer", "digits": "ml_jobs.train.digits"}
"""Name -> the module whose `JOB` it is."""


def find(name: str) -> JobSpec:
    """A sample job by name, or a user's own as `module` or `module:ATTRIBUTE` (JOB by default).

    Raises UserError with the names that there are, and the closest.
    """
    module, _, attribute = SAMPLES.get(name, name).partition(":")
    if name not in SAMPLES and not ("." in name or ":" in name):
        known = sorted(SAMPLES)
        raise UserError(
            f"there is no job {name!r}; there are: {', '.join(known)}, and your own as module:JOB",
            did_you_mean(name, known),
        )
    if name not in SAMPLES and (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)  # a job of one's own lies where the command is typed
    try:
        found = getattr(importlib.import_module(module), attribute or "JOB")
    except ModuleNotFoundError as error:
        raise UserError(
            f"job {name!r} can't be imported: {error}", "Run the command where the module can be found."
        ) from None
    except AttributeError:
        raise UserError(f"module {module} has no {attribute or 'JOB'}", "Give it one: JOB = JobSpec(...)") from None
    if not isinstance(found, JobSpec):
        raise UserError(f"{module}:{attribute or 'JOB'} is a {type(found).__name__}; allowed: a JobSpec")
    return found


def with_folder(spec: JobSpec) -> JobSpec:
    """The spec for a process of this machine: where its entry lies in the present folder, ranks look there too."""
    module = spec.entry.partition(":")[0].partition(".")[0]
    here = Path.cwd()
    if not ((here / f"{module}.py").exists() or (here / module / "__init__.py").exists()):
        return spec
    return adjusted(spec, env={"PYTHONPATH": str(here)} | spec.env)


def params(given: Iterable[str], known: dict[str, Any]) -> dict[str, Any]:
    """`key=value` pairs over a job's own parameters; a value is JSON where it reads as such, else text.

    A job that declares parameters takes only those, each of its own type. Raises UserError.
    """
    merged = dict(known)
    for pair in given:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise mistake("--param", pair, "key=value, as in --param seed=1")
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        if known and key not in known:
            names = sorted(known)
            raise UserError(f"--param {key}: the job has the parameters {', '.join(names)}", did_you_mean(key, names))
        wanted = type(known.get(key))
        if known.get(key) is not None and not _is(value, wanted):
            raise mistake(f"--param {key}", value, f"a {wanted.__name__}, as in {key}={json.dumps(known[key])}")
        merged[key] = value
    return merged


def _is(value: Any, wanted: type) -> bool:
    if wanted is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is wanted


def adjusted(spec: JobSpec, **changes: Any) -> JobSpec:
    """The spec with these fields replaced and checked; None leaves a field as it is. Raises UserError."""
    data = spec.model_dump(by_alias=True) | {key: value for key, value in changes.items() if value is not None}
    try:
        return JobSpec.model_validate(data)
    except ValidationError as error:
        raise UserError(explain(error, spec.name)) from None


def sized(spec: JobSpec, **asked: Any) -> JobSpec:
    """The spec with these of its resources replaced; None leaves one as it is. Raises UserError."""
    given = {key: value for key, value in asked.items() if value is not None}
    return adjusted(spec, resources={**spec.resources.model_dump(), **given}) if given else spec


SPAN = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d)?")
UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def seconds(text: str | None, where: str) -> float | None:
    """`90`, `90s`, `15m`, `70h` or `2d` in seconds. Raises UserError."""
    if text is None:
        return None
    match = SPAN.fullmatch(text.strip())
    if not match or float(match[1]) == 0:
        raise mistake(where, text, "a time above zero as in 90s, 15m, 70h or 2d")
    return float(match[1]) * UNIT_S[match[2] or "s"]
