"""What the engine reports of a run: its event log, read into the few facts that we act on."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_NO_NEWS = re.compile(r"^(preview|update|refresh|destroy|resource .*) failed$")
"""Errors that the engine puts after the one that matters."""


@dataclass(frozen=True, slots=True)
class Step:
    """What is done, or would be done, to one resource: create, update, replace, delete, refresh."""

    op: str
    urn: str
    inputs: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    parent: str = field(default="", compare=False, repr=False)

    @property
    def type(self) -> str:
        """The resource's own type token, without its parents'."""
        return self.urn.split("::")[2].rsplit("$", 1)[-1]

    @property
    def name(self) -> str:
        return self.urn.split("::", 3)[3]


@dataclass(frozen=True, slots=True)
class PolicyNote:
    """What a policy said of a resource; `urn` is empty where it speaks of the stack. `level`: advisory, mandatory."""

    policy: str
    urn: str
    level: str
    message: str = field(compare=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The last phase of a run: `changes` counts resources by operation (same, create, update, ...).

    `violations`: mandatory ones, a line each; `notes`: whatever policies said, in the engine's order, each once.
    """

    changes: dict[str, int] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    errors: tuple[str, ...] = ()
    violations: tuple[str, ...] = ()
    notes: tuple[PolicyNote, ...] = ()
    duration_s: float = 0.0

    @property
    def is_unchanged(self) -> bool:
        return set(self.changes) <= {"same"}


def read(log: Path) -> Outcome:
    """The outcome in an event log; whatever it holds when the run was cut short."""
    changes: dict[str, int] = {}
    steps: list[Step] = []
    errors: list[str] = []
    violations: list[str] = []
    notes: list[PolicyNote] = []
    for event in _events(log):
        if told := event.get("diagnosticEvent"):
            message = _plain(told.get("message", ""))
            if told.get("severity") == "error" and not _NO_NEWS.match(message) and message not in errors:
                errors.append(message)
        elif told := event.get("policyEvent"):
            if told.get("enforcementLevel") == "mandatory":
                violations.append(_violation(told))
            notes.append(_note(told))
        elif told := event.get("resourcePreEvent"):
            if (op := told["metadata"]["op"]) != "same":
                told = told["metadata"]
                new = told.get("new") or {}
                steps.append(Step(op, told["urn"], new.get("inputs") or {}, new.get("parent") or ""))
        elif told := event.get("summaryEvent"):
            changes = dict(told.get("resourceChanges") or {})
    return Outcome(changes, tuple(steps), tuple(errors), tuple(violations), tuple(dict.fromkeys(notes)))


def one_line(message: str) -> str:
    """The line of an error that says what is wrong: of a traceback the last one, else all lines joined."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    if not lines:
        return "it gave no reason"
    if any(line.startswith("Traceback ") for line in lines):
        return f"the program failed: {lines[-1]}"
    return " ".join(lines)


def _events(log: Path) -> list[dict[str, Any]]:
    found = []
    try:
        text = log.read_text(errors="replace")
    except FileNotFoundError:
        return []
    for line in text.splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def _note(told: dict[str, Any]) -> PolicyNote:
    urn, message = str(told.get("resourceUrn") or ""), _plain(str(told.get("message", "")))
    return PolicyNote(str(told.get("policyName")), urn, str(told.get("enforcementLevel")), message)


def _violation(told: dict[str, Any]) -> str:
    resource = str(told.get("resourceUrn", "")).rsplit("::", 1)[-1]
    message = " ".join(_plain(told.get("message", "")).split())
    return f"{told.get('policyName')} on {resource}: {message}"


def _plain(text: str) -> str:
    text = re.sub(r"<\{%.*?%\}>", "", text).strip()
    # gRPC for Python puts this before what a dynamic provider raises.
    return text.removeprefix("Exception calling application: ")
