"""Alert rules as Prometheus evaluates them: the PrometheusRule's groups, compiled. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from components.kubernetes.promql import Scope, Source, duration, over_window, source_of
from components.slo import BURNS
from components.specs import SloSpec
from ml_jobs.contract import AlertRule, Metric

STEP_S = 15
"""How often our monitors scrape; subqueries look as often."""
SHORTEST_S = 60
"""A rate needs two scrapes at least, and one may fail."""
MANY_STEPS_S = 3600

_QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}


def value_of(rule: AlertRule, scope: Scope) -> str:
    """The expression whose value the rule compares: one sample, or none."""
    source = source_of(rule.metric, scope, rule.labels)
    window = max(rule.window_s, SHORTEST_S)
    return _FOLDS[source.kind](source, rule.aggregation, window)


def condition(rule: AlertRule, scope: Scope) -> str:
    """The whole expression of the alert."""
    value = value_of(rule, scope)
    asked = f"({value}) {rule.comparison} {_number(rule.threshold)}"
    # A ratio over no requests is NaN, which is as good as absent.
    return f"({asked}) or absent(({value}) == ({value}))" if rule.absent == "alarm" else asked


def alert(rule: AlertRule, scope: Scope) -> dict[str, Any]:
    return {
        "alert": rule.name,
        "expr": condition(rule, scope),
        **({"for": duration(rule.for_s)} if rule.for_s else {}),
        "labels": {**labels(rule.labels), **own_labels(scope, rule.severity)},
        "annotations": {
            "summary": f"{rule.name}: {rule.aggregation} of {rule.metric.value} over {rule.window_s:g} s is "
            f"{rule.comparison} {rule.threshold:g}",
            "value": "{{ $value }}",
        },
    }


def groups(alerts: Iterable[AlertRule], slos: Iterable[SloSpec], scope: Scope) -> list[dict[str, Any]]:
    """The groups of the stack's PrometheusRule."""
    found = [{"name": "skywright.alerts", "interval": "30s", "rules": [alert(rule, scope) for rule in alerts]}]
    burns = [rule for slo in slos for rule in slo_alerts(slo, scope)]
    if burns:
        found.append({"name": "skywright.slos", "interval": "30s", "rules": burns})
    return [group for group in found if group["rules"]]


def own_labels(scope: Scope, severity: str) -> dict[str, str]:
    return {"severity": severity, "namespace": scope.namespace, "skywright_stack": scope.stack}


def labels(given: dict[str, str]) -> dict[str, str]:
    """A rule's labels under names that Prometheus takes: letters, digits and underscores."""
    return {re.sub(r"^(?=\d)|^$", "_", re.sub(r"\W", "_", key, flags=re.ASCII)): value for key, value in given.items()}


def _number(value: float) -> str:
    return repr(float(value))


def _histogram(source: Source, how: str, window: float) -> str:
    name, rest = source.series.split("{", 1)
    part = {what: f"{name}_{what}{{{rest}" for what in ("bucket", "sum", "count")}
    scaled = f" / {source.scale:g}" if source.scale != 1 else ""
    if how == "sum":
        return f"sum(increase({part['sum']}[{duration(window)}])){scaled}"
    if how == "avg":
        return f"sum({over_window(part['sum'], window)}) / sum({over_window(part['count'], window)}){scaled}"
    quantile = {"min": 0.0, "max": 1.0, **_QUANTILES}[how]
    return f"histogram_quantile({quantile:g}, sum by (le) ({over_window(part['bucket'], window)})){scaled}"


def _rate(source: Source, how: str, window: float) -> str:
    if how == "avg":
        return f"sum({over_window(source.series, window)})"
    return _folded(f"sum({over_window(source.series, SHORTEST_S)})", how, window)


def _ratio(source: Source, how: str, window: float) -> str:
    def ratio(seconds: float) -> str:
        wrong, all_of_them = over_window(source.wrong, seconds), over_window(source.series, seconds)
        return f"(sum({wrong}) or vector(0)) / sum({all_of_them})"

    return ratio(window) if how == "avg" else _folded(ratio(SHORTEST_S), how, window)


def _count(source: Source, how: str, window: float) -> str:
    def grown(seconds: float) -> str:
        return f"sum(increase({source.series}[{duration(seconds)}]))"

    return grown(window) if how == "sum" else _folded(grown(SHORTEST_S), how, window, step_s=SHORTEST_S)


def _appearing(source: Source, how: str, window: float) -> str:
    def new(seconds: float) -> str:
        was = f"(last_over_time(({source.series})[{duration(STEP_S)}:{duration(STEP_S)}] offset {duration(seconds)}))"
        return f"count(({source.series}) unless {was}) or vector(0)"

    return new(window) if how == "sum" else _folded(new(SHORTEST_S), how, window, step_s=SHORTEST_S)


def _gauge(source: Source, how: str, window: float) -> str:
    ranged = f"({source.series})[{duration(window)}:{duration(_step(window))}]"
    if how in _QUANTILES:
        return f"quantile({_QUANTILES[how]:g}, quantile_over_time({_QUANTILES[how]:g}, {ranged}))"
    return f"{how}({how}_over_time({ranged}))"


def _gauge_sum(source: Source, how: str, window: float) -> str:
    return _folded(f"sum({source.series})", how, window)


def _folded(expression: str, how: str, window: float, *, step_s: float | None = None) -> str:
    ranged = f"({expression})[{duration(window)}:{duration(step_s or _step(window))}]"
    if how in _QUANTILES:
        return f"quantile_over_time({_QUANTILES[how]:g}, {ranged})"
    return f"{how}_over_time({ranged})"


def _step(window: float) -> int:
    """Subqueries over hours look less often."""
    return STEP_S if window <= MANY_STEPS_S else STEP_S * 20


_FOLDS = {
    "rate": _rate,
    "ratio": _ratio,
    "histogram": _histogram,
    "gauge": _gauge,
    "gauge_sum": _gauge_sum,
    "count": _count,
    "appearing": _appearing,
}


def slo_alerts(slo: SloSpec, scope: Scope) -> list[dict[str, Any]]:
    """A burn alert for each pair of windows: the long one says that it matters, the short one that it goes on."""
    source = source_of(Metric.ERROR_RATIO, scope, {})
    found = []
    for burn in BURNS:
        if not burn.is_possible(slo):
            continue
        bound = _number(burn.threshold(slo))
        both = (f"(({_ratio(source, 'avg', seconds)}) > {bound})" for seconds in (burn.long_s, burn.short_s))
        found.append(
            {
                "alert": f"{slo.name}-burn-{duration(burn.long_s)}",
                "expr": " and ".join(both),
                "labels": {"slo": slo.name, **own_labels(scope, burn.severity)},
                "annotations": {
                    "summary": f"{slo.name}: errors burn the budget of {slo.window_days} days {burn.rate:g} times too "
                    "fast",
                    "value": "{{ $value }}",
                },
            }
        )
    return found
