"""Requests of Google's APIs, judged by their discovery documents, and what Google says when one is refused."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from infra.rehearsal.core import operations
from infra.rehearsal.core.fit import Rule as Fit
from infra.rehearsal.core.kinds import Rule
from infra.rehearsal.core.shape import Shape
from infra.rehearsal.core.validate import Violation
from infra.rehearsal.core.values import at
from infra.rehearsal.gcp.model import method

IAM = "https://cloud.google.com/iam/docs/reference/rest/v1/Policy"
_MEMBER = re.compile(
    r"allUsers|allAuthenticatedUsers|(user|group|serviceAccount):[^@\s]+@[^@\s]+\.[a-z]+|domain:[^\s]+|"
    r"serviceAccount:[a-z][a-z0-9-]{4,28}[a-z0-9]\.svc\.id\.goog\[[^/\]]+/[^/\]]+\]|"
    r"(principal|principalSet|projectOwner|projectEditor|projectViewer):.+"
)
_ROLE = re.compile(r"roles/[A-Za-z0-9_.]+|(projects|organizations)/[^/]+/roles/[A-Za-z0-9_.]{3,64}")


def operation(
    api: str,
    name: str,
    rules: Mapping[str, Fit] | None = None,
    *,
    fixed: Mapping[str, Any] | None = None,
    when: str | Callable[[Mapping[str, Any]], bool] | None = None,
    takes: tuple[str, ...] | None = None,
    omits: tuple[str, ...] = (),
) -> operations.Operation:
    """A call such as `operation("compute.v1", "networks.insert")`. What stands in its path and query is judged with its
    body. See `core.operations`."""
    return operations.Operation(
        f"{api}:{name}",
        lambda: request(api, name),
        functools.partial(words, name),
        {"project": "project", **(rules or {})},
        fixed or {},
        when,
        takes,
        omits,
    )


@functools.cache
def request(api: str, name: str) -> Shape:
    """Body, path and query of a call as one structure; where names meet, the body's member stands,
    unless only answers hold it."""
    called = method(api, name)
    body = called.body or Shape("structure", name)
    given = called.parameters
    members = {**body.members, **given.members} | {
        key: item for key, item in body.members.items() if key not in body.read_only
    }
    members.setdefault("project", Shape("string", "project"))
    return Shape(
        "structure",
        name,
        required=(given.required - body.members.keys()) | body.required,
        read_only=body.read_only - given.members.keys(),
        lazy_members=lambda: members,
    )


def words(name: str, found: Violation) -> str:
    """As Google's servers answer. https://cloud.google.com/apis/design/errors#error_model"""
    field = ".".join(str(part) for part in found.path)
    match found.what:
        case "required":
            return f"googleapi: Error 400: Required field '{field}' not specified, required"
        case "unknown":
            return (
                f'googleapi: Error 400: Invalid JSON payload received. Unknown name "{found.path[-1]}" at '
                f"'{field}': Cannot find field., badRequest"
            )
        case _:
            return (
                f"googleapi: Error 400: Invalid value for field '{field}': '{found.value}'. "
                f"Must be {_allowed(found)}, invalid"
            )


def _allowed(found: Violation) -> str:
    match found.what:
        case "enum":
            return f"one of [{found.allowed}]"
        case "pattern":
            return f"a match of regex '{found.allowed}'"
        case _:
            return found.allowed


def grant(api: str, name: str, *, is_bare: bool = False, **path: str) -> operations.Operation:
    """One member's binding, as a whole policy sends it. `is_bare`: the policy is the body itself. `path`: what the
    call's own path is filled with."""
    before = "" if is_bare else "policy."
    return operation(
        api,
        name,
        {
            "role": f"{before}bindings[].role",
            "member": f"{before}bindings[].members",
            "condition": f"{before}bindings[].condition",
        },
        fixed=path,
        takes=("role", "member", "condition"),
    )


def _bindings(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for path, pattern, what in (("member", _MEMBER, "Invalid member"), ("role", _ROLE, "Role is not supported")):
        for value in at(inputs, path):
            if isinstance(value, str) and not pattern.fullmatch(value):
                yield path, f"googleapi: Error 400: {what}: {value}, badRequest"


BINDING = Rule(IAM, _bindings, needs=("member", "role"))
"""A binding's role and member have the form of one."""


def named(path: str, pattern: str, link: str) -> Rule:
    """The input is a name of that form."""
    form = re.compile(pattern)

    def check(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        for value in at(inputs, path):
            if isinstance(value, str) and not form.fullmatch(value):
                yield (
                    path,
                    f"googleapi: Error 400: Invalid value for field '{path}': '{value}'. Must be a match of regex "
                    f"'{pattern}', invalid",
                )

    return Rule(link, check, needs=(path,))


def within(path: str, least: float, most: float, link: str) -> Rule:
    """The input is a number, or a duration in seconds such as `600s`, between the two."""

    def check(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        for value in at(inputs, path):
            try:
                number = float(str(value).removesuffix("s"))
            except ValueError:
                yield path, f"googleapi: Error 400: Invalid value for field '{path}': '{value}', invalid"
                continue
            if not least <= number <= most:
                yield (
                    path,
                    f"googleapi: Error 400: Invalid value for field '{path}': '{value}'. Must be between {least:g} and "
                    f"{most:g}, invalid",
                )

    return Rule(link, check, needs=(path,))
