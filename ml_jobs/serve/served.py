"""One release's model in this process: loaded in the background, ready only once its golden rows agree."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from catalog.errors import SkywrightError
from ml_jobs.contract import Release
from ml_jobs.serve.artifact import Golden, read_golden, read_model, verified
from ml_jobs.serve.frameworks import Predictor, load
from ml_jobs.serve.protocol import Signature
from ml_jobs.serve.tensors import Array, TensorSpec

SHORT_S = 0.002
"""A call expected to be shorter is made on the event loop: handing it to a thread would cost as much again."""


@dataclass(frozen=True)
class Loaded:
    """`golden_s`: seconds, at best, that the model takes for its golden rows."""

    platform: str
    signature: Signature
    predict: Predictor
    golden_rows: int = 1
    golden_s: float = 0.0

    def is_short(self, rows: int) -> bool:
        return self.golden_s * max(1.0, rows / self.golden_rows) < SHORT_S


class Served:
    """`loaded` is None until the model is ready; `why` says why it is not."""

    def __init__(self, release: Release, release_name: str) -> None:
        self.release = release
        self.release_name = release_name
        self.loaded: Loaded | None = None
        self.why = "the model is being loaded"
        self.is_failed = False
        self._worker = ThreadPoolExecutor(1, "model")
        self._calling = threading.Lock()

    def load(self) -> None:
        """Verify, load, answer the golden rows (which also warms the model), then be ready. Never raises."""
        try:
            self.loaded = open_release(self.release)
            self.why = ""
        except SkywrightError as error:
            self._fail(str(error))
        except Exception as error:
            self._fail(f"the model can't be loaded: {type(error).__name__}: {error}")

    def _fail(self, why: str) -> None:
        self.is_failed = True
        self.why = why

    def load_in_background(self, done: Callable[[Served], None]) -> None:
        """Meanwhile the process answers that it lives, and why it is not ready."""

        def work() -> None:
            self.load()
            done(self)

        self._worker.submit(work)

    async def predict(self, inputs: Mapping[str, Array], rows: int) -> tuple[dict[str, Array], float]:
        """Outputs, and the seconds that the model took. One batch at a time; long ones off the event loop."""
        loaded = self.loaded
        assert loaded is not None
        if loaded.is_short(rows) and self._calling.acquire(blocking=False):
            try:
                return _timed(loaded.predict, inputs)
            finally:
                self._calling.release()
        return await asyncio.get_running_loop().run_in_executor(self._worker, self._call, loaded.predict, inputs)

    def _call(self, predict: Predictor, inputs: Mapping[str, Array]) -> tuple[dict[str, Array], float]:
        with self._calling:
            return _timed(predict, inputs)


def _timed(predict: Predictor, inputs: Mapping[str, Array]) -> tuple[dict[str, Array], float]:
    began = time.perf_counter()
    return predict(inputs), time.perf_counter() - began


def open_release(release: Release) -> Loaded:
    """The release's model. Raises SkywrightError when its bytes, its parts or its golden answers are not right."""
    folder = verified(release)
    model = read_model(folder)
    if model.model != release.model:
        raise SkywrightError(
            f"{folder}/model.json is of model {model.model!r}; the release is of {release.model!r}",
            "Release a version of that model.",
        )
    signature = model.signature
    golden = read_golden(folder, signature)
    predict = load(folder, model)
    golden_s = math.inf
    for _ in range(4):  # the first calls of a model are slow: they are not the first requests
        answers, seconds = _timed(predict, golden.inputs)
        golden_s = min(golden_s, seconds)
    if off := mismatch(golden, answers, signature.outputs, model.tolerance):
        raise SkywrightError(
            f"{release.model} version {release.version} answers its golden rows otherwise than when it was registered: "
            f"{off}",
            "Serve it with the package versions of its lineage, or register it anew.",
        )
    rows = len(next(iter(golden.inputs.values())))
    return Loaded(f"{model.framework}_safetensors", signature, predict, rows, golden_s)


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
