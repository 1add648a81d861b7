"""scikit-learn models, stored by skops: what the file may build is a closed list, and nothing in it is unpickled."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from catalog.errors import UserError
from ml_jobs.serve.artifact import ModelFile
from ml_jobs.serve.tensors import DATATYPES, Array

TRUSTED = (
    "numpy.dtype",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.tree._tree.Tree",
)
"""What fitted estimators are made of beside what skops trusts by itself: scikit-learn's own holders of data."""

METHODS = {"probabilities": "predict_proba", "decision": "decision_function"}
"""Output name -> the estimator's method that gives it; every other output is its `predict`."""


class SkopsPredictor:
    """Calls the estimator with the inputs as columns of one table, in their order."""

    def __init__(self, estimator: Any, model: ModelFile) -> None:
        self.model = model
        self.estimator = estimator
        self.calls = [
            (spec.name, getattr(estimator, METHODS.get(spec.name, "predict")), DATATYPES[spec.datatype])
            for spec in model.outputs
        ]

    def __call__(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        arrays = [inputs[spec.name] for spec in self.model.inputs]
        table = arrays[0] if len(arrays) == 1 else np.column_stack(arrays)
        return {name: np.asarray(call(table), kind) for name, call, kind in self.calls}


def load(folder: Path, model: ModelFile) -> SkopsPredictor:
    from skops.io import load as read
    from skops.io.exceptions import UntrustedTypesFoundException

    path = folder / model.weights
    try:
        return SkopsPredictor(read(path, trusted=list(TRUSTED)), model)
    except UntrustedTypesFoundException as error:
        raise UserError(
            f"{path} holds types that are not trusted: {error}",
            f"Store an estimator of scikit-learn made of {', '.join(TRUSTED)} and what skops trusts by itself.",
        ) from None
    except AttributeError as error:
        raise UserError(f"the estimator in {path} can't give the outputs that model.json names: {error}") from None
    except (OSError, BadZipFile, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} can't be read by skops: {error}", "Register the model anew.") from None
