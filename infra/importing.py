"""Bringing what already runs under a stack: a plan of `pulumi import`s, ids filled in as far as known.

The engine's own `preview --import-file` lists what the program would create. An id is taken from the user's map, else
made of the declared names where the cloud's id is made of them (`catalog.import_ids`); the rest waits for a person.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalog.errors import UserError, did_you_mean
from catalog.import_ids import UNKNOWN, import_id
from infra.engine.events import Outcome, Step
from infra.engine.run import Engine, Lines

PLACEHOLDER = "<PLACEHOLDER>"


@dataclass(frozen=True)
class Plan:
    """`content`: the engine's import file. An entry whose id nobody knows yet carries PLACEHOLDER."""

    content: dict[str, Any]

    @property
    def entries(self) -> list[dict[str, Any]]:
        """What is to be imported; components and providers of the program need no id."""
        return [
            entry
            for entry in self.content["resources"]
            if not entry.get("component") and not entry["type"].startswith("pulumi:providers:")
        ]

    @property
    def missing(self) -> list[str]:
        """Names of the entries that still need an id."""
        return [str(entry["name"]) for entry in self.entries if entry.get("id", PLACEHOLDER) == PLACEHOLDER]

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(self.content, indent=2) + "\n")

    @classmethod
    def read(cls, path: Path) -> Plan:
        """Raises UserError in one line."""
        try:
            content = json.loads(path.read_text())
            if not isinstance(content, dict) or not isinstance(content.get("resources"), list):
                raise ValueError("it has no list `resources`")
        except (OSError, ValueError) as error:
            raise UserError(f"{path} is no plan of imports: {error}", "Make one: skywright import plan STACK") from None
        return cls(content)


def make(engine: Engine, ids: Mapping[str, str]) -> Plan:
    """The plan for all that the stack declares and its state lacks. `ids`: resource name -> the cloud's id."""
    with tempfile.TemporaryDirectory(prefix="skywright-") as folder:
        file = Path(folder) / "import.json"
        outcome = engine.preview(args=["--import-file", str(file)])
        content = json.loads(file.read_text()) if file.exists() else {"resources": []}
    inputs = {(step.type, step.name): step.inputs for step in outcome.steps}
    known = {_name(entry) for entry in content["resources"]}
    for name in ids:
        if name not in known:
            hint = did_you_mean(name, sorted(known)) or "`skywright import plan` without --ids lists them."
            raise UserError(f"--ids names {name!r}, which the stack does not declare or already has", hint)
    entries = []
    for entry in content["resources"]:
        name = _name(entry)
        if entry["type"].startswith("pulumi:providers:"):
            continue
        if not entry.get("component"):
            found = ids.get(name) or import_id(entry["type"], inputs.get((entry["type"], name), {}))
            entry = {**entry, "id": found or PLACEHOLDER}
        entries.append(entry)
    return Plan({**content, "resources": entries})


def carry_out(engine: Engine, path: Path, on_line: Lines | None = None) -> Outcome:
    """Import what the plan in `path` names. Nothing is changed in the cloud. Raises UserError while ids are missing.

    Components and providers, which are no cloud's, are created first: what is imported lies in them. A provider that
    itself needs what is yet to be imported (a cluster's) waits, and its resources for a second run.
    """
    plan = Plan.read(path)
    if missing := plan.missing:
        shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        raise UserError(
            f"{path} has no id for {shown}", f"Write the cloud's id in place of {PLACEHOLDER}, or drop the entry."
        )
    wanted = {_name(entry): str(entry["id"]) for entry in plan.entries}
    frame = [step.urn for step in engine.preview().steps if step.op == "create" and _is_frame(step)]
    if frame:
        engine.frame(list(dict.fromkeys(frame)), on_line)
    declared = {step.name for step in engine.preview().steps if step.op == "create"}
    fresh = make(engine, {name: id for name, id in wanted.items() if name in declared})
    kept = [entry for entry in fresh.content["resources"] if entry.get("component") or _name(entry) in wanted]
    with tempfile.TemporaryDirectory(prefix="skywright-") as folder:
        file = Path(folder) / "import.json"
        Plan({**fresh.content, "resources": kept}).write(file)
        return engine.import_(file, on_line)


def _name(entry: Mapping[str, Any]) -> str:
    return str(entry.get("logicalName") or entry["name"])


def _is_frame(step: Step) -> bool:
    is_known = UNKNOWN not in json.dumps(step.inputs, default=str)
    return step.type.startswith("skywright:") or (step.type.startswith("pulumi:providers:") and is_known)
