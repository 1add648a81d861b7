"""The ids under which clouds know things: made of what is declared as far as it tells them, never guessed.

Each provider states a form per resource; they are data here, a file per cloud. What only a cloud tells (a VPC's id, the
number of an alert) has a line that says where a person finds it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from catalog.import_ids import azure
from catalog.import_ids.aws import AWS
from catalog.import_ids.azure import AZURE
from catalog.import_ids.forms import UNKNOWN, Absent, Form, Unknown, filled, shown
from catalog.import_ids.gcp import GCP

__all__ = ["UNKNOWN", "Answer", "Form", "facts_of", "form_of", "import_id", "told"]

_FORMS: Mapping[str, str | Form] = {**AWS, **GCP, **AZURE}
_KUBERNETES = Form("[{metadata.namespace}/]{metadata.name}")
_RELEASE = Form("[{namespace}/]{name}")
_DYNAMIC = Form(by_up="its provider finds what is there by its key, and takes it over")

_PLACES = frozenset({"location", "project", "region", "zone"})
_AUTONAMED = "pulumi.com/autonamed"


@dataclass(frozen=True, slots=True)
class Answer:
    """`id`: None where it is not told. `is_later`: it will be, once what the resource names is under the stack.
    `is_by_up`: the type has no import, and the next `up` makes it again without harm. `note`: for people, why or where.
    """

    id: str | None = None
    is_later: bool = False
    is_by_up: bool = False
    note: str = ""


def form_of(token: str) -> Form | None:
    """How the ids of a type are made; None for a type that nobody has written down."""
    if token.startswith("kubernetes:"):
        return _RELEASE if token == "kubernetes:helm.sh/v3:Release" else _KUBERNETES
    if token.startswith("pulumi-python:dynamic"):
        return _DYNAMIC
    found = _FORMS.get(token)
    return Form(found) if isinstance(found, str) else found


def import_id(token: str, inputs: Mapping[str, Any], facts: Mapping[str, str] | None = None) -> str | None:
    """The id of a resource that has, or gets, these inputs; None where they don't tell it."""
    form = form_of(token)
    if form is None or not form.id:
        return None
    try:
        return filled(form.id, {**(facts or {}), **inputs})
    except (Absent, Unknown):
        return None


def told(token: str, inputs: Mapping[str, Any], facts: Mapping[str, str] | None = None) -> Answer:
    """The same of what a preview would create: a name that the provider makes up there is not the name in the cloud."""
    form = form_of(token)
    if form is None:
        return Answer(note="the Pulumi Registry has the form of its id, on the resource's page, section Import")
    if form.by_up:
        return Answer(is_by_up=True, note=form.by_up)
    values = {**(facts or {}), **_declared(inputs)}
    where = shown(form.look_up, values)
    if not form.id:
        return Answer(note=where)
    try:
        return Answer(filled(form.id, values))
    except Unknown as name:
        return Answer(is_later=True, note=f"told by {name}, once that is under the stack")
    except Absent as name:
        return Answer(note=where or f"{shown(form.id, values)}, where ? is {name}")


def facts_of(declared: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, str]:
    """What holds for all resources of a stack, from (type, inputs) of those that are known."""
    return azure.facts(declared)


def _declared(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Without the names that a provider has filled in; the places that it works in are right all the same."""
    made_up = set(inputs.get("__defaults") or ()) - _PLACES
    kept = {key: value for key, value in inputs.items() if key not in made_up}
    metadata = inputs.get("metadata")
    if isinstance(metadata, Mapping) and _AUTONAMED in (metadata.get("annotations") or {}):
        kept["metadata"] = {key: value for key, value in metadata.items() if key != "name"}
    return kept
