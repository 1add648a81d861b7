"""ONNX models, run by onnxruntime: on the GPU where its build knows one, else on the CPU."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from catalog.errors import UserError
from ml_jobs.serve.artifact import ModelFile
from ml_jobs.serve.tensors import DATATYPES, Array

PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")


class OnnxPredictor:
    """Feeds the graph's inputs by name, and reads its outputs by name."""

    def __init__(self, session: Any, model: ModelFile) -> None:
        self.session = session
        self.names = [spec.name for spec in model.outputs]
        self.kinds = [DATATYPES[spec.datatype] for spec in model.outputs]

    def __call__(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        answers = self.session.run(self.names, inputs)
        return {
            name: np.asarray(answer, kind) for name, answer, kind in zip(self.names, answers, self.kinds, strict=True)
        }


def load(folder: Path, model: ModelFile) -> OnnxPredictor:
    """One thread, as for torch: small batches gain nothing from more."""
    import onnxruntime

    path = folder / model.weights
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    known = onnxruntime.get_available_providers()
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=[provider for provider in PROVIDERS if provider in known]
        )
    except Exception as error:  # its exceptions share no base class
        first = str(error).splitlines()[0]
        raise UserError(f"{path} can't be read by onnxruntime: {first}", "Register the model anew.") from None
    for kind, said, found in (
        ("inputs", model.inputs, session.get_inputs()),
        ("outputs", model.outputs, session.get_outputs()),
    ):
        missing = {spec.name for spec in said} - {item.name for item in found}
        if missing:
            raise UserError(
                f"the graph in {path} has no {kind} {', '.join(sorted(missing))}, which model.json names; "
                f"it has {', '.join(item.name for item in found)}"
            )
    return OnnxPredictor(session, model)
