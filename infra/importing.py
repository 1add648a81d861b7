"""Bringing what already runs under a stack: a plan of `pulumi import`s, ids filled in as far as known.

The engine's own `preview --import-file` lists what the program would create. An id is taken from the user's map, else
made of the declared names where the cloud's id is made of them (`catalog.import_ids`). Some names are told only by what
lies below in the stack: those ids follow in a later round, once that is imported. The rest waits for a person.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalog.errors import UserError, did_you_mean
from catalog.import_ids import Answer, facts_of, told
from infra.engine import frame
from infra.engine.events import Step
from infra.engine.run import Engine, Lines

PLACEHOLDER = "<PLACEHOLDER>"
"""The engine's own word for an id that a person must write."""
LATER = "<LATER>"
"""In place of an id that a later round of the import makes."""
BY_UP = "<UP>"
"""In place of the id of what has no import: `up` makes it again without harm."""

_NOTE = "note"


@dataclass(frozen=True)
class Plan:
    """`content`: the engine's import file. An entry whose id is not told carries PLACEHOLDER, LATER or BY_UP, and a
    note that says why, or where to look it up. An id that a person writes over any of them counts."""

    content: dict[str, Any]

    @property
    def entries(self) -> list[dict[str, Any]]:
        """What is to be imported; components and providers of the program need no id."""
        return [
            entry
            for entry in self.content["resources"]
            if not entry.get("component") and not entry["type"].startswith(frame.PROVIDER)
        ]

    @property
    def missing(self) -> list[str]:
        """Names of the entries that need an id from a person."""
        return self.with_id(PLACEHOLDER)

    def with_id(self, id: str) -> list[str]:
        """Names of the entries with this id, or with this word in its place."""
        return [_name(entry) for entry in self.entries if entry.get("id", PLACEHOLDER) == id]

    def with_ids(self, ids: Mapping[str, str]) -> Plan:
        """The same with these ids, by name."""
        entries = [{**entry, "id": ids[_name(entry)]} if _name(entry) in ids and not entry.get("component") else entry
                   for entry in self.content["resources"]]  # fmt: skip
        return Plan({**self.content, "resources": entries})

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


@dataclass(frozen=True)
class Imported:
    """`names`: what came under the stack. `left`: what the plan asked for too and `up` has to make again, each because
    it has no import or is named by such a thing."""

    names: tuple[str, ...]
    left: tuple[str, ...]


def make(engine: Engine, ids: Mapping[str, str]) -> Plan:
    """The plan for all that the stack declares and its state lacks. `ids`: resource name -> the cloud's id."""
    content, steps = _look(engine)
    known = {_name(entry) for entry in content["resources"]}
    for name in ids:
        if name not in known:
            hint = did_you_mean(name, sorted(known)) or "`skywright import plan` without --ids lists them."
            raise UserError(f"--ids names {name!r}, which the stack does not declare or already has", hint)
    return _planned(engine, content, steps, ids)


def carry_out(engine: Engine, path: Path, on_line: Lines | None = None) -> Imported:
    """Import what the plan in `path` names. Nothing is changed in the cloud. Raises UserError while ids are missing.

    Components and providers, which are no cloud's, are created first: what is imported lies in them. Then all is
    imported whose id is told; what names that is told by it, and so on. A provider that itself needs what is imported
    (a cluster's) comes with the round that tells it.
    """
    plan = Plan.read(path)
    if missing := plan.missing:
        raise UserError(
            f"{path} has no id for {_listed(missing)}",
            f"Write the cloud's id in place of {PLACEHOLDER}, or drop the entry.",
        )
    given = {_name(entry): str(entry["id"]) for entry in plan.entries}
    written = {name: id for name, id in given.items() if id not in (PLACEHOLDER, LATER, BY_UP)}
    done: list[str] = []
    while len(done) < len(given):
        content, steps = _framed(engine, on_line)
        fresh = _planned(engine, content, steps, written)
        ready = {
            _name(entry)
            for entry in fresh.entries
            if entry["id"] not in (PLACEHOLDER, LATER, BY_UP) and _name(entry) in given
        }.difference(done)
        if not ready:
            break
        _import(engine, fresh, ready, on_line)
        done += sorted(ready)
        if not set(fresh.with_id(LATER)) & given.keys():
            break
    return Imported(tuple(done), tuple(name for name in given if name not in done))


