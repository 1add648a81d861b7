"""What must be true after a step of a rehearsal, and what of a run to look at for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from catalog.errors import SkywrightError
from infra.engine.events import Step


class Broken(SkywrightError):
    """A step ended well by the engine's word, and what must be true after it is not."""


def component_of(urn: str) -> str:
    """The component that a resource lies in, such as ModelEndpoint; the resource's own type where it lies in none."""
    for token in urn.split("::")[2].split("$"):
        if token.startswith("skywright:"):
            return token.rsplit(":", 1)[1]
    return urn.split("::")[2]


def changing(steps: Iterable[Step]) -> list[Step]:
    """Steps that change something; what only reads, the stack's own outputs and providers are none."""
    passive = {"same", "refresh", "read"}
    return [
        step
        for step in steps
        if step.op not in passive and not step.type.startswith(("pulumi:pulumi:", "pulumi:providers:"))
    ]


def words_of(steps: Iterable[Step]) -> str:
    return ", ".join(sorted({f"{step.name} ({step.op})" for step in changing(steps)})) or "nothing that a step names"


def expect(is_so: bool, otherwise: str) -> None:
    if not is_so:
        raise Broken(otherwise)


def ids_of(export: Mapping[str, Any]) -> dict[str, str]:
    """{logical name: id} of what a stack's export holds."""
    states = export["deployment"].get("resources", [])
    return {state["urn"].rsplit("::", 1)[-1]: state["id"] for state in states if state.get("id")}


def named_by(export: Mapping[str, Any], names: set[str]) -> set[str]:
    """Names of what has an input from one of these."""
    states = export["deployment"].get("resources", [])
    return {
        state["urn"].rsplit("::", 1)[-1]
        for state in states
        for urns in (state.get("propertyDependencies") or {}).values()
        if names & {urn.rsplit("::", 1)[-1] for urn in urns}
    }
