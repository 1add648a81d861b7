"""A review as SARIF 2.1.0, which code hosts show beside the lines of a change.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from policies.enforcement import Level
from policies.report.model import FindingLine, Review
from policies.rule import Severity

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
SCORES = {Severity.LOW: "2.0", Severity.MEDIUM: "5.0", Severity.HIGH: "8.0", Severity.CRITICAL: "9.5"}
"""`security-severity`: GitHub's critical begins at 9, its high at 7, its medium at 4."""
DEFAULTS = {Severity.LOW: "note", Severity.MEDIUM: "warning", Severity.HIGH: "error", Severity.CRITICAL: "error"}
OF_MONEY = ("cost-", "quota-", "budget-", "production-budget-", "accelerator", "scales-to-zero", "idle-shutdown")
"""Rules, by how their names begin, that are about money and capacity."""


def render(review: Review) -> str:
    return json.dumps(plain(review), indent=2)


def plain(review: Review) -> dict[str, Any]:
    rules = {item.rule: item for item in reversed(review.findings)}
    names = sorted(rules)
    driver = {"name": "Skywright", "rules": [_rule(rules[name]) for name in names]}
    run = {
        "tool": {"driver": driver},
        "automationDetails": {"id": f"skywright/{review.stack}/"},
        "invocations": [{"executionSuccessful": True, "endTimeUtc": review.made_at.replace("+00:00", "Z")}],
        "results": [_result(item, names.index(item.rule), review.stack) for item in review.findings],
        "columnKind": "unicodeCodePoints",
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(item: FindingLine) -> dict[str, Any]:
    is_security = not item.rule.startswith(OF_MONEY)
    properties: dict[str, Any] = {"tags": ["security" if is_security else "cost", "infrastructure"]}
    if is_security:  # GitHub ranks by it, and reads it beside that tag alone
        properties["security-severity"] = SCORES[item.severity]
    return {
        "id": item.rule,
        "shortDescription": {"text": item.title},
        "fullDescription": {"text": f"{item.title}. {item.why}"},
        "help": {"text": f"{item.why} {item.remedy}"},
        "defaultConfiguration": {"level": DEFAULTS[item.severity]},
        "properties": properties,
    }


def _result(item: FindingLine, index: int, stack: str) -> dict[str, Any]:
    made: dict[str, Any] = {
        "ruleId": item.rule,
        "ruleIndex": index,
        "level": _level(item),
        "kind": "open" if item.status == "unknown" else "fail",
        "message": {"text": f"{item.resource}: {item.detail}. {item.remedy}"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": f"stacks/Pulumi.{stack}.yaml"},
                    "region": {"startLine": 1},
                },
                "logicalLocations": [
                    {"name": item.resource, "fullyQualifiedName": item.urn or item.resource, "kind": "resource"}
                ],
            }
        ],
        "partialFingerprints": {
            "skywright/v1": (fingerprint := _fingerprint(item, stack)),
            "primaryLocationLineHash": f"{fingerprint[:16]}:1",  # all that GitHub tells alerts of one line apart by
        },
    }
    if item.exemption:
        made["suppressions"] = [{"kind": "external", "status": "accepted", "justification": str(item.exemption)}]
    return made


def _level(item: FindingLine) -> str:
    """`none` for what isn't certain: SARIF allows another level to failures alone."""
    if item.status == "unknown":
        return "none"
    return "error" if item.level is Level.MANDATORY else "note" if item.severity is Severity.LOW else "warning"


def _fingerprint(item: FindingLine, stack: str) -> str:
    """The same finding in the next run, whatever its value is then."""
    return hashlib.sha256("\0".join((stack, item.rule, item.urn or item.resource, item.at)).encode()).hexdigest()[:32]
