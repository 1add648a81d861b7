"""Who answers for a component, and who pays for it."""

from __future__ import annotations

from collections.abc import Iterator

from policies.resources import UNKNOWN, Props
from policies.rule import Finding, Severity, rule

COMPONENTS = ("skywright:*:*",)
NEEDED = ("owner", "cost_center")


def _missing(component: Props) -> Iterator[Finding]:
    tags = component.mapping("tags")
    for key in NEEDED:
        value = tags.get(key)
        if not isinstance(value, str) or not value.strip():
            yield Finding(at=tags.at(key), found=value)


@rule(
    "production-components-owned",
    Severity.HIGH,
    types=COMPONENTS,
    title="Everything in production says who owns it and who pays",
    why="An alarm at night and a bill at the month's end both need a name.",
    remedy="Set skywright:owner and skywright:cost_center in the stack's file.",
)
def production_owned(component: Props) -> Iterator[Finding]:
    if component.flag("isProduction"):
        yield from _missing(component)


_OWNED = {"owner": "ml", "cost_center": "42"}
production_owned.examples(
    good=[
        {"isProduction": True, "tags": _OWNED},
        {"isProduction": False, "tags": {}},
    ],
    bad=[
        {"isProduction": True, "tags": {}},
        {"isProduction": True, "tags": {"owner": "ml"}},
        {"isProduction": True, "tags": {**_OWNED, "owner": ""}},
    ],
    unknown=[
        {"isProduction": True, "tags": UNKNOWN},
        {"isProduction": True, "tags": {**_OWNED, "owner": UNKNOWN}},
        {"isProduction": UNKNOWN, "tags": {}},
    ],
)


@rule(
    "components-owned",
    Severity.LOW,
    types=COMPONENTS,
    title="A component says who owns it and who pays",
    why="What nobody owns is never cleaned up.",
    remedy="Set skywright:owner and skywright:cost_center in the stack's file.",
)
def owned(component: Props) -> Iterator[Finding]:
    if not component.flag("isProduction"):
        yield from _missing(component)


owned.examples(
    good=[{"isProduction": False, "tags": _OWNED}, {"isProduction": True, "tags": {}}],
    bad=[{"isProduction": False, "tags": {}}, {"isProduction": False, "tags": {"cost_center": "42"}}],
    unknown=[{"isProduction": False, "tags": UNKNOWN}, {"isProduction": UNKNOWN, "tags": {}}],
)
