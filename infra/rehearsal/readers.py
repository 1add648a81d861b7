"""Whether the review says the same of a stack, whoever reads it: the program, a preview, an export, the engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from infra.engine.events import PolicyNote
from infra.engine.run import Engine
from infra.reading import declared
from infra.settings import Settings
from policies import enforcement
from policies.graph import Graph
from policies.readers import json_files
from policies.resources import Resource
from policies.rule import Status, review
from policies.rules import all_rules
from policies.whole import STACK_RULES

Said = Mapping[tuple[str, str], bool]
"""(rule, resource) -> whether it is certain; False where a value isn't known to this reader."""

UNCERTAIN = ("is not known before the update", "is secret", "--target leaves it out")


def disagreements(engine: Engine, settings: Settings, notes: Iterable[PolicyNote]) -> list[str]:
    """A line for each finding that one reader is certain of and another passes. `notes`: the engine's own, of an up."""
    given = enforcement.load().parameters_of(settings.environment)
    said = {
        "program": _of(declared(settings, project_dir=str(engine.project_dir)), given),
        "preview": _of(json_files.of(engine.preview_json(), "preview").resources, given),
        "export": _of(json_files.of(engine.export(), "export").resources, given),
        "engine": _noted(notes),
    }
    lines = []
    for name, findings in said.items():
        for other, known in said.items():
            for rule, resource in sorted(
                key for key, is_certain in findings.items() if is_certain and key not in known
            ):
                lines.append(f"{rule} on {resource}: the {name} shows it, the {other} does not")
    return lines


def _of(resources: Iterable[Resource], parameters: Mapping[str, Any]) -> Said:
    found: dict[tuple[str, str], bool] = {}
    for result in review(Graph(resources, parameters=parameters), all_rules()):
        key = (result.rule.name, result.resource.name)
        found[key] = found.get(key, False) or result.status is not Status.UNKNOWN
    return found


def _noted(notes: Iterable[PolicyNote]) -> Said:
    found: dict[tuple[str, str], bool] = {}
    whole = {rule.name for rule in STACK_RULES}
    for note in notes:
        if note.policy not in whole:
            key = (note.policy, note.urn.rsplit("::", 1)[-1])
            is_certain = not any(words in note.message for words in UNCERTAIN)
            found[key] = found.get(key, False) or is_certain
    return found
