"""A review as OSCAL assessment results, made and checked by compliance-trestle (extra `oscal`).

OSCAL knows satisfied and not-satisfied only: what needs a person is not-satisfied for another reason than a failure,
and says so. Controls that don't apply are excluded. Equal reviews give equal text: ids are made of what they name.
https://pages.nist.gov/OSCAL-Reference/models/v1.2.1/assessment-results/json-outline/
"""

from __future__ import annotations

import importlib
import json
import re
import uuid
from collections.abc import Iterable
from typing import Any

from catalog.errors import SkywrightError, UserError
from policies.frameworks.assess import ControlReport, Examined, State
from policies.frameworks.model import Framework, load
from policies.report.model import FindingLine, Review

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:skywright:oscal")
PROPERTIES = "urn:skywright:oscal"
"""The namespace of our own properties, as OSCAL asks for."""

_STATUS = {
    State.MET: {"state": "satisfied", "reason": "pass"},
    State.BROKEN: {"state": "not-satisfied", "reason": "fail"},
    State.NEEDS_PERSON: {"state": "not-satisfied", "reason": "other"},
}


def render(review: Review) -> str:
    """JSON text that the library's own model accepts. Raises UserError where the extra isn't installed, or where no
    framework applies to the stack: OSCAL has no results without a control.
    """
    model, version = _library()
    content = document(review, version)
    try:
        made = model.AssessmentResults.model_validate(content)
    except ValueError as error:
        raise SkywrightError(
            f"stack {review.stack}: OSCAL refuses the results: {' '.join(str(error).split())}"
        ) from None
    return str(made.oscal_serialize_json(pretty=True))


def document(review: Review, oscal_version: str) -> dict[str, Any]:
    """The content below `assessment-results`, as plain data."""
    results = [
        _result(load(name), reports, review)
        for name, reports in review.controls.items()
        if any(item.state is not State.NOT_APPLICABLE for item in reports)
    ]
    if not results:
        asked = ", ".join(review.controls) or "none"
        raise UserError(f"stack {review.stack}: no framework applies to it (asked: {asked})", "Name another framework.")
    plan = _id("plan", review.stack)
    content: dict[str, Any] = {
        "metadata": {
            "title": f"Skywright's review of the stack {review.stack}",
            "last-modified": review.made_at,
            "version": review.made_at,
            "oscal-version": oscal_version,
            "remarks": "It judges what the stack declares. What a declaration can't show needs a person.",
        },
        "import-ap": {"href": f"#{plan}"},
        "results": results,
        "back-matter": {
            "resources": [
                {
                    "uuid": plan,
                    "title": "Assessment plan",
                    "description": "Every rule of the policy pack, on every resource that the stack declares.",
                }
            ]
        },
    }
    return {"uuid": _id("document", json.dumps(content, sort_keys=True)), **content}


def control_id(framework: str, number: str) -> str:
    """A token, which OSCAL wants: 164.308(a)(1) of hipaa is hipaa-164.308.a.1."""
    return f"{framework}-{re.sub(r'[^a-z0-9.-]+', '.', number.lower()).strip('.')}".replace("..", ".")


def _result(framework: Framework, reports: Iterable[ControlReport], review: Review) -> dict[str, Any]:
    scope = (review.stack, framework.id)
    reviewed = [item for item in reports if item.state is not State.NOT_APPLICABLE]
    excluded = [item for item in reports if item.state is State.NOT_APPLICABLE]
    selection: dict[str, Any] = {"include-controls": [_selected(framework, item) for item in reviewed]}
    if excluded:
        selection["exclude-controls"] = [_selected(framework, item) for item in excluded]
        selection["remarks"] = "Excluded: the stack declares nothing that these controls are about."
    lines = list(dict.fromkeys(line for item in reviewed for line in item.findings))
    subjects = dict.fromkeys(part for item in reviewed for part in item.examined)
    subjects |= dict.fromkeys(_subject(line) for line in lines)
    result: dict[str, Any] = {
        "uuid": _id(*scope, review.made_at),
        "title": framework.name,
        "description": f"{framework.name}, {framework.version}, by what the stack declares ({review.source}). "
        f"{framework.checked}.",
        "start": review.made_at,
        "end": review.made_at,
        "links": [{"href": framework.source, "rel": "reference"}],
        "reviewed-controls": {"control-selections": [selection]},
        "findings": [_finding(framework, item, scope) for item in reviewed],
    }
    if subjects:
        result["local-definitions"] = {"inventory-items": [_item(part, scope) for part in subjects]}
    observations = [
        *(_examination(framework, item, scope, review.made_at) for item in reviewed if item.examined),
        *(_observation(line, scope, review.made_at) for line in lines),
    ]
    if observations:
        result["observations"] = observations
    return result


