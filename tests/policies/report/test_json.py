"""A review through JSON and back (tier: pure)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from catalog.errors import UserError
from policies.report import as_json, terminal
from tests.policies.report import example

KEYS = {
    "version", "is_blocked", "stack", "environment", "cloud", "region", "source", "made_at", "examined", "rules",
    "findings", "controls", "estimate", "change", "quotas", "notes",
}  # fmt: skip
"""Of version 1: none goes without a new version."""


def written() -> dict[str, Any]:
    return json.loads(as_json.render(example.review()))  # type: ignore[no-any-return]


def test_what_is_read_is_what_was_written() -> None:
    again = as_json.read(as_json.render(example.review()))
    assert again == example.review()
    assert terminal.render(again) == terminal.render(example.review())


def test_the_keys_stand() -> None:
    assert written().keys() >= KEYS
    assert written()["findings"][0].keys() >= {"rule", "severity", "level", "status", "resource", "at", "detail", "urn"}


def test_newer_keys_are_passed_over() -> None:
    data = written()
    data["mood"] = data["findings"][0]["mood"] = data["estimate"]["lines"][0]["mood"] = "good"
    assert as_json.read(json.dumps(data)) == example.review()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not whole JSON"),
        ("[]", "has no version"),
        ('{"version": 2}', "has version 2, this release reads 1"),
        ('{"version": 1, "stack": "s"}', "is not as it was written"),
    ],
)
def test_what_is_no_review_is_refused_in_a_line(text: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as error:
        as_json.read(text)
    assert "\n" not in str(error.value)
