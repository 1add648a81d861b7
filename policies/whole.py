"""What is judged of a stack as a whole, beside its resources: its cost, its quotas, the review's own exemptions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from policies.cost.caps import INCREASE_WITHIN_CAP, WITHIN_CAP, CapFinding
from policies.judging import EXEMPTIONS
from policies.quota.checking import findings
from policies.quota.model import Basis, QuotaLine
from policies.resources import STACK, Resource
from policies.rule import Check, Result, Rule, Severity, Status


def _whole(name: str, severity: Severity, *, title: str, why: str, remedy: str) -> Rule:
    return Rule(name, severity, Check(lambda _: None, (), joins=True), title=title, why=why, remedy=remedy)


COST = _whole(
    WITHIN_CAP,
    Severity.HIGH,
    title="The stack costs no more than its cap",
    why="What nobody priced before is first read on the bill.",
    remedy="Declare less, or raise skywright:review.max_monthly_usd with whoever pays.",
)
INCREASE = _whole(
    INCREASE_WITHIN_CAP,
    Severity.HIGH,
    title="A change raises the cost by no more than its cap",
    why="A slip in a count is a month's budget.",
    remedy="Change less, or raise skywright:review.max_increase_percent for this change.",
)
QUOTA = _whole(
    "quota-enough",
    Severity.MEDIUM,
    title="The account's quotas hold what is declared at its largest",
    why="A job that no quota lets start waits, and an update stops half-way.",
    remedy="Ask for more where the line says, or declare smaller pools.",
)
STACK_RULES = (COST, EXEMPTIONS, INCREASE, QUOTA)


def cost_results(stack: str, found: Iterable[CapFinding]) -> Iterator[Result]:
    rules = {COST.name: COST, INCREASE.name: INCREASE}
    for item in found:
        status = Status.VIOLATED if item.is_certain else Status.UNKNOWN
        yield Result(rules[item.rule], status, _root(stack), "cost", item.text)


def quota_results(stack: str, lines: Iterable[QuotaLine]) -> Iterator[Result]:
    """Certain only of a live limit: hardly any account still has the published ones."""
    for line in lines:
        for text, _ in findings([line]):
            status = Status.VIOLATED if line.basis is Basis.LIVE else Status.UNKNOWN
            yield Result(QUOTA, status, _root(stack), line.code or line.title, text)


def _root(stack: str) -> Resource:
    return Resource(STACK, stack, {})
