"""A dashboard in Grafana's JSON: what the catalogue measures, a panel each. Pure."""

from __future__ import annotations

import json
from typing import Any

from components.kubernetes.promql import Scope
from components.kubernetes.rules import value_of
from ml_jobs.contract import UNITS, AlertRule, Metric

_UNITS = {"requests/s": "reqps", "ratio": "percentunit", "s": "s", "count": "short"}
_FOLD = {
    Metric.LATENCY: "p99",
    Metric.QUEUE_WAIT: "p95",
    Metric.JOB_FAILURES: "sum",
    Metric.PREEMPTIONS: "sum",
    Metric.ACCELERATOR_ERRORS: "sum",
    Metric.SPEND_RATIO: "max",
}
_WIDTH, _HEIGHT, _ACROSS = 8, 7, 3


def dashboard(stack: str, scope: Scope) -> str:
    """The dashboard of a stack, the same text for the same stack."""
    panels = [_panel(index, metric, scope) for index, metric in enumerate(Metric)]
    return json.dumps(
        {
            "uid": f"skywright-{stack}"[:40],
            "title": f"Skywright: {stack}",
            "tags": ["skywright"],
            "timezone": "utc",
            "schemaVersion": 39,
            "refresh": "30s",
            "time": {"from": "now-6h", "to": "now"},
            "panels": panels,
        },
        sort_keys=True,
    )


def _panel(index: int, metric: Metric, scope: Scope) -> dict[str, Any]:
    how = _FOLD.get(metric, "avg")
    rule = AlertRule.model_validate(
        {"name": "panel", "metric": metric, "aggregation": how, "window_s": 300, "threshold": 0}
    )
    return {
        "id": index + 1,
        "type": "timeseries",
        "title": f"{metric.value.replace('_', ' ')} ({how})",
        "gridPos": {"x": index % _ACROSS * _WIDTH, "y": index // _ACROSS * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "datasource": {"type": "prometheus", "uid": "prometheus"},
        "fieldConfig": {"defaults": {"unit": _UNITS[UNITS[metric]]}, "overrides": []},
        "targets": [{"refId": "A", "expr": value_of(rule, scope), "legendFormat": metric.value}],
    }