def _selected(framework: Framework, report: ControlReport) -> dict[str, Any]:
    return {"control-id": control_id(framework.id, report.control.id)}


def _finding(framework: Framework, report: ControlReport, scope: tuple[str, ...]) -> dict[str, Any]:
    control = report.control
    status: dict[str, Any] = dict(_STATUS[report.state])
    if report.look_at:
        status["remarks"] = f"Needs a person: {report.look_at}"
    related = [_id(*scope, "examined", control.id)] if report.examined else []
    related += [_line_id(line, scope) for line in report.findings]
    finding: dict[str, Any] = {
        "uuid": _id(*scope, "control", control.id),
        "title": f"{control.id} {control.title}",
        "description": f"{report.state.value}: {len(report.examined)} resources examined by {len(report.rules)} rules, "
        f"{sum(line.is_open for line in report.findings)} open findings.",
        "props": [_property("state", report.state.value), *(_property("rule", name) for name in report.rules)],
        "target": {"type": "objective-id", "target-id": control_id(framework.id, control.id), "status": status},
    }
    if related:
        finding["related-observations"] = [{"observation-uuid": item} for item in dict.fromkeys(related)]
    return finding


def _examination(framework: Framework, report: ControlReport, scope: tuple[str, ...], at: str) -> dict[str, Any]:
    return {
        "uuid": _id(*scope, "examined", report.control.id),
        "title": f"Examined for {framework.name} {report.control.id}",
        "description": f"Rules: {', '.join(report.rules)}.",
        "methods": ["TEST"],
        "subjects": [_reference(part, scope) for part in report.examined],
        "collected": at,
    }


def _observation(line: FindingLine, scope: tuple[str, ...], at: str) -> dict[str, Any]:
    observation: dict[str, Any] = {
        "uuid": _line_id(line, scope),
        "title": line.title,
        "description": f"{line.resource}: {line.detail}.",
        "props": [
            _property("rule", line.rule), _property("severity", line.severity.value), _property("status", line.status)
        ],
        "methods": ["TEST"],
        "types": ["finding"],
        "subjects": [_reference(_subject(line), scope)],
        "collected": at,
        "remarks": f"{line.why} {line.remedy}",
    }  # fmt: skip
    if known := line.exemption:
        observation["remarks"] = f"Exempted until {known.expires} by {known.owner}: {known.reason}"
    return observation


def _item(part: Examined, scope: tuple[str, ...]) -> dict[str, Any]:
    props = [_property("type", part.type)] + ([_property("urn", part.urn)] if part.urn else [])
    return {"uuid": _item_id(part, scope), "description": f"{part.name} ({part.type})", "props": props}


def _reference(part: Examined, scope: tuple[str, ...]) -> dict[str, Any]:
    return {"subject-uuid": _item_id(part, scope), "type": "inventory-item", "title": part.name}


def _subject(line: FindingLine) -> Examined:
    return Examined(line.resource, line.type, line.urn)


def _item_id(part: Examined, scope: tuple[str, ...]) -> str:
    return _id(*scope, "resource", part.type, part.name, part.urn)


def _line_id(line: FindingLine, scope: tuple[str, ...]) -> str:
    return _id(*scope, "finding", line.rule, line.type, line.resource, line.urn, line.at, line.status, line.detail)


def _property(name: str, value: str) -> dict[str, str]:
    return {"name": name, "value": value, "ns": PROPERTIES}


def _id(*parts: str) -> str:
    return str(uuid.uuid5(NAMESPACE, "\x1f".join(parts)))


def _library() -> tuple[Any, str]:
    """compliance-trestle's model of assessment results, and the version of OSCAL that it has."""
    try:
        model = importlib.import_module("trestle.oscal.assessment_results")
        return model, str(importlib.import_module("trestle.oscal").OSCAL_VERSION)
    except ModuleNotFoundError as error:
        raise UserError(
            f"OSCAL needs compliance-trestle, which isn't installed (no module {error.name})",
            "Install the extra: pip install 'skywright[oscal]'.",
        ) from None