def _look(engine: Engine) -> tuple[dict[str, Any], tuple[Step, ...]]:
    """The engine's import file, and what a preview would do."""
    with tempfile.TemporaryDirectory(prefix="skywright-") as folder:
        file = Path(folder) / "import.json"
        outcome = engine.preview(args=["--import-file", str(file)], is_reviewed=False)  # nothing is changed by it
        content = json.loads(file.read_text()) if file.exists() else {}
    return {**content, "resources": content.get("resources") or []}, outcome.steps  # null where nothing is left


def _framed(engine: Engine, on_line: Lines | None) -> tuple[dict[str, Any], tuple[Step, ...]]:
    """The same, after components and those providers that can be there are: the file names them by their URNs."""
    content, steps = _look(engine)
    made = [step for step in steps if frame.is_frame(step)]
    if told := [step for step in made if not frame.is_secret(step)]:
        engine.frame(told)
    if secret := [step.urn for step in made if frame.is_secret(step)]:
        engine.up_alone(secret, on_line)
    urns = {(step.type, step.name): step.urn for step in made}
    named = {entry["name"]: urns.get((entry["type"], _name(entry))) for entry in content["resources"]}
    table = {**(content.get("nameTable") or {}), **{name: urn for name, urn in named.items() if urn}}
    kept = [entry for entry in content["resources"] if entry["name"] not in table]
    return {**content, "nameTable": table, "resources": kept}, steps


def _planned(engine: Engine, content: dict[str, Any], steps: tuple[Step, ...], ids: Mapping[str, str]) -> Plan:
    inputs = {(step.type, step.name): step.inputs for step in steps}
    facts = facts_of((kind, given) for (kind, _), given in inputs.items()) or _facts_there(engine)
    waiting = {step.name for step in steps if frame.waits(step)}
    entries = []
    for entry in content["resources"]:
        name = _name(entry)
        if entry["type"].startswith(frame.PROVIDER):
            continue
        if not entry.get("component"):
            if (provider := entry.get("provider")) in waiting:
                answer = Answer(is_later=True, note=f"read by provider {provider}, once that can be there")
            elif found := ids.get(name):
                answer = Answer(found)
            else:
                answer = told(entry["type"], inputs.get((entry["type"], name), {}), facts)
            entry = {**entry, "id": answer.id or _word(answer), **({_NOTE: answer.note} if answer.note else {})}
        entries.append(entry)
    return Plan({**content, "resources": entries})


def _facts_there(engine: Engine) -> dict[str, str]:
    """From what is under the stack already: in a late round too little is left to tell them."""
    states = engine.export()["deployment"].get("resources") or ()
    return facts_of((state["type"], state.get("inputs") or {}) for state in states)


def _word(answer: Answer) -> str:
    return BY_UP if answer.is_by_up else LATER if answer.is_later else PLACEHOLDER


def _import(engine: Engine, plan: Plan, names: set[str], on_line: Lines | None) -> None:
    kept = [
        {key: value for key, value in entry.items() if key != _NOTE}
        for entry in plan.content["resources"]
        if entry.get("component") or _name(entry) in names
    ]
    with tempfile.TemporaryDirectory(prefix="skywright-") as folder:
        file = Path(folder) / "import.json"
        Plan({**plan.content, "resources": kept}).write(file)
        engine.import_(file, on_line)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _name(entry: Mapping[str, Any]) -> str:
    return str(entry.get("logicalName") or entry["name"])
