"""What a rule is: metadata, a predicate over a resource's properties, and its own truth table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase
from typing import Any

from policies.resources import Malformed, Props, Resource, UnknownValue


class Severity(str, Enum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def is_mandatory(self) -> bool:
        """Whether a violation stops the update; below that it is only told."""
        return self in (Severity.HIGH, Severity.CRITICAL)


@dataclass(frozen=True)
class Finding:
    """What a predicate found wrong: where, and what stands there (None: nothing)."""

    at: str
    found: Any = None


class Status(str, Enum):
    VIOLATED = "violated"
    UNKNOWN = "unknown"  # a value that only the update will tell: advisory
    FAILED = "failed"  # the resource isn't what its type promises: counts as a violation


@dataclass(frozen=True)
class Result:
    """One rule's word on one resource. `message` is a whole line."""

    rule: str
    status: Status
    severity: Severity
    resource: Resource
    at: str
    message: str

    @property
    def is_mandatory(self) -> bool:
        return self.severity.is_mandatory and self.status is not Status.UNKNOWN


Predicate = Callable[[Props], Finding | Iterable[Finding] | None]
Examples = Sequence[Mapping[str, Any]]


class Rule:
    """Applies to resources whose type matches one of `types` (`*` stands for any text). Made by `@rule`."""

    def __init__(
        self,
        name: str,
        severity: Severity,
        predicate: Predicate,
        *,
        types: tuple[str, ...],
        title: str,
        why: str,
        remedy: str,
    ) -> None:
        self.name = name
        self.severity = severity
        self.predicate = predicate
        self.types = types
        self.title = title
        self.why = why
        self.remedy = remedy
        self.good: Examples = ()
        self.bad: Examples = ()
        self.unknown: Examples = ()

    def examples(self, *, good: Examples, bad: Examples, unknown: Examples) -> None:
        """Properties that pass, that violate, and that can't be judged yet. The tests run them."""
        self.good, self.bad, self.unknown = good, bad, unknown

    def applies_to(self, type_token: str) -> bool:
        return any(fnmatchcase(type_token, pattern) for pattern in self.types)

    def check(self, resource: Resource) -> list[Result]:
        """The rule's word on a resource; empty when all is well or the rule isn't about it. Never raises."""
        return list(self._check(resource)) if self.applies_to(resource.type) else []

    def _check(self, resource: Resource) -> Iterator[Result]:
        def result(status: Status, at: str, detail: str) -> Result:
            line = f"{resource.name}: {detail}. {self.remedy}"
            return Result(self.name, status, self.severity, resource, at, line)

        try:
            found = self.predicate(Props(resource.props))
            for finding in [found] if isinstance(found, Finding) else found or ():
                given = "absent" if finding.found is None else repr(finding.found)
                yield result(Status.VIOLATED, finding.at, f"{self.title}: {finding.at} is {given}")
        except UnknownValue as error:
            yield result(Status.UNKNOWN, error.path, f"{self.title}: {error.path} is not known before the update")
        except Malformed as error:
            yield result(Status.FAILED, error.path, f"{self.title} can't be told: {error}")
        except Exception as error:
            yield result(Status.FAILED, "", f"{self.title} can't be told: {type(error).__name__}: {error}")


def rule(
    name: str, severity: Severity, *, types: tuple[str, ...], title: str, why: str, remedy: str
) -> Callable[[Predicate], Rule]:
    """Make a predicate a rule. `title`: the rule as a sentence; `why`: what goes wrong else; `remedy`: what to do."""

    def made(predicate: Predicate) -> Rule:
        return Rule(name, severity, predicate, types=types, title=title, why=why, remedy=remedy)

    return made


def review(resources: Iterable[Resource], rules: Iterable[Rule]) -> list[Result]:
    """Every rule's word on every resource, the gravest first."""
    order = list(reversed(Severity))
    rules = list(rules)
    results = [result for resource in resources for each in rules for result in each.check(resource)]
    return sorted(results, key=lambda item: (order.index(item.severity), item.rule, item.resource.name, item.at))
