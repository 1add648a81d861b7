"""Components and providers in a state by themselves: they are no cloud's, and what is imported lies in them.

A targeted `up` would make them too, but not for every program: whatever it leaves out answers with its inputs alone,
and the SDK of Azure refuses to read those as outputs.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from catalog.import_ids import UNKNOWN
from infra.engine.events import Step

PROVIDER = "pulumi:providers:"
SECRET = "[secret]"
"""How events show what is secret."""


def is_frame(step: Step) -> bool:
    """Whether the step creates a component, or a provider all of whose configuration is known."""
    if step.op != "create":
        return False
    if step.type.startswith(PROVIDER):
        return not waits(step)
    return step.type.startswith("skywright:") or step.type == "pulumi:pulumi:Stack"


def waits(step: Step) -> bool:
    """Whether the step creates a provider that is told only by what is not there yet."""
    is_new = step.op == "create" and step.type.startswith(PROVIDER)
    return is_new and UNKNOWN in json.dumps(step.inputs, default=str)


def is_secret(step: Step) -> bool:
    """Whether its configuration can't be told from events."""
    return SECRET in json.dumps(step.inputs, default=str)


def framed(export: Mapping[str, Any], steps: Iterable[Step]) -> dict[str, Any]:
    """A stack's export with what the steps create, parents first, as the engine would have written it."""
    deployment = export["deployment"]
    held = list(deployment.get("resources") or ())
    there = {state["urn"] for state in held}
    added = [_state(step) for step in steps if step.urn not in there]
    return {**export, "deployment": {**deployment, "resources": [*held, *added]}}


def _state(step: Step) -> dict[str, Any]:
    is_provider = step.type.startswith(PROVIDER)
    state = {"urn": step.urn, "custom": is_provider, "type": step.type, "inputs": dict(step.inputs)}
    if is_provider:
        outputs = {key: value for key, value in step.inputs.items() if not key.startswith("__")}
        state |= {"id": str(uuid.uuid4()), "outputs": outputs}
    return state | ({"parent": step.parent} if step.parent else {})
