"""Equal scikit-learn models are equal bytes, and nothing strange is built from a file."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from catalog.errors import UserError
from ml_jobs.runtime.artifact import Model, Tensor, files
from ml_jobs.runtime.artifact_sklearn import Estimator, dumped, loaded

ROWS = np.random.default_rng(0).normal(size=(64, 3))
LABELS = (ROWS.sum(axis=1) > 0).astype("int64")

MODELS = {
    "pipeline": lambda: make_pipeline(StandardScaler(), LogisticRegression()),
    "boosting": lambda: HistGradientBoostingClassifier(max_iter=3, random_state=0, warm_start=True),
}


@pytest.mark.parametrize("name", MODELS)
def test_equal_models_are_equal_bytes_also_once_read_back(name):
    one, two = (MODELS[name]().fit(ROWS, LABELS) for _ in range(2))
    blob = dumped(one)
    assert blob == dumped(two) == dumped(loaded(blob))
    np.testing.assert_array_equal(loaded(blob).predict_proba(ROWS), one.predict_proba(ROWS))
    other = MODELS[name]().fit(ROWS, 1 - LABELS)
    assert dumped(other) != blob


def strange(rows):
    return rows


def test_code_of_ones_own_is_refused_before_it_is_built():
    model = make_pipeline(FunctionTransformer(strange), LogisticRegression()).fit(ROWS, LABELS)
    with pytest.raises(UserError, match=r"is made of .*strange, which its server does not trust"):
        loaded(dumped(model))


def described(**changes):
    about = {
        "framework": "sklearn", "inputs": [Tensor("x", "FP64", (-1, 3))], "outputs": [Tensor("label", "INT64", (-1,))],
        "golden": {"x": ROWS}, "reference": {}, "evaluation": {"accuracy": 1.0}, "primary": "accuracy", "summary": "",
    }  # fmt: skip
    return Model(**about | changes)


@pytest.mark.parametrize(
    ("weights", "changes", "told"),
    [
        ({"layer": 1}, {}, r"holds layer, not model.skops. Hand a scikit-learn model over as Estimator"),
        (None, {"outputs": [Tensor("decision", "FP64", (-1,))]}, "output decision needs decision_function"),
        (None, {"golden": {"x": ROWS[:5]}}, "golden rows of x: 5 given; 32 are needed"),
    ],
)
def test_what_can_t_be_served_is_not_written(weights, changes, told):
    estimator = Estimator(HistGradientBoostingClassifier(max_iter=2).fit(ROWS, LABELS))
    if "outputs" in changes:
        estimator.estimator = make_pipeline(StandardScaler()).fit(ROWS)
    lineage = {"job": "j", "entry": "a:b", "world_size": 1, "params": {}, "data": {}}
    with pytest.raises(UserError, match=told):
        files(described(**changes), name="m", weights=weights or estimator.state_dict(), lineage=lineage)
