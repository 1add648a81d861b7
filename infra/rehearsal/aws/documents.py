"""Policy documents: what IAM says against them. botocore takes any string.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from infra.rehearsal.core.kinds import Rule
from infra.rehearsal.core.values import at

GRAMMAR = "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html"

_TOP = {"Version", "Id", "Statement"}
_STATEMENT = {
    "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition",
}  # fmt: skip
_ACTION = re.compile(r"\*|[a-z0-9-]+:[A-Za-z0-9*?]+")
_RESOURCE = re.compile(
    r"\*|arn:(\*|aws[a-z-]*):[A-Za-z0-9*?-]*:[a-z0-9*?-]*:(\d{12}|aws|\*|\?+|\$\{[^}]+\})?:.+", re.DOTALL
)
_OPERATOR = re.compile(
    r"(ForAllValues:|ForAnyValue:)?(String(Not)?(Equals|EqualsIgnoreCase|Like)|Numeric(Not)?Equals|"
    r"Numeric(Less|Greater)Than(Equals)?|Date(Not)?Equals|Date(Less|Greater)Than(Equals)?|Bool|BinaryEquals|(Not)?IpAddress|"
    r"Arn(Not)?(Equals|Like)|Null)(IfExists)?"
)
_PRINCIPALS = {"AWS", "Service", "Federated", "CanonicalUser"}
_AWS = re.compile(
    r"\*|\d{12}|arn:aws[a-z-]*:(iam|sts)::(\d{12}|\*):(root|user/.+|role/.+|assumed-role/.+|federated-user/.+)"
)
_SERVICE = re.compile(r"[a-z0-9.-]+\.amazonaws\.com(\.cn)?")


def identity(path: str) -> Rule:
    """The input holds a policy that stands at an identity: resources, no principals."""
    return _rule(path, lambda document: _document(document, needs_principal=False))


def resource(path: str) -> Rule:
    """The input holds a policy that stands at a resource: principals and resources."""
    return _rule(path, lambda document: _document(document, needs_principal=True))


def trust(path: str) -> Rule:
    """The input holds a role's trust policy: principals, no resources."""
    return _rule(path, lambda document: _document(document, needs_principal=True, has_resource=False))


def as_json(path: str, link: str, check: Callable[[Any], Iterable[str]] = lambda document: ()) -> Rule:
    """The input holds any JSON; `check` yields what is wrong in it."""
    return _rule(path, check, link)


def _rule(path: str, check: Callable[[Any], Iterable[str]], link: str = GRAMMAR) -> Rule:
    def found(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        for value in at(inputs, path):
            document = value
            if isinstance(value, str):
                try:
                    document = json.loads(value)
                except ValueError as error:
                    yield path, f"MalformedPolicyDocument: Syntax errors in policy: {error}"
                    continue
            for message in check(document):
                yield path, f"MalformedPolicyDocument: {message}"

    return Rule(link, found, needs=(path,))


def _document(document: Any, *, needs_principal: bool, has_resource: bool = True) -> Iterator[str]:
    if not isinstance(document, Mapping):
        yield "Policy must be a valid JSON object"
        return
    for key in document.keys() - _TOP:
        yield f"Syntax error: unknown element {key!r}; allowed: {', '.join(sorted(_TOP))}"
    if document.get("Version") not in ("2012-10-17", "2008-10-17"):
        yield f"The policy must contain a valid version string, not {document.get('Version')!r}; allowed: 2012-10-17"
    statements = _many(document.get("Statement"))
    if not statements:
        yield "Policy must have at least one statement"
    sids = [statement.get("Sid") for statement in statements if isinstance(statement, Mapping) and "Sid" in statement]
    if len(sids) != len(set(map(str, sids))):
        yield "Statement IDs (SID) in a single policy must be unique"
    for number, statement in enumerate(statements):
        if not isinstance(statement, Mapping):
            yield f"Statement {number} must be an object"
            continue
        yield from (f"Statement {number}: {said}" for said in _said(statement, needs_principal, has_resource))


def _said(statement: Mapping[str, Any], needs_principal: bool, has_resource: bool) -> Iterator[str]:
    for key in statement.keys() - _STATEMENT:
        yield f"unknown element {key!r}"
    if statement.get("Effect") not in ("Allow", "Deny"):
        yield f"Effect is {statement.get('Effect')!r}; allowed: Allow, Deny"
    if "Sid" in statement and not re.fullmatch(r"[A-Za-z0-9 ]*", str(statement["Sid"])):
        yield f"Sid is {statement['Sid']!r}; allowed: letters and digits"
    yield from _one_of(statement, "Action", "NotAction")
    for action in _many(statement.get("Action", statement.get("NotAction"))):
        if not (isinstance(action, str) and _ACTION.fullmatch(action)):
            yield f"Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.: {action!r}"
    if has_resource:
        yield from _one_of(statement, "Resource", "NotResource")
        for arn in _many(statement.get("Resource", statement.get("NotResource"))):
            if not (isinstance(arn, str) and _RESOURCE.fullmatch(arn)):
                yield f'Resource {arn!r} must be in ARN format or "*"'
    elif "Resource" in statement or "NotResource" in statement:
        yield "Has prohibited field Resource"
    if needs_principal:
        yield from _one_of(statement, "Principal", "NotPrincipal")
        yield from _principals(statement.get("Principal", statement.get("NotPrincipal")))
    elif "Principal" in statement or "NotPrincipal" in statement:
        yield "Policy document should not specify a principal."
    for operator, tests in (statement.get("Condition") or {}).items():
        if not _OPERATOR.fullmatch(operator):
            yield f"Invalid condition operator {operator!r}"
        if not isinstance(tests, Mapping) or not tests:
            yield f"Condition {operator} must name what it tests"


def _principals(value: Any) -> Iterator[str]:
    if value == "*":
        return
    if not isinstance(value, Mapping) or not value:
        yield f"Invalid principal in policy: {value!r}"
        return
    for sort, names in value.items():
        if sort not in _PRINCIPALS:
            yield f"Invalid principal in policy: {sort!r}; allowed: {', '.join(sorted(_PRINCIPALS))}"
        for name in _many(names):
            pattern = {"AWS": _AWS, "Service": _SERVICE}.get(sort)
            if not isinstance(name, str) or (pattern and not pattern.fullmatch(name)):
                yield f"Invalid principal in policy: {sort!r}: {name!r}"


def _one_of(statement: Mapping[str, Any], one: str, other: str) -> Iterator[str]:
    if (one in statement) == (other in statement):
        yield f"must have either {one} or {other}"
    elif not _many(statement.get(one, statement.get(other))):
        yield f"{one} must not be empty"


def _many(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]
