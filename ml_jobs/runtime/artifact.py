"""A model version's folder: what a server needs, what a reviewer reads, what a drift check compares with.

Equal weights of one job give equal bytes: nothing in it depends on the time or on how often the job was preempted.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module, metadata
from typing import Any

from catalog.errors import UserError
from ml_jobs.runtime.storage import Folder, sha256

FORMAT_VERSION = 1
GOLDEN_ROWS = 32
MODEL = "model.json"
WEIGHTS = "weights.safetensors"
FILES = {"torch": WEIGHTS, "sklearn": "model.skops"}
"""Framework -> the file that holds the model."""
PACKAGES = ("numpy", "safetensors", "scikit-learn", "skops", "torch")

DATATYPES = {
    "BOOL": "bool",
    "INT8": "int8",
    "INT16": "int16",
    "INT32": "int32",
    "INT64": "int64",
    "UINT8": "uint8",
    "FP16": "float16",
    "FP32": "float32",
    "FP64": "float64",
}
"""The Open Inference Protocol's names for tensor types."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One input or output of a model as its server offers it; -1 is the number of rows."""

    name: str
    datatype: str
    shape: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What a job hands over. `entry(**params)` builds the module again, whose `eval` answer is a dict by output name;
    a scikit-learn model (framework `sklearn`) is whole by itself, and handed over as an `Estimator`.

    `golden`: at least 32 rows of inputs by name; the first 32 are kept with the model's answers.
    """

    entry: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    inputs: Sequence[Tensor]
    outputs: Sequence[Tensor]
    golden: Mapping[str, Any]
    reference: Mapping[str, Mapping[str, Any]]
    evaluation: Mapping[str, float]
    primary: str
    summary: str
    higher_is_better: bool = True
    tolerance: float = 1e-4
    framework: str = "torch"


def build(entry: str, params: Mapping[str, Any]) -> Any:
    """The module that `entry` builds. Raises UserError when there is no such function or it takes other params."""
    module, _, function = entry.partition(":")
    try:
        return getattr(import_module(module), function)(**params)
    except (ImportError, AttributeError, TypeError) as error:
        raise UserError(f"architecture {entry} can't be built with {dict(params)}: {error}") from None


def files(model: Model, *, name: str, weights: Mapping[str, Any], lineage: Mapping[str, Any]) -> dict[str, bytes]:
    """The artifact's files. Builds the model anew from its weights, as a server will, for the golden answers."""
    if model.framework not in FILES:
        raise UserError(f"framework is {model.framework!r}; allowed: {', '.join(FILES)}")
    for metric, value in model.evaluation.items():
        if not math.isfinite(value):
            raise UserError(f"evaluation.{metric} is {value}; allowed: a finite number")
    if model.primary not in model.evaluation:
        raise UserError(f"primary metric {model.primary!r} is not in the evaluation: {', '.join(model.evaluation)}")
    rows = _golden_rows(model)
    described = {
        "format_version": FORMAT_VERSION,
        "model": name,
        "framework": model.framework,
        **({"architecture": {"entry": model.entry, "params": dict(model.params)}} if model.entry else {}),
        "weights": FILES[model.framework],
        "inputs": [tensor.to_json() for tensor in model.inputs],
        "outputs": [tensor.to_json() for tensor in model.outputs],
        "tolerance": model.tolerance,
    }
    blob, answers = (_sklearn if model.framework == "sklearn" else _torch)(model, weights, rows, described)
    evaluation = {**model.evaluation, "primary": model.primary, "higher_is_better": model.higher_is_better}
    golden = {"inputs": rows, "outputs": {tensor.name: answers[tensor.name] for tensor in model.outputs}}
    return {
        FILES[model.framework]: blob,
        "golden.json": _json({side: {k: v.tolist() for k, v in golden[side].items()} for side in golden}, indent=None),
        "reference.json": _json({"format_version": FORMAT_VERSION, "features": model.reference}, indent=None),
        "evaluation.json": _json(evaluation),
        "lineage.json": _json(lineage),
        "card.md": _card(name, model, lineage).encode(),
        MODEL: _json(described),
    }


