"""Alert rules as the conditions of Cloud Monitoring's policies."""

from __future__ import annotations

import pulumi_gcp as gcp

from components.gcp import alerts
from components.slo import Burn
from components.specs import SloSpec
from ml_jobs.contract import AlertRule

_Condition = gcp.monitoring.AlertPolicyConditionArgs
_OnThreshold = gcp.monitoring.AlertPolicyConditionConditionThresholdArgs
_Folded = gcp.monitoring.AlertPolicyConditionConditionThresholdAggregationArgs
_OnAbsence = gcp.monitoring.AlertPolicyConditionConditionAbsentArgs
_FoldedForAbsence = gcp.monitoring.AlertPolicyConditionConditionAbsentAggregationArgs
_OnQuery = gcp.monitoring.AlertPolicyConditionConditionPrometheusQueryLanguageArgs


def conditions_of(rule: AlertRule, scope: alerts.Scope) -> list[gcp.monitoring.AlertPolicyConditionArgs]:
    """The threshold, and that nothing is heard where the rule calls that an alarm."""
    found = alerts.threshold(rule, scope)
    folded = [
        _Folded(
            alignment_period=f"{fold.period_s}s",
            per_series_aligner=fold.aligner,
            cross_series_reducer=fold.reducer,
        )
        for fold in found.aggregations
    ]
    conditions = [
        _Condition(
            display_name=f"{rule.metric.value} {rule.comparison} {rule.threshold:g}",
            condition_threshold=_OnThreshold(
                filter=found.filter,
                aggregations=folded,
                denominator_filter=found.denominator,
                denominator_aggregations=folded if found.denominator else None,
                comparison=found.comparison,
                threshold_value=found.value,
                duration=f"{found.duration_s}s",
                evaluation_missing_data=_missing(found.duration_s),
            ),
        )
    ]
    if silent := alerts.absent(rule, scope):
        conditions.append(
            _Condition(
                display_name=f"{rule.metric.value} is absent",
                condition_absent=_OnAbsence(
                    filter=silent.filter,
                    duration=f"{silent.duration_s}s",
                    aggregations=[
                        _FoldedForAbsence(
                            alignment_period=f"{silent.aggregation.period_s}s",
                            per_series_aligner=silent.aggregation.aligner,
                            cross_series_reducer=silent.aggregation.reducer,
                        )
                    ],
                ),
            )
        )
    return conditions


def burning(slo: SloSpec, pair: Burn, scope: alerts.Scope) -> gcp.monitoring.AlertPolicyConditionArgs:
    """The objective's errors come too fast, over the pair's long window and still over its short one."""
    query = alerts.burn(scope, long_s=pair.long_s, short_s=pair.short_s, limit=pair.threshold(slo))
    return _Condition(
        display_name=f"{slo.name} burns {pair.rate:g} times too fast",
        condition_prometheus_query_language=_OnQuery(
            query=query, duration="60s", evaluation_interval="60s", alert_rule="ErrorBudgetBurns",
            rule_group=f"slo-{slo.name}",
        ),
    )  # fmt: skip


def _missing(duration_s: int) -> str | None:
    """What a gap means is said only where a condition must hold for a while."""
    return "EVALUATION_MISSING_DATA_INACTIVE" if duration_s else None
