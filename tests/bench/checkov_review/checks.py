"""Checkov on what a stack declares: what it finds, by its check and our resource. It runs without network."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from checkov_review import arm, manifests, terraform
from policies.resources import Resource

LIMIT_S = 600


@dataclass(frozen=True)
class Failure:
    check: str
    title: str
    resource: Resource


@dataclass(frozen=True)
class Told:
    """`passed`: how many checks found nothing. None at all means that Checkov recognised nothing."""

    failures: tuple[Failure, ...]
    passed: int


def told(python: Path, resources: Sequence[Resource]) -> Told:
    """Raises SystemExit where Checkov doesn't run to its end, or can't read what it is given."""
    with tempfile.TemporaryDirectory() as folder:
        answers = [_run(python, framework, at) for framework, at in _written(Path(folder), resources)]
    failed = [_failure(item, resources) for answer in answers for item in answer["results"]["failed_checks"]]
    return Told(tuple(failed), sum(answer["summary"]["passed"] for answer in answers))


def _written(folder: Path, resources: Sequence[Resource]) -> Iterator[tuple[str, Path]]:
    """A folder for each framework that has something to look at."""
    found = {
        "terraform_plan": {"plan.json": _json(terraform.plan(resources, _named(resources)), "planned_values")},
        "arm": {"template.json": _json(arm.template(resources, _named(resources)), "resources")},
        "kubernetes": {
            f"{_named(resources)(index)}.yaml": manifests.manifest(item) for index, item in enumerate(resources)
        },
    }
    for framework, files in found.items():
        if given := {name: text for name, text in files.items() if text}:
            at = folder / framework
            at.mkdir()
            for name, text in given.items():
                (at / name).write_text(text)
            yield framework, at


def _json(content: dict[str, Any], key: str) -> str | None:
    return None if content[key] in ([], {"root_module": {"resources": []}}) else json.dumps(content, indent=1)


def _named(resources: Sequence[Resource]) -> Any:
    """A name that leads back to the resource wherever Checkov shows it."""

    def named(index: int) -> str:
        return f"res-{index}-" + re.sub(r"[^a-z0-9]+", "-", resources[index].name.lower()).strip("-")

    return named


def _run(python: Path, framework: str, at: Path) -> Any:
    command = [
        str(python), "-m", "checkov.main", "-d", str(at), "--framework", framework, "--output", "json", "--quiet",
        "--compact", "--skip-download", "--soft-fail",
    ]  # fmt: skip
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("BC_", "PRISMA_", "CKV_"))}
    done = subprocess.run(command, capture_output=True, text=True, cwd=at, env=environ, timeout=LIMIT_S)
    try:
        answer = json.loads(done.stdout)
        if answer.get("resource_count") == 0:  # then it writes a summary alone
            return {"results": {"failed_checks": []}, "summary": {"passed": 0}}
        unread = answer["results"].get("parsing_errors")
    except (ValueError, KeyError, AttributeError):
        raise SystemExit(f"checkov ended with {done.returncode}:\n{done.stdout[-500:]}{done.stderr[-1500:]}") from None
    if unread:
        raise SystemExit(f"checkov can't read {unread}")
    return answer


def _failure(item: Any, resources: Sequence[Resource]) -> Failure:
    place = re.search(r"res-(\d+)-", f"{item['resource']} {item['file_path']}")
    if place is None:
        raise SystemExit(f"checkov names no resource of ours: {item['resource']}")
    return Failure(item["check_id"], item["check_name"], resources[int(place[1])])
