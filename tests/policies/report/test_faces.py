"""Every face shows the same review, escapes what it is given, and keeps secrets (tier: graph)."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import importlib
import json
import re
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from infra import reviewing
from infra.cli.review import FACES
from infra.settings import from_file
from policies import SECRET, Resource, frameworks
from policies.enforcement import Level
from policies.report.model import FindingLine, Review
from policies.rule import Severity
from tests.graph.harness import STACKS

NOW = datetime.datetime(2026, 11, 24, 12, tzinfo=datetime.UTC)
NASTY = "<script>alert('x')</script> | `a` **b** [c](http://d) & \"q\""
SHOWN = [name for name in FACES if name != "oscal"]
each_face = pytest.mark.parametrize("face", SHOWN)


@functools.cache
def review() -> Review:
    """Of a production example, with a finding whose every text tries to break out, and a change."""
    settings = from_file(STACKS / "Pulumi.aws-prod.yaml")
    subject = reviewing.subject_of(settings, Path())
    secret = Resource("aws:ec2/instance:Instance", "leak", {"userData": SECRET, "instanceType": "m5.large"})
    subject = dataclasses.replace(subject, resources=(*subject.resources, secret), before=subject.resources)
    made = reviewing.review_of(settings, subject, now=NOW, names=["soc2"])
    nasty = FindingLine(
        "r", NASTY, Severity.HIGH, Level.MANDATORY, "violated", NASTY, "t", "a", NASTY, NASTY, NASTY, urn="u::" + NASTY
    )
    return dataclasses.replace(made, findings=(nasty, *made.findings), notes=(NASTY,))


def shown(face: str) -> str:
    text: str = importlib.import_module(f"policies.{FACES[face]}").render(review())
    return text


@each_face
def test_each_face_is_the_same_for_the_same_review(face: str) -> None:
    assert shown(face) == shown(face)
    assert "aws-prod" in shown(face)


@pytest.mark.parametrize("face", ["html", "oscal"])
def test_the_evidence_says_how_its_control_numbers_are_known(face: str) -> None:
    framework = frameworks.load("soc2")
    assert framework.checked.against[0] in shown(face) and str(framework.checked.date) in shown(face)


@each_face
def test_no_face_judges_the_whole(face: str) -> None:
    assert not re.search(r"\bcompliant\b", shown(face), re.IGNORECASE)


@each_face
def test_no_face_tells_a_secret_apart_from_saying_that_it_is_one(face: str) -> None:
    assert "object at 0x" not in shown(face)
    assert "Secret" not in shown(face).replace("SecretV2", "")


def test_the_page_needs_nothing_else_and_runs_nothing() -> None:
    found: list[tuple[str, dict[str, Any]]] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.append((tag, dict(attrs)))

    page = shown("html")
    Reader().feed(page)
    tags = {tag for tag, _ in found}
    assert not tags & {"script", "link", "img", "iframe", "object"}
    assert not [key for _, attrs in found for key in attrs if key == "src" or key.startswith("on")]
    named = {f"#{attrs['id']}" for _, attrs in found if "id" in attrs}
    assert {attrs["href"] for _, attrs in found if "href" in attrs} <= named
    assert "url(" not in page and "@import" not in page
    assert "&lt;script&gt;" in page


def test_a_comment_breaks_out_of_no_table() -> None:
    for line in shown("markdown").splitlines():
        assert "<script>" not in line
        if "alert" in line and line.startswith("|"):
            assert len(re.findall(r"(?<!\\)\|", line)) == 6


def test_json_is_whole_and_its_lines_sum_to_its_total() -> None:
    data = json.loads(shown("json"))
    lines = [Decimal(line["monthly_usd"]) for line in data["estimate"]["lines"] if line["monthly_usd"] is not None]
    assert sum(lines) == Decimal(data["estimate"]["total"]) == review().estimate.total  # type: ignore[union-attr]
    assert len(data["findings"]) == len(review().findings)
    assert data["version"] == 1 and data["is_blocked"] is True


def test_sarif_refers_to_its_own_rules_and_tells_findings_apart() -> None:
    run = json.loads(shown("sarif"))["runs"][0]
    rules = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "stacks/Pulumi.aws-prod.yaml"
        assert (result["kind"] == "fail") == (result["level"] != "none")
    prints = [result["partialFingerprints"]["skywright/v1"] for result in run["results"]]
    assert len(set(prints)) == len(prints)


def test_the_change_of_a_machine_more_is_its_own_cost() -> None:
    change = review().change
    assert change is not None and {item.resource for item in change.resources} == {"leak"}
    assert change.delta > 0
