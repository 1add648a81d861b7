"""One release's model in this process: loaded in the background, ready only once its golden rows agree."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from catalog.errors import SkywrightError
from ml_jobs.contract import Release
from ml_jobs.serve.approved import unproven
from ml_jobs.serve.artifact import Golden, read_golden, read_model, verified
from ml_jobs.serve.batching import Cost
from ml_jobs.serve.frameworks import FRAMEWORKS, Predictor, load
from ml_jobs.serve.protocol import Signature
from ml_jobs.serve.tensors import Array, TensorSpec

log = logging.getLogger("uvicorn.error")

WARM_UP = 4
"""Calls before a model is ready: its first ones are slow, and are not the first requests."""


@dataclass(frozen=True)
class Loaded:
    """A model that answers its golden rows, and what calling it costs."""

    platform: str
    signature: Signature
    predict: Predictor
    cost: Cost


class Served:
    """`loaded` is None until the model is ready; `why` says why it is not."""

    def __init__(
        self, release: Release, release_name: str, mounted: str | None = None, approver_key: str | None = None
    ) -> None:
        """`approver_key`: the public key that the release's approval is verified with; see `approved.unproven`."""
        self.approver_key = approver_key
        self.release = release
        self.release_name = release_name
        self.mounted = mounted
        self.loaded: Loaded | None = None
        self.why = "the model is being loaded"
        self.is_failed = False

    def load(self) -> None:
        """Verify, load, answer the golden rows (which also warms the model), then be ready. Never raises."""
        try:
            if unknown := unproven(self.release, self.approver_key):
                log.warning("%s", unknown)
            self.loaded = open_release(self.release, self.mounted)
            self.why = ""
        except SkywrightError as error:
            self.fail(str(error))
        except Exception as error:
            self.fail(f"the model can't be loaded: {type(error).__name__}: {error}")

    def fail(self, why: str) -> None:
        self.loaded = None
        self.is_failed = True
        self.why = why


def open_release(release: Release, mounted: str | None = None) -> Loaded:
    """The release's model. Raises SkywrightError when its bytes, its parts or its golden answers are not right."""
    folder = verified(release, mounted)
    model = read_model(folder)
    if model.model != release.model:
        raise SkywrightError(
            f"{folder}/model.json is of model {model.model!r}; the release is of {release.model!r}",
            "Release a version of that model.",
        )
    signature = model.signature
    golden = read_golden(folder, signature)
    predict = load(folder, model)
    answers = predict(golden.inputs)
    if off := mismatch(golden, answers, signature.outputs, model.tolerance):
        raise SkywrightError(
            f"{release.model} version {release.version} answers its golden rows otherwise than when it was registered: "
            f"{off}",
            "Serve it with the package versions of its lineage, or register it anew.",
        )
    return Loaded(FRAMEWORKS[model.framework][1], signature, predict, cost_of(predict, golden, signature))


def cost_of(predict: Predictor, golden: Golden, signature: Signature) -> Cost:
    """By the best of a few calls with one row and with all golden rows."""
    rows = len(next(iter(golden.inputs.values())))
    whole_s = _best_s(predict, golden.inputs)
    if rows == 1 or not signature.is_batchable:
        return Cost(whole_s)
    one_s = _best_s(predict, {name: array[:1] for name, array in golden.inputs.items()})
    row_s = max(0.0, whole_s - one_s) / (rows - 1)
    return Cost(max(0.0, one_s - row_s), row_s)


def _best_s(predict: Predictor, inputs: Mapping[str, Array]) -> float:
    def timed() -> float:
        began = time.perf_counter()
        predict(inputs)
        return time.perf_counter() - began

    return min(timed() for _ in range(WARM_UP))


def mismatch(
    golden: Golden, answers: Mapping[str, Array], outputs: tuple[TensorSpec, ...], tolerance: float
) -> str | None:
    """The first output that is off by more than `tolerance` (absolute), in words; None when all agree."""
    for spec in outputs:
        want, got = golden.outputs[spec.name], answers[spec.name]
        if want.shape != got.shape:
            return f"{spec.name} has shape {list(got.shape)}, golden {list(want.shape)}"
        if want.dtype == np.object_ or want.dtype == np.bool_:
            if not np.array_equal(want, got):
                return f"{spec.name} differs"
            continue
        off = np.abs(want.astype(np.float64) - got.astype(np.float64))
        if not (off <= tolerance).all():  # NaN is no agreement
            row = int(np.argmax(np.nan_to_num(off, nan=np.inf).reshape(len(off), -1).max(axis=1)))
            return f"{spec.name} is off by {np.max(off):.4g} in row {row}, allowed {tolerance:g}"
    return None
