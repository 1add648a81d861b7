"""Our rules as the engine's policies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pulumi_policy
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, UnknownValueError

from policies.resources import UNKNOWN, Resource
from policies.rule import Result, Rule, Status
from policies.rules import all_rules


def policies() -> list[Any]:
    """One policy per rule. What isn't known yet is advisory, whatever the rule's severity."""
    return [policy_of(rule) for rule in all_rules()]


def policy_of(rule: Rule) -> Any:
    level = pulumi_policy.EnforcementLevel
    return pulumi_policy.ResourceValidationPolicy(
        name=rule.name,
        display_name=rule.title,
        description=f"{rule.title}. {rule.why}",
        remediation_steps=rule.remedy,
        severity=pulumi_policy.Severity(rule.severity.value),
        enforcement_level=level.MANDATORY if rule.severity.is_mandatory else level.ADVISORY,
        validate=_validation(rule),
    )


def _validation(rule: Rule) -> Callable[[Any, Callable[[str], None]], None]:
    def validate(args: Any, report: Callable[[str], None]) -> None:
        if not rule.applies_to(args.resource_type):
            return
        results = rule.check(resource_of(args))
        for result in results:
            if result.status is not Status.UNKNOWN:
                report(f"{result.detail}. {rule.remedy}")
        for result in results:
            if result.status is Status.UNKNOWN:
                raise _not_yet(result)

    return validate


def resource_of(args: Any) -> Resource:
    """What the live analyzer hands over, as rules see it."""
    parent = getattr(args.opts, "parent", None)
    return Resource(args.resource_type, args.name, plain(args.props), urn=args.urn, parent=parent or None)


def plain(value: Any) -> Any:
    """The analyzer's guarded values as plain data; where a guard refuses, UNKNOWN."""
    if hasattr(value, "keys"):
        return {key: _guarded(value, key) for key in value}
    if hasattr(value, "__len__") and hasattr(value, "__getitem__") and not isinstance(value, str | bytes):
        return [_guarded(value, index) for index in range(len(value))]
    return value


def _guarded(container: Any, key: Any) -> Any:
    try:
        return plain(container[key])
    except UnknownValueError:
        return UNKNOWN


def _not_yet(result: Result) -> UnknownValueError:
    """The engine tells this as advice, at the preview, and asks again at the update."""
    return UnknownValueError(UNKNOWN_STRING_VALUE, result.at.split("."))
