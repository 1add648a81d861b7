"""The dashboard, as Cloud Monitoring's API takes it. Pure."""

from __future__ import annotations

import json
from typing import Any

from components.gcp.alerts import FOLDS, KINDS, Scope, filter_of
from ml_jobs.contract import UNITS, Metric

COLUMNS, WIDTH, HEIGHT = 2, 24, 16
"""A mosaic has 48 columns."""

_FOLD = {"rate": "avg", "ratio": "avg", "distribution": "p99", "gauge": "avg", "total": "min", "count": "sum"}
PERIOD = "300s"


def dashboard(title: str, scope: Scope) -> str:
    """A chart for each metric of the catalogue."""
    tiles = [_tile(index, metric, scope) for index, metric in enumerate(Metric)]
    return json.dumps({"displayName": title, "mosaicLayout": {"columns": COLUMNS * WIDTH, "tiles": tiles}})


def _tile(index: int, metric: Metric, scope: Scope) -> dict[str, Any]:
    row, column = divmod(index, COLUMNS)
    return {
        "xPos": column * WIDTH,
        "yPos": row * HEIGHT,
        "width": WIDTH,
        "height": HEIGHT,
        "widget": {
            "title": f"{metric.value.replace('_', ' ')} ({UNITS[metric]})",
            "xyChart": {"dataSets": [{"plotType": "LINE", "timeSeriesQuery": _query(metric, scope)}]},
        },
    }


def _query(metric: Metric, scope: Scope) -> dict[str, Any]:
    kind = KINDS[metric]
    aligner, reducer = FOLDS[kind][_FOLD[kind]]
    aggregation = {"alignmentPeriod": PERIOD, "perSeriesAligner": aligner, "crossSeriesReducer": reducer}
    own = {"filter": filter_of(metric, scope), "aggregation": aggregation}
    if kind != "ratio":
        return {"timeSeriesFilter": own}
    whole = {"filter": filter_of(Metric.REQUEST_RATE, scope), "aggregation": aggregation}
    return {"timeSeriesFilterRatio": {"numerator": own, "denominator": whole}}
