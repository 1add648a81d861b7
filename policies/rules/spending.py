"""What keeps a stack inside its budget."""

from __future__ import annotations

from policies.examples import declared
from policies.graph import Node
from policies.resources import UNKNOWN, Malformed, Props, Resource
from policies.rule import Finding, Severity, rule
from policies.rules.demands import all_of


@rule(
    "production-budget-acts",
    Severity.HIGH,
    types=("skywright:*:BudgetAlarm",),
    title="A production budget has a step that acts",
    why="A budget that only notifies is read on Monday; the jobs ran all weekend.",
    remedy="Add a step to skywright:budget.steps whose effect is block_new, stop_spot or scale_to_zero.",
)
def budget_acts(budget: Props) -> Finding | None:
    if not budget.flag("isProduction"):
        return None
    steps = budget.mapping("spec").records("steps")
    effects = [step.get("effect") for step in steps]
    if not any(effect in ("block_new", "stop_spot", "scale_to_zero") for effect in effects):
        return Finding(at="spec.steps", found=[str(effect) for effect in effects])
    return None


def _budget(is_production: object, *effects: object) -> dict[str, object]:
    steps = [{"percent": 50 + index, "effect": effect} for index, effect in enumerate(effects)]
    return {"isProduction": is_production, "spec": {"monthly_limit_usd": 100, "steps": steps}}


budget_acts.examples(
    good=[
        _budget(True, "notify", "block_new"),
        _budget(True, "stop_spot"),
        _budget(True, "scale_to_zero"),
        _budget(False, "notify"),
        _budget(False),
    ],
    bad=[_budget(True), _budget(True, "notify"), _budget(True, "notify", None)],
    unknown=[_budget(True, UNKNOWN), _budget(UNKNOWN, "notify"), {"isProduction": True, "spec": {"steps": UNKNOWN}}],
)


@rule(
    "budget-declared",
    Severity.MEDIUM,
    types=("skywright:*:TrainingCluster", "skywright:*:ModelEndpoint"),
    joins=True,
    title="What costs money has a budget",
    why="Without one nobody hears of a bill before it is due.",
    remedy="Set skywright:budget.monthly_limit_usd.",
)
def budget_declared(spender: Node) -> Finding | None:
    limits = [budget.mapping("spec").number("monthly_limit_usd") for budget in _budgets(spender)]
    return None if any(limit > 0 for limit in limits) else Finding(at="", found=limits or "without a budget")


def _budgets(spender: Node) -> tuple[Node, ...]:
    return all_of(spender.graph, "skywright:*:BudgetAlarm")


def _spending(*limits: object) -> list[Resource]:
    budgets = (declared("skywright:aws:BudgetAlarm", "b", spec={"monthly_limit_usd": limit}) for limit in limits)
    return [declared("skywright:aws:TrainingCluster", "training", spec={}), *budgets]


budget_declared.examples(
    good=[_spending(100), _spending(0.5)], bad=[_spending(), _spending(0)], unknown=[_spending(UNKNOWN)]
)

TELLERS = {
    "aws:budgets/budget:Budget": "notifications",
    "gcp:billing/budget:Budget": "thresholdRules",
    "azure-native:consumption:Budget": "notifications",
}
"""The clouds' own budgets, and the property that says when somebody hears of them."""


@budget_declared.also(*TELLERS)
def budget_tells(budget: Node) -> Finding | None:
    key = TELLERS[budget.resource.type]
    given = budget.get(key)
    if given is not None and not isinstance(given, Props | list):
        raise Malformed(key, given, "a list or a mapping")
    said = list(given.mappings()) if isinstance(given, Props) else given
    return None if said else Finding(at=key, found=said)


budget_tells.examples(
    good=[{"notifications": [{"threshold": 80}]}, {"notifications": {"all": {"threshold": 80}}}],
    bad=[{}, {"notifications": []}, {"notifications": {}}],
    unknown=[{"notifications": UNKNOWN}],
)
