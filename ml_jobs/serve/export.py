"""A registered version as ONNX, in 32 bits or quantised to 8: converted, held against its golden rows, published."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from catalog.errors import SkywrightError, UserError
from ml_jobs.contract import Release
from ml_jobs.serve.artifact import Golden, ModelFile, read_golden, read_model, verified
from ml_jobs.serve.frameworks import Predictor, load
from ml_jobs.serve.onnx_graph import graph_of, to_int8
from ml_jobs.serve.tensors import Array

WEIGHTS = "model.onnx"
INT8_TOLERANCE = 0.1
"""How far a quantised model's scores may be off, absolute. Without int8 it is the artifact's own tolerance."""

INT8_AGREEMENT = 0.96
"""Share of the golden rows whose first choice a quantised model must keep: 31 of 32. Without int8 it is all."""

CALLS = 50
KEPT = ("reference.json", "evaluation.json")


@dataclass(frozen=True, slots=True)
class Agreement:
    """`max_difference`: of any score. `top1`: share of the rows with the same label, or the same largest score."""

    max_difference: float
    top1: float


@dataclass(frozen=True, slots=True)
class Measured:
    """Bytes of the weights' file; median milliseconds in the model for one row and for the golden rows."""

    size_bytes: int
    one_row_ms: float
    golden_rows_ms: float


@dataclass(frozen=True, slots=True)
class Exported:
    url: str
    rows: int
    tolerance: float
    agreement: Agreement
    before: Measured
    after: Measured


def target_name(job: str, *, is_int8: bool) -> str:
    """The folder, and the job, of a version that was exported from another's."""
    return f"{job}-onnx-int8" if is_int8 else f"{job}-onnx"


def export(release: Release, url: str, *, is_int8: bool = False) -> Exported:
    """Write `release`'s model as an ONNX artifact to the folder `url`.

    Raises UserError for a model that can't be converted, SkywrightError when the answers do not agree: then nothing is
    written.
    """
    from ml_jobs.runtime import artifact

    folder = verified(release)
    model = read_model(folder)
    if model.framework == "onnx" and not is_int8:
        raise UserError(f"{release.model} {release.version} is ONNX already", "Give --int8 to quantise it.")
    golden = read_golden(folder, model.signature)
    tolerance = INT8_TOLERANCE if is_int8 else model.tolerance
    with tempfile.TemporaryDirectory(prefix="skywright-export-") as work:
        graph = graph_of(folder, model)
        graph = to_int8(graph, Path(work)) if is_int8 else graph
        (Path(work) / WEIGHTS).write_bytes(graph)
        exported = model.model_copy(
            update={"framework": "onnx", "architecture": None, "weights": WEIGHTS, "tolerance": tolerance}
        )
        original, converted = load(folder, model), load(Path(work), exported)
        answers = converted(golden.inputs)
        agreement = compare(golden, answers)
        _check(release, agreement, tolerance, INT8_AGREEMENT if is_int8 else 1)
        before = measure(original, golden, folder / model.weights)
        after = measure(converted, golden, Path(work) / WEIGHTS)
    content = _files(folder, exported, golden, answers, release, agreement)
    artifact.publish(url, {**content, WEIGHTS: graph})
    rows = len(next(iter(golden.inputs.values())))
    return Exported(url, rows, tolerance, agreement, before, after)


def compare(golden: Golden, answers: Mapping[str, Array]) -> Agreement:
    """Labels and other whole numbers count by equality, scores by their difference and by their largest column."""
    worst, same = 0.0, np.ones(len(next(iter(golden.outputs.values()))), bool)
    for name, want in golden.outputs.items():
        got = answers[name]
        if want.shape != got.shape:
            raise SkywrightError(f"the exported model gives {name} of shape {list(got.shape)}, not {list(want.shape)}")
        if want.dtype.kind != "f":
            same &= (want == got).reshape(len(want), -1).all(axis=1)
            continue
        off = np.abs(want.astype(np.float64) - got.astype(np.float64))
        worst = max(worst, float(np.nan_to_num(off, nan=np.inf).max()))
        if want.ndim > 1 and want.shape[-1] > 1:
            same &= (want.argmax(-1) == got.argmax(-1)).reshape(len(want), -1).all(axis=1)
    return Agreement(worst, float(same.mean()))


def _check(release: Release, agreement: Agreement, tolerance: float, top1: float) -> None:
    if agreement.max_difference <= tolerance and agreement.top1 >= top1:
        return
    raise SkywrightError(
        f"{release.model} {release.version} answers otherwise as ONNX: scores off by up to "
        f"{agreement.max_difference:.3g} (allowed {tolerance:g}), the same first choice in {agreement.top1:.1%} of the "
        f"golden rows (needed {top1:.0%})",
        "Serve it as it is; a quantised model may need training for it.",
    )


def measure(predict: Predictor, golden: Golden, weights: Path) -> Measured:
    one = {name: array[:1] for name, array in golden.inputs.items()}
    return Measured(weights.stat().st_size, _median_ms(predict, one), _median_ms(predict, golden.inputs))


def _median_ms(predict: Predictor, inputs: Mapping[str, Array]) -> float:
    seconds = []
    for _ in range(CALLS):
        began = time.perf_counter()
        predict(inputs)
        seconds.append(time.perf_counter() - began)
    return 1000 * statistics.median(seconds)


def _files(
    folder: Path, model: ModelFile, golden: Golden, answers: Mapping[str, Array], release: Release, found: Agreement
) -> dict[str, bytes]:
    """The golden answers are the exported model's own; the evaluation is the original's, and the lineage says so."""
    origin = {"model": release.model, "version": release.version, "artifact_sha256": release.artifact_sha256}
    lineage = _read(folder / "lineage.json") | {"exported_from": {**origin, **asdict(found)}}
    told = (
        f"\n## Export\n\nONNX of {release.model} {release.version}, whose evaluation is shown. On the golden rows "
        f"scores differ by at most {found.max_difference:.3g}; {found.top1:.1%} of the first choices are the same.\n"
    )
    card = (folder / "card.md").read_text() if (folder / "card.md").exists() else f"# {release.model}\n"
    tensors = {
        "inputs": {name: array.tolist() for name, array in golden.inputs.items()},
        "outputs": {spec.name: answers[spec.name].tolist() for spec in model.outputs},
    }
    return {
        "golden.json": _json(tensors, indent=None),
        "lineage.json": _json(lineage),
        "card.md": (card + told).encode(),
        "model.json": _json(model.model_dump(mode="json", exclude={"architecture"})),
        **{name: (folder / name).read_bytes() for name in KEPT if (folder / name).exists()},
    }


def _read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text())) if path.exists() else {}


def _json(data: Any, indent: int | None = 1) -> bytes:
    return json.dumps(data, indent=indent, sort_keys=True).encode() + b"\n"
