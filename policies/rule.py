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
    """One rule's word on one resource. `detail`: where, and what is wrong there, without the rule's own words."""

    rule: Rule
    status: Status
    resource: Resource
    at: str
    detail: str

    @property
    def severity(self) -> Severity:
        return self.rule.severity

    @property
    def is_mandatory(self) -> bool:
        return self.severity.is_mandatory and self.status is not Status.UNKNOWN

    @property
    def message(self) -> str:
        """The whole as one line."""
        return f"{self.resource.name}: {self.rule.title}: {self.detail}. {self.rule.remedy}"


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
        try:
            found = self.predicate(Props(resource.props))
            for finding in [found] if isinstance(found, Finding) else found or ():
                given = "absent" if finding.found is None else repr(finding.found)
                yield Result(self, Status.VIOLATED, resource, finding.at, f"{finding.at} is {given}")
        except UnknownValue as error:
            detail = f"{error.path} is not known before the update"
            yield Result(self, Status.UNKNOWN, resource, error.path, detail)
        except Malformed as error:
            yield Result(self, Status.FAILED, resource, error.path, f"can't be told: {error}")
        except Exception as error:
            yield Result(self, Status.FAILED, resource, "", f"can't be told: {type(error).__name__}: {error}")


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
    return sorted(results, key=lambda item: (order.index(item.severity), item.rule.name, item.resource.name, item.at))
