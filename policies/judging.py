"""What a finding comes to: the level that it has in this environment, and whether it is exempted."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass

from policies.enforcement import Enforcement, Exemption, Level
from policies.resources import STACK, Resource
from policies.rule import Check, Result, Rule, Severity, Status

EXEMPTIONS = Rule(
    "exemptions-current",
    Severity.HIGH,
    Check(lambda _: None, (), joins=True),
    title="No exemption outlives its last day",
    why="An exception that nobody renews is a decision that nobody takes.",
    remedy="Mend what it excused, or let its owner renew it with a new date and reason in policies/enforcement.yaml.",
)


@dataclass(frozen=True)
class Verdict:
    """`level`: what the finding does to a preview. `exemption`: the one that takes the force from it."""

    result: Result
    level: Level
    exemption: Exemption | None = None

    @property
    def is_blocking(self) -> bool:
        return self.level is Level.MANDATORY

    @property
    def message(self) -> str:
        """For one line of an engine's output, where the resource and the rule stand already."""
        if self.exemption:
            known = self.exemption
            return f"{self.result.detail}. Exempted until {known.expires} by {known.owner}: {known.reason}"
        return f"{self.result.detail}. {self.result.rule.remedy}"


def judge(
    results: Iterable[Result], enforcement: Enforcement, *, stack: str, environment: str | None, today: datetime.date
) -> list[Verdict]:
    """A verdict for each finding of a rule that isn't off here."""
    verdicts = []
    for result in results:
        level = enforcement.level_of(result.rule.name, result.severity, environment)
        if level is Level.OFF:
            continue
        exemption = enforcement.exemption_of(result, stack)
        if exemption and exemption.is_expired(today):
            exemption = None
        if exemption or result.status is Status.UNKNOWN:
            level = Level.ADVISORY
        verdicts.append(Verdict(result, level, exemption))
    return verdicts


def expired(enforcement: Enforcement, *, stack: str, environment: str | None, today: datetime.date) -> list[Verdict]:
    """A verdict for each exemption of this stack whose last day has passed, even if it excuses nothing any more."""
    root = Resource(STACK, stack, {})
    results = [
        Result(EXEMPTIONS, Status.VIOLATED, root, item.rule, f"an exemption has expired: {item}")
        for item in enforcement.exemptions
        if item.is_expired(today) and item.is_of(stack)
    ]
    return judge(results, enforcement, stack=stack, environment=environment, today=today)
