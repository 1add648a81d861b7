"""Tumours of the breast, benign or malignant, from 30 measurements of cells: gradient-boosted trees by scikit-learn.

The data are the 569 patients of the Wisconsin set that scikit-learn ships
(https://archive.ics.uci.edu/dataset/17/breast+cancer+wisconsin+diagnostic).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from catalog.errors import UserError, mistake
from ml_jobs.contract import Input, JobSpec, Resources

if TYPE_CHECKING:
    from ml_jobs.runtime import Run
    from ml_jobs.runtime.artifact_sklearn import Estimator

FEATURES = 30

MEASUREMENTS = Input(
    name="measurements",
    url="package://scikit-learn/breast_cancer",
    columns={
        "features": {"dtype": "float64", "shape": [FEATURES], "nullable": False, "minimum": 0, "maximum": 5000},
        "label": {"dtype": "int64", "shape": [], "nullable": False, "allowed": [0, 1]},
    },
)

JOB = JobSpec(
    name="breast-cancer",
    entry="ml_jobs.train.breast_cancer:train",
    params={"seed": 0, "rounds": 120, "rounds_per_step": 5, "learning_rate": 0.1, "leaves": 15, "l2": 1.0},
    resources=Resources(count=1),
    estimated_work_s=15,
    inputs=(MEASUREMENTS,),
    output="breast-cancer",
    data_classification="public",
)

LIMITS = {"rounds": (1, 10_000), "rounds_per_step": (1, 1000), "leaves": (2, 255)}


def train(run: Run) -> None:
    """Split, boost in rounds, evaluate on the quarter that was held out, register."""
    import torch

    params = checked(JOB.params | dict(run.params))
    if run.world_size > 1:
        raise mistake("resources", f"{run.world_size} ranks", "1: the trees are grown by one")
    table = load()
    run.check("measurements", table)
    kept, held_out = split(table["label"], params["seed"])
    features, labels = table["features"], table["label"]

    booster = build(params)
    steps = -(-params["rounds"] // params["rounds_per_step"])
    no_weights = torch.nn.Module()  # trees have no tensors of fixed shape: they are kept where an optimizer's state is
    for step in run.steps(no_weights, booster, samples=len(kept), batch=len(kept), epochs=steps, seed=params["seed"]):
        model = booster.estimator
        model.max_iter = min(params["rounds"], (step.number + 1) * params["rounds_per_step"])
        model.fit(features[kept], labels[kept])  # warm: only the new rounds are grown
        if step.every(5):
            run.log_metrics({"loss": evaluate(model, features[kept], labels[kept])["log_loss"]})

    evaluation = evaluate(booster.estimator, features[held_out], labels[held_out])
    run.log_metrics(evaluation)
    run.register_model(booster, describe(run, features[held_out], evaluation))


def checked(params: dict[str, Any]) -> dict[str, Any]:
    """Raises UserError for a parameter that is unknown or out of its range."""
    if unknown := set(params) - set(JOB.params):
        raise UserError(f"params.{min(unknown)} is unknown; allowed: {', '.join(JOB.params)}")
    for name, (low, high) in LIMITS.items():
        value = params[name]
        if not isinstance(value, int) or not low <= value <= high:
            raise mistake(f"params.{name}", value, f"a whole number from {low} to {high}")
    if not isinstance(params["learning_rate"], int | float) or not 0 < params["learning_rate"] <= 1:
        raise mistake("params.learning_rate", params["learning_rate"], "above 0, up to 1")
    if not isinstance(params["l2"], int | float) or params["l2"] < 0:
        raise mistake("params.l2", params["l2"], "0 or more")
    return params


def build(params: dict[str, Any]) -> Estimator:
    from sklearn.ensemble import HistGradientBoostingClassifier

    from ml_jobs.runtime.artifact_sklearn import Estimator

    return Estimator(
        HistGradientBoostingClassifier(
            learning_rate=params["learning_rate"],
            max_leaf_nodes=params["leaves"],
            l2_regularization=params["l2"],
            early_stopping=False,  # it would hold rows back by itself, anew in each step
            warm_start=True,
            random_state=params["seed"],
        )
    )


def load() -> dict[str, Any]:
    from sklearn.datasets import load_breast_cancer

    bunch = load_breast_cancer()
    return {"features": bunch.data, "label": bunch.target.astype("int64")}


def split(labels: Any, seed: int) -> tuple[Any, Any]:
    """Rows to train on and rows held out (a quarter), both labels in their share."""
    import numpy as np
    from sklearn.model_selection import train_test_split

    kept, held_out = train_test_split(np.arange(len(labels)), test_size=0.25, stratify=labels, random_state=seed)
    return kept, held_out


def evaluate(model: Any, features: Any, labels: Any) -> dict[str, float]:
    from sklearn.metrics import log_loss, roc_auc_score

    probabilities = model.predict_proba(features)
    return {
        "accuracy": float((probabilities.argmax(axis=1) == labels).mean()),
        "log_loss": float(log_loss(labels, probabilities)),
        "roc_auc": float(roc_auc_score(labels, probabilities[:, 1])),
    }


def describe(run: Run, golden: Any, evaluation: dict[str, float]) -> Any:
    from ml_jobs.runtime import Model, Tensor

    return Model(
        framework="sklearn",
        inputs=[Tensor("features", "FP64", (-1, FEATURES))],
        outputs=[Tensor("label", "INT64", (-1,)), Tensor("probabilities", "FP64", (-1, 2))],
        golden={"features": golden},
        reference=run.reference,
        evaluation=evaluation,
        primary="roc_auc",
        summary="Tells benign (1) from malignant (0) by 30 measurements of the cell nuclei in a biopsy's image. "
        "A teaching set, not a medical device.",
    )
