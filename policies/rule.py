"""What a rule is: metadata, and a check of each kind of resource that it is about, with its own truth table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase
from typing import Any

from policies.graph import Graph, Node
from policies.resources import Malformed, Resource, UnknownValue


class Severity(str, Enum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for low to 3 for critical."""
        return list(Severity).index(self)


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
    def message(self) -> str:
        """The whole as one line."""
        return f"{self.resource.name}: {self.rule.title}: {self.detail}. {self.rule.remedy}"


Predicate = Callable[[Node], Finding | Iterable[Finding] | None]
Example = Mapping[str, Any] | Sequence[Resource]
"""One resource's properties, or, for a check that joins, a whole graph of `policies.examples`."""


class Check:
    """A rule's predicate on the resources of some types (`*` stands for any text).

    `joins`: it looks at other resources too. Such a check runs once the whole stack is known.
    """

    def __init__(self, predicate: Predicate, types: tuple[str, ...], joins: bool) -> None:
        self.predicate = predicate
        self.types = types
        self.joins = joins
        self.good: Sequence[Example] = ()
        self.bad: Sequence[Example] = ()
        self.unknown: Sequence[Example] = ()

    def examples(self, *, good: Sequence[Example], bad: Sequence[Example], unknown: Sequence[Example] = ()) -> None:
        """What passes, what violates, and what can't be judged yet. The tests run them."""
        self.good, self.bad, self.unknown = good, bad, unknown

    def applies_to(self, type_token: str) -> bool:
        return any(fnmatchcase(type_token, pattern) for pattern in self.types)


class Rule:
    """Made by `@rule` around the first check's predicate; `also` adds the next cloud's."""

    def __init__(self, name: str, severity: Severity, first: Check, *, title: str, why: str, remedy: str) -> None:
        self.name = name
        self.severity = severity
        self.checks = [first]
        self.title = title
        self.why = why
        self.remedy = remedy
        self.examples = first.examples

    def also(self, *types: str, joins: bool = False) -> Callable[[Predicate], Check]:
        """The same rule on other types; gives back the check, whose `examples` are set next."""

        def made(predicate: Predicate) -> Check:
            self.checks.append(Check(predicate, types, joins))
            return self.checks[-1]

        return made

    @property
    def joins(self) -> bool:
        """Whether any check needs the whole stack."""
        return any(check.joins for check in self.checks)

    @property
    def clouds(self) -> tuple[str, ...]:
        """Where the rule has a meaning: packages of its types; `skywright` stands for all."""
        return tuple(sorted({pattern.split(":", 1)[0] for check in self.checks for pattern in check.types}))

    def applies_to(self, type_token: str) -> bool:
        return any(check.applies_to(type_token) for check in self.checks)

    def check(self, node: Node) -> list[Result]:
        """The rule's word on a resource; empty when all is well or the rule isn't about it. Never raises."""
        return [
            result
            for check in self.checks
            if check.applies_to(node.resource.type)
            for result in self._check(check, node)
        ]

    def _check(self, check: Check, node: Node) -> Iterator[Result]:
        resource = node.resource
        try:
            found = check.predicate(node)
            for finding in [found] if isinstance(found, Finding) else found or ():
                given = "absent" if finding.found is None else repr(finding.found)
                yield Result(self, Status.VIOLATED, resource, finding.at, f"{finding.at} is {given}")
        except UnknownValue as error:
            yield Result(self, Status.UNKNOWN, resource, error.path, str(error))
        except Malformed as error:
            yield Result(self, Status.FAILED, resource, error.path, f"can't be told: {error}")
        except Exception as error:
            yield Result(self, Status.FAILED, resource, "", f"can't be told: {type(error).__name__}: {error}")


def rule(
    name: str,
    severity: Severity,
    *,
    types: tuple[str, ...],
    title: str,
    why: str,
    remedy: str,
    joins: bool = False,
) -> Callable[[Predicate], Rule]:
    """Make a predicate a rule. `title`: the rule as a sentence; `why`: what goes wrong else; `remedy`: what to do."""

    def made(predicate: Predicate) -> Rule:
        return Rule(name, severity, Check(predicate, types, joins), title=title, why=why, remedy=remedy)

    return made


def review(graph: Graph, rules: Iterable[Rule]) -> list[Result]:
    """Every rule's word on every resource, the gravest first."""
    rules = list(rules)
    results = [result for node in graph for each in rules for result in each.check(node)]
    return sorted(results, key=lambda item: (-item.severity.rank, item.rule.name, item.resource.name, item.at))