def _golden_rows(model: Model) -> dict[str, Any]:
    import numpy as np

    rows = {tensor.name: np.asarray(model.golden[tensor.name])[:GOLDEN_ROWS] for tensor in model.inputs}
    for name, row in rows.items():
        if len(row) < GOLDEN_ROWS:
            raise UserError(f"golden rows of {name}: {len(row)} given; {GOLDEN_ROWS} are needed")
    return {tensor.name: rows[tensor.name].astype(DATATYPES[tensor.datatype]) for tensor in model.inputs}


Written = tuple[bytes, Mapping[str, Any]]
"""A model's file, and what the model read back from it answers to the golden rows, by output name."""


def _torch(model: Model, weights: Mapping[str, Any], rows: Mapping[str, Any], described: Mapping[str, Any]) -> Written:
    """The module may answer by name, or one tensor that its server names as it does."""
    import torch

    from ml_jobs.runtime import state
    from ml_jobs.serve.artifact import ModelFile
    from ml_jobs.serve.torch_model import TorchPredictor

    copies = {key: state.on_host(value) for key, value in weights.items()}
    state.synchronise()
    blob = state.tensors_to_bytes(copies)
    module = build(model.entry, model.params)
    module.load_state_dict(state.tensors_from_bytes(blob), strict=True)
    server = TorchPredictor(module, ModelFile.model_validate(described), torch.device("cpu"))
    with torch.inference_mode():
        answer = server.named(server.module(*(torch.from_numpy(rows[tensor.name]) for tensor in model.inputs)))
    missing = [tensor.name for tensor in model.outputs if tensor.name not in answer]
    if missing:
        raise UserError(f"{model.entry} answers {', '.join(answer)}; the outputs name {', '.join(missing)} too")
    return blob, {name: value.cpu().numpy() for name, value in answer.items()}


def _sklearn(
    model: Model, weights: Mapping[str, Any], rows: Mapping[str, Any], described: Mapping[str, Any]
) -> Written:
    from ml_jobs.runtime import artifact_sklearn

    blob = artifact_sklearn.blob_of(weights)
    return blob, artifact_sklearn.answers(blob, [tensor.name for tensor in model.outputs], list(rows.values()))


def packages() -> dict[str, str]:
    """Versions of what the weights depend on."""
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _json(data: Any, indent: int | None = 1) -> bytes:
    return json.dumps(data, indent=indent, sort_keys=True, default=str).encode() + b"\n"


def _card(name: str, model: Model, lineage: Mapping[str, Any]) -> str:
    metrics = "\n".join(f"- {metric}: {value:.4f}" for metric, value in sorted(model.evaluation.items()))
    params = "\n".join(f"- {key}: {value}" for key, value in sorted(dict(lineage["params"]).items())) or "- none"
    data = "\n".join(
        f"- {key}: {value['url']}, {value['rows']} rows, sha256 {value['digest']}"
        for key, value in sorted(dict(lineage["data"]).items())
    )
    return (
        f"# {name}\n\n{model.summary.strip()}\n\n"
        f"Trained by job {lineage['job']} ({lineage['entry']}) on {lineage['world_size']} ranks.\n\n"
        f"## Evaluation\n\n{metrics}\n\nReleases are compared by {model.primary}, "
        f"{'higher' if model.higher_is_better else 'lower'} is better.\n\n"
        f"## Data\n\n{data or '- none declared'}\n\n## Params\n\n{params}\n"
    )


def publish(url: str, content: Mapping[str, bytes]) -> bool:
    """Write the artifact as the folder `url`, whole or not at all; False when just these files stand there already."""
    parent, _, name = url.rstrip("/").rpartition("/")
    present = Folder(url)
    if present.names() == sorted(content):
        try:
            if all(sha256(present.read(file)) == sha256(data) for file, data in content.items()):
                return False
        except FileNotFoundError:
            pass
    Folder(parent).publish(name, content, last=MODEL)
    return True
