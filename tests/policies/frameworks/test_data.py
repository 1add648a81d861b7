"""The frameworks' files: whole, mapped to rules that exist, and refused where they are damaged."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from catalog.errors import UserError
from policies.frameworks import NAMES, load, model, unmapped
from policies.rules import all_rules
from policies.whole import STACK_RULES

CONTROLS = {"soc2": 60, "hipaa": 50, "gdpr": 45, "iso27001": 93, "cis-aws": 45, "cis-gcp": 55, "cis-azure": 55, "cis-kubernetes": 45}  # fmt: skip  # noqa: E501


@pytest.mark.parametrize("name", NAMES)
def test_a_framework_is_whole(name: str) -> None:
    framework = load(name)
    assert framework.id == name and framework.version and framework.name
    assert len(framework.controls) >= CONTROLS[name]
    assert any(item.rules for item in framework.controls) and any(item.needs_person for item in framework.controls)
    text = (model.FOLDER / f"{name}.yaml").read_text()
    assert not re.search(r"\bcompliant\b|\bcompliance with\b", text)


def test_every_framework_that_is_asked_for_is_there() -> None:
    assert set(NAMES) == set(CONTROLS)


def test_the_iso_annex_is_complete() -> None:
    wanted = [(5, 37), (6, 8), (7, 14), (8, 34)]
    assert [item.id for item in load("iso27001").controls] == [
        f"A.{theme}.{number}" for theme, last in wanted for number in range(1, last + 1)
    ]


@pytest.mark.parametrize(
    ("name", "number", "said"),
    [
        ("cis-azure", "1.22", "custom role administers"),
        ("cis-azure", "1.23", "resource locks"),
        ("cis-azure", "1.25", "global administrators"),
        ("cis-kubernetes", "1.2.27", "encrypts what it stores"),
        ("hipaa", "164.308(b)(3)", "written contract"),
    ],
)
def test_a_number_means_what_its_version_says(name: str, number: str, said: str) -> None:
    """Neighbours that other versions, and older texts, number differently."""
    (control,) = [item for item in load(name).controls if item.id == number]
    assert said in control.title


def test_every_mapped_rule_exists() -> None:
    assert unmapped([*all_rules(), *STACK_RULES]) == {}


def test_every_rule_of_security_gives_evidence_somewhere() -> None:
    """What is left has to do with cost and with arithmetic, which no control asks for."""
    mapped = {rule for name in NAMES for control in load(name).controls for rule in control.rules}
    money = {
        "accelerator-price-within-limit", "accelerators-within-limit", "budget-declared", "idle-shutdown",
        "scales-to-zero",
    }  # fmt: skip
    assert {item.name for item in all_rules()} - mapped <= money


def test_an_unknown_framework_is_one_line_with_the_known_ones() -> None:
    with pytest.raises(UserError) as raised:
        load("hippa")
    assert "\n" not in str(raised.value)
    assert all(name in str(raised.value) for name in ("'hippa'", *NAMES)) and "Did you mean hipaa?" in str(raised.value)


def test_an_unknown_rule_is_refused_with_its_control() -> None:
    with pytest.raises(UserError, match=r"soc2.yaml: control CC2.1 names the rule 'logs-retained'"):
        load("soc2", known=["logs-retain"])


CONTROL = {"id": "1", "title": "t", "needs_person": "look"}
CHECKED = {"date": "2026-11-30", "against": ["s"]}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"controls": [CONTROL, CONTROL]}, "controls stand twice: 1"),
        ({"controls": [{"id": "1", "title": "t"}]}, "neither rules nor what a person should look at"),
        ({"controls": [{**CONTROL, "rules": ["a", "a"]}]}, "names a rule twice"),
        ({"controls": []}, "controls"),
        ({"controls": [{**CONTROL, "title": "two\nlines"}]}, "controls.0.title"),
        ({"source": "file:///etc"}, "source"),
        ({"extra": 1}, "extra"),
        ({"version": 2}, "version"),
        ({"checked": {"date": "2026-11-30", "against": []}}, "checked.against"),
        ({"checked": {"against": ["s"]}}, "checked.date"),
    ],
)
def test_a_damaged_file_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], said: str
) -> None:
    whole = {"name": "n", "version": "1", "source": "https://example.com/x", "checked": CHECKED, "controls": [CONTROL]}
    check_refused(tmp_path, monkeypatch, yaml.safe_dump({**whole, **change}), said)


@pytest.mark.parametrize(("text", "said"), [("[1", "can't be read"), ("[]", "holds list"), ("\0", "can't be read")])
def test_what_is_no_mapping_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str) -> None:
    check_refused(tmp_path, monkeypatch, text, said)


def check_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    monkeypatch.setattr(model, "FOLDER", tmp_path)
    monkeypatch.setattr(model, "NAMES", ("mine",))
    with pytest.raises(UserError) as raised:
        load("mine")
    assert said in str(raised.value) and "mine.yaml" in str(raised.value) and "\n" not in str(raised.value)
