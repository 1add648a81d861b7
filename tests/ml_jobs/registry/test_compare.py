"""Better, worse or equal, and when a version needs an override."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_jobs.registry.compare import Verdict, compare


def evaluation(primary: str = "accuracy", higher: bool = True, **metrics: float) -> dict[str, Any]:
    return {**metrics, "primary": primary, "higher_is_better": higher}


@pytest.mark.parametrize(
    ("candidate", "current", "regression"),
    [
        (evaluation(accuracy=0.98), None, None),
        (evaluation(accuracy=0.98), evaluation(accuracy=0.97), None),
        (evaluation(accuracy=0.97), evaluation(accuracy=0.97), None),
        (evaluation(accuracy=0.96), evaluation(accuracy=0.97), "accuracy falls from 0.97 to 0.96"),
        (evaluation("loss", False, loss=0.5), evaluation("loss", False, loss=0.4), "loss rises from 0.4 to 0.5"),
        (evaluation("loss", False, loss=0.3), evaluation("loss", False, loss=0.4), None),
        (evaluation(accuracy=float("nan")), evaluation(accuracy=0.1), "accuracy is nan"),
        (evaluation(), evaluation(accuracy=0.1), "accuracy is missing"),
        ({}, evaluation(accuracy=0.1), "can't be compared"),
        (evaluation("f1", f1=1.0), evaluation(accuracy=0.1), "can't be compared"),
        (evaluation(accuracy=0.9, higher=False), evaluation(accuracy=0.1), "good direction"),
        (evaluation(accuracy=0.9), evaluation(accuracy=float("nan")), None),
        (evaluation(accuracy=0.9), {}, None),
        (evaluation(accuracy=0.98, loss=9.0), evaluation(accuracy=0.97, loss=0.1), None),
    ],
)
def test_only_a_worse_primary_metric_needs_an_override(
    candidate: dict[str, Any], current: dict[str, Any] | None, regression: str | None
) -> None:
    found = compare(candidate, current).regression
    assert (regression is None) == (found is None)
    assert found is None or regression in found


@pytest.mark.parametrize(
    ("metric", "old", "new", "verdict"),
    [
        ("accuracy", 0.9, 0.91, Verdict.BETTER),
        ("macro_f1", 0.9, 0.8, Verdict.WORSE),
        ("log_loss", 0.2, 0.1, Verdict.BETTER),
        ("error_rate", 0.2, 0.3, Verdict.WORSE),
        ("rmse", 2, 2.0, Verdict.EQUAL),
        ("latency_p99_s", 1, 2, Verdict.WORSE),
        ("novelty", 1, 2, Verdict.CHANGED),
        ("auc", 0.9, float("nan"), Verdict.WORSE),
        ("auc", float("nan"), float("nan"), Verdict.EQUAL),
        ("auc", float("inf"), 0.9, Verdict.BETTER),
    ],
)
def test_each_metric_is_read_in_its_good_direction(metric: str, old: float, new: float, verdict: Verdict) -> None:
    [row] = compare({metric: new}, {metric: old}).rows
    assert row.verdict is verdict


def test_the_primary_metric_comes_first_and_new_and_gone_ones_are_named() -> None:
    rows = compare(evaluation(accuracy=1, zeta=2), evaluation(accuracy=1, alpha=3)).rows
    assert [(row.metric, row.verdict, row.is_primary) for row in rows] == [
        ("accuracy", Verdict.EQUAL, True),
        ("alpha", Verdict.GONE, False),
        ("zeta", Verdict.NEW, False),
    ]


values = st.floats(allow_nan=False, allow_infinity=False)


@given(values, values, st.booleans())
def test_of_two_different_values_exactly_one_way_regresses(first: float, second: float, higher: bool) -> None:
    one, two = evaluation("m", higher, m=first), evaluation("m", higher, m=second)
    regressions = [compare(one, two).regression, compare(two, one).regression]
    assert sum(found is not None for found in regressions) == (first != second)
