"""What keeps a stack inside its budget."""

from __future__ import annotations

from policies.resources import UNKNOWN, Props
from policies.rule import Finding, Severity, rule


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
