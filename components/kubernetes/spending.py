"""What the stack spends, in Prometheus' words, from what OpenCost says nodes and volumes cost. Pure."""

from __future__ import annotations

from typing import Any

from components.kubernetes.promql import SPEND, SPEND_RATE, SPEND_RATIO, STACK_LABEL, Scope, quoted, selector
from components.kubernetes.rules import own_labels
from components.specs import BudgetSpec

MONTH = "skywright:month"
_GIB = 1024**3


def spend_rate(scope: Scope) -> str:
    """US dollars per hour of what pods of the stack's namespaces hold: vCPUs, memory, accelerators, volumes."""
    own = {"namespace=~": f"{scope.namespace}(-.*)?"}
    parts = [
        _priced(selector("container_cpu_allocation", own), "node_cpu_hourly_cost", "node"),
        _priced(f"{selector('container_memory_allocation_bytes', own)} / {_GIB}", "node_ram_hourly_cost", "node"),
        _priced(selector("container_gpu_allocation", own), "node_gpu_hourly_cost", "node"),
        _priced(f"{selector('pod_pvc_allocation', own)} / {_GIB}", "pv_hourly_cost", "persistentvolume"),
    ]
    return " + ".join(f"(sum({part}) or vector(0))" for part in parts)


def spend(scope: Scope) -> str:
    """US dollars since the month began. A range can't begin with the month: it is 31 days of hours, less those whose
    month is another than now's."""
    own = {STACK_LABEL: scope.stack}
    month = selector(MONTH, own)
    return f"sum_over_time(({selector(SPEND_RATE, own)} and on() ({month} == on() ({month} @ end())))[31d:1h])"


def forecast(scope: Scope) -> str:
    """US dollars at the month's end if the last day's rate goes on."""
    own = {STACK_LABEL: scope.stack}
    hours_left = "((days_in_month() - day_of_month()) * 24 + 24 - hour())"
    rate = f"avg_over_time({selector(SPEND_RATE, own)}[1d])"
    return f"{selector(SPEND, own)} + on() {rate} * on() {hours_left}"


def groups(spec: BudgetSpec, scope: Scope) -> list[dict[str, Any]]:
    """What is recorded, and an alert for each step, for the forecast and for an eye that sees nothing."""
    recorded = {STACK_LABEL: scope.stack}
    limit = repr(float(spec.monthly_limit_usd))
    own = selector(SPEND_RATIO, {STACK_LABEL: scope.stack})
    steps = [
        _alert(
            f"budget-{step.percent:g}",
            f"{own} >= {step.percent / 100!r}",
            scope,
            "warning" if step.percent < 100 else "critical",
            f"{step.percent:g} % of the month's {spec.monthly_limit_usd:g} USD is spent: {step.effect.value}",
        )
        for step in spec.steps
    ]
    return [
        {
            "name": "skywright.spend",
            "interval": "1m",
            "rules": [
                {"record": MONTH, "expr": "month()", "labels": recorded},
                {"record": SPEND_RATE, "expr": spend_rate(scope), "labels": recorded},
                {"record": SPEND, "expr": spend(scope), "labels": recorded},
                {"record": SPEND_RATIO, "expr": f"{selector(SPEND, recorded)} / {limit}", "labels": recorded},
            ],
        },
        {
            "name": "skywright.budget",
            "interval": "1m",
            "rules": [
                *steps,
                _alert(
                    "budget-forecast",
                    f"{forecast(scope)} > {limit}",
                    scope,
                    "warning",
                    f"The month will pass its {spec.monthly_limit_usd:g} USD if today's spending goes on",
                    wait="1h",
                ),
                _alert(
                    "budget-blind",
                    f"absent(container_cpu_allocation{{namespace=~{quoted(f'{scope.namespace}(-.*)?')}}})",
                    scope,
                    "critical",
                    "OpenCost tells nothing about this stack: the budget can't act",
                    wait="1h",
                ),
            ],
        },
    ]


def _priced(amount: str, price: str, by: str) -> str:
    """Each amount at its node's or volume's price."""
    return f"{amount} * on({by}) group_left() max by ({by}) ({price})"


def _alert(
    name: str, expression: str, scope: Scope, severity: str, summary: str, *, wait: str | None = None
) -> dict[str, Any]:
    return {
        "alert": name,
        "expr": expression,
        **({"for": wait} if wait else {}),
        "labels": own_labels(scope, severity),
        "annotations": {"summary": summary},
    }
