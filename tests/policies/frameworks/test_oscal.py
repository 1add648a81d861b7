"""OSCAL assessment results: the library's own model judges them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from catalog.errors import UserError
from policies.frameworks import NAMES, Control, ControlReport, Examined, State, load, oscal
from policies.judging import Level
from policies.report.model import FindingLine, Review
from policies.rule import Severity

AT = "2026-11-24T12:00:00+00:00"
DATA = Examined("data", "aws:s3/bucket:Bucket", "urn:pulumi:s::p::aws:s3/bucket:Bucket::data")
LINE = FindingLine(
    rule="storage-encrypted", title="t", severity=Severity.HIGH, level=Level.MANDATORY, status="violated",
    resource="data", type=DATA.type, at="a", detail="a is absent", why="w", remedy="r", urn=DATA.urn,
)  # fmt: skip


def reviewed(names: tuple[str, ...] = NAMES, state: State | None = None) -> Review:
    """Every control of the frameworks, each in one of the states in turn."""

    def report(index: int, control: Control) -> ControlReport:
        now = state or list(State)[index % len(State)]
        if now is State.NOT_APPLICABLE:
            return ControlReport(control, now)
        lines = (LINE,) if now is State.BROKEN else ()
        look_at = "look there" if now is State.NEEDS_PERSON else None
        return ControlReport(control, now, ("storage-encrypted",), lines, (DATA,), look_at)

    controls = {name: tuple(report(*item) for item in enumerate(load(name).controls)) for name in names}
    return Review("s", "prod", "aws", "us-east-1", "graph", AT, 1, 1, (LINE,), controls)


@pytest.mark.parametrize("name", NAMES)
def test_the_ids_of_controls_are_tokens_and_unique(name: str) -> None:
    ids = [oscal.control_id(name, item.id) for item in load(name).controls]
    assert len(set(ids)) == len(ids)
    assert all(item[0].isalpha() and set(item) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-") for item in ids)


def test_every_reference_finds_its_target_and_no_id_stands_twice() -> None:
    content = oscal.document(reviewed(), "1.2.1")
    defined, referred = [], []

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            defined.extend(item for key, item in value.items() if key == "uuid")
            referred.extend(item for key, item in value.items() if key in ("subject-uuid", "observation-uuid"))
            for item in value.values():
                walk(item)
        elif isinstance(value, list):
            for item in value:
                walk(item)

    walk(content)
    assert set(referred) <= set(defined)
    assert len(set(defined)) == len(defined)


def test_states_become_what_oscal_knows() -> None:
    content = oscal.document(reviewed(("soc2",)), "1.2.1")
    (result,) = content["results"]
    states = {
        (item["props"][0]["value"], item["target"]["status"]["state"], item["target"]["status"]["reason"])
        for item in result["findings"]
    }
    assert states == {
        ("met", "satisfied", "pass"), ("broken", "not-satisfied", "fail"), ("needs a person", "not-satisfied", "other")
    }  # fmt: skip
    (selection,) = result["reviewed-controls"]["control-selections"]
    assert len(selection["include-controls"]) + len(selection["exclude-controls"]) == len(load("soc2").controls)
    assert len(result["findings"]) == len(selection["include-controls"])


def test_equal_reviews_give_equal_ids_and_another_review_another_document() -> None:
    assert oscal.document(reviewed(), "1.2.1") == oscal.document(reviewed(), "1.2.1")
    assert oscal.document(reviewed(), "1.2.1")["uuid"] != oscal.document(reviewed(("soc2",)), "1.2.1")["uuid"]


def test_without_a_framework_that_applies_there_are_no_results() -> None:
    with pytest.raises(UserError, match=r"no framework applies to it \(asked: cis-gcp\)"):
        oscal.document(reviewed(("cis-gcp",), State.NOT_APPLICABLE), "1.2.1")


def test_a_missing_extra_is_one_line_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trestle", None)
    monkeypatch.setitem(sys.modules, "trestle.oscal.assessment_results", None)
    with pytest.raises(UserError, match=r"skywright\[oscal\]") as raised:
        oscal.render(reviewed())
    assert "\n" not in str(raised.value)


def test_the_library_accepts_what_is_made(tmp_path: Path) -> None:
    from trestle.oscal import assessment_results as results

    text = oscal.render(reviewed())
    assert text == oscal.render(reviewed())
    path = tmp_path / "assessment-results.json"
    path.write_text(text, encoding="utf-8")
    made = results.AssessmentResults.oscal_read(path)
    from trestle.core import duplicates_validator as validators

    assert validators.DuplicatesValidator().model_is_valid(made, False, tmp_path)
    assert [item.title for item in made.results] == [load(name).name for name in NAMES]
    assert json.loads(text)["assessment-results"]["metadata"]["oscal-version"]


@pytest.mark.parametrize("change", [{"made_at": "yesterday"}, {"made_at": "2026-11-24T12:00:00"}])
def test_what_the_library_refuses_is_one_line(change: dict[str, Any]) -> None:
    from dataclasses import replace

    from catalog.errors import SkywrightError

    with pytest.raises(SkywrightError, match="OSCAL refuses the results") as raised:
        oscal.render(replace(reviewed(("soc2",)), **change))
    assert "\n" not in str(raised.value)
